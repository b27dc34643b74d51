{{/* Security contexts of the level "restricted" (kubernetes.io/docs/concepts/security/pod-security-standards). */}}
{{- define "keyproxy.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "keyproxy.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Where pods run. Takes the values of a component. */}}
{{- define "keyproxy.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Health by the HTTP listener; the kubelet asks, so the image needs no program for it. */}}
{{- define "keyproxy.probes" -}}
startupProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /livez, port: metrics }
  periodSeconds: 10
  failureThreshold: 6
{{- end -}}

{{/* Egress to name servers, wherever they are: a node's own cache has no pod to select. */}}
{{- define "keyproxy.egressToNames" -}}
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end -}}

{{/* Ingress to metrics and health: from everybody, or from whom the values name and the pod of `helm test`. */}}
{{- define "keyproxy.ingressToMetrics" -}}
- ports:
    - { port: metrics, protocol: TCP }
  {{- with .Values.networkPolicy.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
    - podSelector:
        matchLabels: {{- include "keyproxy.selector" (dict "context" $ "component" "test") | nindent 10 }}
  {{- end }}
{{- end -}}
