{{/*
The configuration file, and what is computed from it.
The operator's `config` is kept as written, but for what the chart alone can know.
*/}}

{{- define "isthmus.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $server := $config.server | default dict -}}
{{- if eq .Values.access "anonymous" -}}
{{- $_ := set $server "allow_anonymous" true -}}
{{- end -}}
{{- $_ := set $config "server" $server -}}
{{- if .Values.gpu.enabled -}}
{{- range $provider := $config.providers -}}
{{- if and (eq $provider.kind "embedded") (not (hasKey $provider "gpu_layers")) -}}
{{- $_ := set $provider "gpu_layers" (int $.Values.gpu.layers) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Whole seconds, rounded up, of a duration such as `500ms`, `30s`, `2m` or `1h`; the schema keeps its form. */}}
{{- define "isthmus.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else -}}{{ mul $number (get (dict "s" 1 "m" 60 "h" 3600) $unit) }}
{{- end -}}
{{- end -}}

{{/* The pause, then the drain, then time to settle: only after all three may the pod be killed. */}}
{{- define "isthmus.gracePeriodSeconds" -}}
{{- $server := .Values.config.server | default dict -}}
{{- $drain := include "isthmus.seconds" ($server.drain_timeout | default "30s") | int -}}
{{- add (int .Values.preStopSeconds) $drain (int .Values.graceMarginSeconds) -}}
{{- end -}}
