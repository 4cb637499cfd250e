{{/* Combinations that no schema can express and that would lose keys or money: refused with the way out. */}}

{{- define "isthmus.refusals" -}}
{{- $many := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and $many .Values.persistence.enabled -}}
{{- fail "more than one replica cannot share the ledger's SQLite database, which has a single writer: set replicaCount to 1 and autoscaling.enabled to false, or persistence.enabled to false with access: anonymous" -}}
{{- end -}}
{{- if and (not .Values.persistence.enabled) (ne .Values.access "anonymous") -}}
{{- fail (printf "access: %s needs persistence.enabled: true, because keys live in the ledger's database and would be lost with the pod" .Values.access) -}}
{{- end -}}
{{- if and (eq .Values.models.volume "claim") (not .Values.models.claimName) -}}
{{- fail "models.volume: claim needs models.claimName, the name of the claim that holds the model files" -}}
{{- end -}}
{{- if and .Values.models.download.enabled (eq .Values.models.volume "image") -}}
{{- fail "models.download needs a place to write: set models.volume to emptyDir or claim" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs at least one entry in ingress.hosts, such as {host: ai.example.org, path: /}" -}}
{{- end -}}
{{- end -}}
