{{- define "serin.name" -}}
{{- if contains "serin" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-serin" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "serin.selector" -}}
app.kubernetes.io/name: serin
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "serin.labels" -}}
{{ include "serin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "serin.scheme" -}}
{{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }}
{{- end }}

{{/* The settings file: what the chart knows, and the user's own on top. */}}
{{- define "serin.settings" -}}
{{- $known := dict "data" "/data" "listen" "0.0.0.0:8000" "root" "/models" "log-format" "json" "drain" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- $name := include "serin.name" . -}}
{{- $_ := set $known "allowed-host" (concat (list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace)) .Values.hosts) -}}
{{- $models := list -}}
{{- range .Values.models }}{{- $models = append $models (printf "%s=%s" .name .path) }}{{- end -}}
{{- if $models }}{{- $_ := set $known "model" $models }}{{- end -}}
{{- if .Values.keys.secretName }}{{- $_ := set $known "keys" "/etc/serin/keys/keys" }}{{- end -}}
{{- if .Values.tls.secretName }}{{- $_ := set $known "tls-cert" "/etc/serin/tls/tls.crt" }}{{- $_ := set $known "tls-key" "/etc/serin/tls/tls.key" }}{{ else }}{{- $_ := set $known "behind-proxy" true }}{{- end -}}
{{- toYaml (merge (deepCopy .Values.settings) $known) -}}
{{- end }}
