{{- define "daypass.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "daypass" $name) }}{{ $name = printf "%s-daypass" $name }}{{ end -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "daypass.selector" -}}
app.kubernetes.io/name: daypass
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "daypass.labels" -}}
{{ include "daypass.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "daypass.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "daypass.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end -}}
{{- end -}}
