{{/*
The daemon's file (docs/configuration.md): what the chart decides stands over what `node.config` says. The socket is the
only listener: all pods of the node share it, so each caller needs a token. The cluster's authority and the daemon's own
token are for the cluster's API server; elsewhere keys are public, under a public authority, and the token must not go there.
*/}}
{{- define "keyproxy.nodeConfig" -}}
{{- $token := dict
  "issuer" .Values.node.tokens.issuer
  "audience" .Values.node.tokens.audience
  "jwks_uri" .Values.node.tokens.jwksUri -}}
{{- if regexMatch "^https://kubernetes\\.default\\.svc[.:/]" .Values.node.tokens.jwksUri -}}
{{- $_ := set $token "ca_file" "/var/run/secrets/keyproxy/api/ca.crt" -}}
{{- $_ := set $token "token_file" "/var/run/secrets/keyproxy/api/token" -}}
{{- end -}}
{{- $socket := dict "unix" "/run/keyproxy/keyproxy.sock" "mode" "0666" "identity" "token" -}}
{{- $own := dict
  "environment" .Values.node.environment
  "listen" (list $socket)
  "http" (dict "address" ":9464")
  "tenants" (dict "directory" "/etc/keyproxy/tenants")
  "policy" "/etc/keyproxy/config/policy.yaml"
  "state" (dict "directory" "/var/lib/keyproxy/state")
  "identity" (dict "token" $token)
  "log" (dict "level" .Values.node.logLevel) -}}
{{- mergeOverwrite (default dict .Values.node.config | deepCopy) $own | toYaml -}}
{{- end -}}
