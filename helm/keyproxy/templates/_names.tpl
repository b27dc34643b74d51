{{/* Release and chart in one name, as Helm's habit is; 42 characters leave room for the longest suffix. */}}
{{- define "keyproxy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 42 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 42 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keyproxy.injector" -}}{{ include "keyproxy.fullname" . }}-injector{{- end -}}
{{- define "keyproxy.node" -}}{{ include "keyproxy.fullname" . }}-node{{- end -}}

{{/* What selects pods of a component, for good: a Deployment's selector cannot change. Takes (context, component). */}}
{{- define "keyproxy.selector" -}}
app.kubernetes.io/name: {{ default .context.Chart.Name .context.Values.nameOverride }}
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. Takes (context, component). */}}
{{- define "keyproxy.labels" -}}
{{ include "keyproxy.selector" . }}
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: keyproxy
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ .context.Chart.Name }}-{{ .context.Chart.Version | replace "+" "_" }}
{{- with .context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a component's pods. Takes (context, component, and labels, which stand over those of all objects). */}}
{{- define "keyproxy.podLabels" -}}
{{- merge (deepCopy .labels) (include "keyproxy.labels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* How much a quantity is (`values.schema.json` has its form), for comparisons. */}}
{{- define "keyproxy.quantity" -}}
{{- if kindIs "string" . -}}
{{- $factors := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- mulf (float64 (regexFind "^[0-9.]+" .)) (get $factors (regexFind "[A-Za-z]*$" .)) -}}
{{- else -}}
{{- float64 . -}}
{{- end -}}
{{- end -}}

{{- define "keyproxy.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* Whether an object of the Prometheus operator is made: "yes" or nothing. Takes (context, when). */}}
{{- define "keyproxy.monitored" -}}
{{- if or (eq .when "always") (and (eq .when "auto") (.context.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
yes
{{- end -}}
{{- end -}}
