{{/*
Release and chart in one name, as Helm's habit is; 42 characters leave room for the longest suffix. A longer one ends with
its sum, so that names that begin alike stay different. A release's name may have dots, a Service's may not.
*/}}
{{- define "keyproxy.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- $name := default $both .Values.fullnameOverride | replace "." "-" -}}
{{- if not (regexMatch "^[a-z]" $name) -}}
{{- fail (printf "the release's name %s: a Service's name begins with a letter; set fullnameOverride" .Release.Name) -}}
{{- end -}}
{{- if gt (len $name) 42 -}}
{{- $name = printf "%s-%s" (trunc 33 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "keyproxy.injector" -}}{{ include "keyproxy.fullname" . }}-injector{{- end -}}
{{- define "keyproxy.node" -}}{{ include "keyproxy.fullname" . }}-node{{- end -}}

{{/* What selects pods of a component, for good: a Deployment's selector cannot change. Takes (context, component). */}}
{{- define "keyproxy.selector" -}}
app.kubernetes.io/name: {{ default .context.Chart.Name .context.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
Labels of an object. Takes (context, component, and labels of its own, which stand over those of all objects). They are
one map: written one after the other, a key could be there twice.
*/}}
{{- define "keyproxy.labels" -}}
{{- $chart := dict
  "app.kubernetes.io/version" .context.Chart.AppVersion
  "app.kubernetes.io/part-of" "keyproxy"
  "app.kubernetes.io/managed-by" .context.Release.Service
  "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_") -}}
{{- $selector := include "keyproxy.selector" . | fromYaml -}}
{{- merge $selector $chart (default dict .labels) (default dict .context.Values.commonLabels) | toYaml -}}
{{- end -}}

{{/* How much a quantity is (`values.schema.json` has its form), for comparisons. */}}
{{- define "keyproxy.quantity" -}}
{{- if kindIs "string" . -}}
{{- $factors := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (float64 (regexFind "^[0-9.]+(e[0-9]+)?" .)) (get $factors (regexFind "[A-Za-z]*$" .)) -}}
{{- else -}}
{{- float64 . -}}
{{- end -}}
{{- end -}}

{{/* How long a duration is (`values.schema.json` has its form), in seconds. */}}
{{- define "keyproxy.seconds" -}}
{{- $total := 0 -}}
{{- range $unit, $seconds := dict "h" 3600 "m" 60 "s" 1 -}}
{{- $total = regexFind (printf "[0-9]+%s" $unit) $ | trimSuffix $unit | int64 | mul $seconds | add $total -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{- define "keyproxy.image" -}}
{{- $image := .Values.image -}}
{{- with (.Values.global).imageRegistry }}{{ . }}/{{ end -}}
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
