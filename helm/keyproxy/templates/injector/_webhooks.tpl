{{/* Annotations of a registration: those of the values, and the one by which cert-manager sets its `caBundle`. */}}
{{- define "keyproxy.webhookAnnotations" -}}
{{- $annotations := default dict .Values.injector.webhook.annotations | deepCopy }}
{{- if eq .Values.injector.certificates.provider "certManager" }}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "keyproxy.injector" .)) }}
{{- end }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What both webhooks have: where they are, and that a pod which asks for a sidecar is not stored without an answer. Takes (context, path). */}}
{{- define "keyproxy.webhook" -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: {{ include "keyproxy.injector" .context }}
    namespace: {{ .context.Release.Namespace | quote }}
    path: {{ .path }}
    port: 443
failurePolicy: Fail
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: {{ .context.Values.injector.webhook.timeoutSeconds }}
# Keeps all pods that do not ask out of the injector's way.
objectSelector:
  matchLabels: { keyproxy.io/inject: "true" }
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{- concat (list "kube-system" "kube-public" "kube-node-lease" .context.Release.Namespace) (default list .context.Values.injector.webhook.excludeNamespaces) | uniq | toYaml | nindent 8 }}
{{- end -}}
