{{/*
Folders of the node belong to root, and nobody else can make a socket in them. Here root, without a single capability,
gives them to its own group, which is the daemon's: an owner may do that (chown(2)). The image has no shell, but Node.
*/}}
{{- define "keyproxy.nodeFolders" -}}
- name: folders
  image: {{ include "keyproxy.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - /nodejs/bin/node
    - --eval
    - |
      const { chmodSync, chownSync } = require('node:fs');
      for (const [folder, mode] of [['/run/keyproxy', 0o775], ['/var/lib/keyproxy', 0o770]]) {
        chownSync(folder, 0, 65532);
        chmodSync(folder, mode);
      }
  resources: {{- default dict .Values.node.resources | toYaml | nindent 4 }}
  securityContext:
    runAsUser: 0
    runAsNonRoot: false
    {{- include "keyproxy.containerSecurityContext" . | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - { name: socket, mountPath: /run/keyproxy }
    - { name: state, mountPath: /var/lib/keyproxy }
{{- end -}}

{{- define "keyproxy.nodeVolumes" -}}
- name: config
  configMap: { name: {{ include "keyproxy.node" . }} }
- name: tenants
  configMap: { name: {{ default (printf "%s-tenants" (include "keyproxy.node" .)) .Values.node.tenantsConfigMap | quote }} }
- name: socket
  hostPath: { path: {{ .Values.node.socket.hostPath | quote }}, type: DirectoryOrCreate }
- name: state
  {{- if .Values.node.state.hostPath }}
  hostPath: { path: {{ .Values.node.state.hostPath | quote }}, type: DirectoryOrCreate }
  {{- else }}
  emptyDir: { sizeLimit: 64Mi }
  {{- end }}
- name: api
  projected:
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap:
          name: kube-root-ca.crt
          items: [{ key: ca.crt, path: ca.crt }]
{{- with .Values.node.secret }}
- name: secret
  secret: { secretName: {{ . | quote }} }
{{- end }}
{{- with .Values.node.vaultTokens }}
- name: vault-tokens
  projected:
    sources:
      {{- range . }}
      - serviceAccountToken: { path: {{ .tenant | quote }}, audience: {{ .audience | quote }}, expirationSeconds: 3600 }
      {{- end }}
{{- end }}
{{- end -}}
