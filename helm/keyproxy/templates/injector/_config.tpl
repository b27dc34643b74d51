{{/* The injector's file; docs/kubernetes.md has its keys. */}}
{{- define "keyproxy.injectorConfig" -}}
{{- $resources := default dict .Values.sidecar.resources -}}
{{- $requests := default dict $resources.requests -}}
{{- range $name, $most := default dict $resources.limits -}}
{{- $least := default 0 (get $requests $name) -}}
{{- if gt (include "keyproxy.quantity" $least | float64) (include "keyproxy.quantity" $most | float64) -}}
{{- fail (printf "sidecar.resources: requests %v of %s and limits it to %v; raise the limit or lower the request" $least $name $most) -}}
{{- end -}}
{{- end -}}
listen: ":{{ .Values.injector.port }}"
http: ":9464"
sidecar:
  image: {{ default (include "keyproxy.image" .) .Values.sidecar.image | quote }}
  image_pull_policy: {{ .Values.sidecar.imagePullPolicy }}
  native: {{ .Values.sidecar.native }}
  log_level: {{ .Values.sidecar.logLevel }}
  resources: {{- toYaml $resources | nindent 4 }}
  http_port: {{ .Values.sidecar.httpPort }}
  run_as_user: {{ .Values.sidecar.runAsUser }}
certificates:
  {{- if eq .Values.injector.certificates.provider "own" }}
  own:
    namespace: {{ .Release.Namespace | quote }}
    service: {{ include "keyproxy.injector" . }}
    secret: {{ include "keyproxy.injector" . }}-tls
    webhook: {{ include "keyproxy.injector" . }}
  {{- else }}
  files:
    certificate: /etc/keyproxy/tls/tls.crt
    key: /etc/keyproxy/tls/tls.key
  {{- end }}
{{- end -}}
