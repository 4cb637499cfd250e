{{/* The gateway's own container: listeners, secrets by reference, probes on the admin port. */}}

{{- define "isthmus.container" -}}
name: isthmus
image: {{ include "isthmus.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve]
securityContext: {{- include "isthmus.containerSecurity" . | nindent 2 }}
env: {{- include "isthmus.env" . | nindent 2 }}
{{- with .Values.providerSecrets }}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
{{- end }}
ports:
  - name: api
    containerPort: 8080
  - name: admin
    containerPort: 8081
# Loading a large model takes minutes: until the first healthy answer the others wait.
startupProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 2
  failureThreshold: 300
livenessProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
  timeoutSeconds: 3
{{- if .Values.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.preStopSeconds }}
{{- end }}
resources: {{- include "isthmus.resources" . | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/isthmus
    readOnly: true
  - name: ledger
    mountPath: /var/lib/isthmus
  - name: tmp
    mountPath: /tmp
  {{- if ne .Values.models.volume "image" }}
  - name: models
    mountPath: /models
  {{- end }}
{{- end -}}

{{- define "isthmus.env" -}}
- name: ISTHMUS_CONFIG
  value: /etc/isthmus/isthmus.yaml
- name: ISTHMUS_LISTEN
  # Before the first key exists only `kubectl exec` and `port-forward` may reach the API.
  value: {{ ternary "127.0.0.1:8080" "0.0.0.0:8080" (eq .Values.access "setup") }}
- name: ISTHMUS_ADMIN_LISTEN
  value: 0.0.0.0:8081
- name: ISTHMUS_ADMIN_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.adminToken.secretName }}
      key: {{ .Values.adminToken.key }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "isthmus.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.enabled -}}
{{- $limits := $resources.limits | default dict -}}
{{- $_ := set $limits .Values.gpu.resource (int .Values.gpu.count) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
