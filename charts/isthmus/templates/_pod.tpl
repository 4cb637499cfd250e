{{/* The pod: what runs beside the gateway, with which rights, and which volumes it sees. */}}

{{- define "isthmus.podSpec" -}}
serviceAccountName: {{ include "isthmus.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "isthmus.gracePeriodSeconds" . }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- if .Values.models.download.enabled }}
initContainers:
  - {{- include "isthmus.modelDownload" . | nindent 4 }}
{{- end }}
containers:
  - {{- include "isthmus.container" . | nindent 4 }}
volumes: {{- include "isthmus.volumes" . | nindent 2 }}
{{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
runtimeClassName: {{ .Values.gpu.runtimeClassName }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with get $.Values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "isthmus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "isthmus.volumes" -}}
- name: config
  configMap:
    name: {{ include "isthmus.fullname" . }}
- name: ledger
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ include "isthmus.ledgerClaim" . }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: tmp
  emptyDir: {}
{{- if eq .Values.models.volume "claim" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.models.claimName }}
{{- else if eq .Values.models.volume "emptyDir" }}
- name: models
  emptyDir:
    sizeLimit: {{ .Values.models.sizeLimit }}
{{- end }}
{{- end -}}

{{/* Written under another name and moved only once its checksum is right: a half file never looks whole. */}}
{{- define "isthmus.modelDownload" -}}
name: model
image: {{ .Values.models.download.image }}
securityContext: {{- include "isthmus.containerSecurity" . | nindent 2 }}
env:
  - name: MODEL_URL
    value: {{ .Values.models.download.url | quote }}
  - name: MODEL_FILE
    value: {{ printf "/models/%s" .Values.models.download.file | quote }}
  - name: MODEL_SHA256
    value: {{ .Values.models.download.sha256 | quote }}
command:
  - /bin/sh
  - -ec
  - |
    whole() { echo "$MODEL_SHA256  $1" | sha256sum -c - >/dev/null 2>&1; }
    if whole "$MODEL_FILE"; then echo "$MODEL_FILE is there already"; exit 0; fi
    curl --fail --location --retry 5 --output "$MODEL_FILE.part" "$MODEL_URL"
    whole "$MODEL_FILE.part" || { echo "$MODEL_URL does not have the sha256 $MODEL_SHA256"; exit 1; }
    mv "$MODEL_FILE.part" "$MODEL_FILE"
volumeMounts:
  - name: models
    mountPath: /models
{{- end -}}
