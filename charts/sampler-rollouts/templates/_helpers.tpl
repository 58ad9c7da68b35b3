{{- define "sampler-rollouts.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sampler-rollouts.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "sampler-rollouts.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sampler-rollouts.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sampler-rollouts.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sampler-rollouts.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sampler-rollouts.labels" -}}
{{ include "sampler-rollouts.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: sampler-rollouts
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sampler-rollouts.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sampler-rollouts.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sampler-rollouts.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ required "image.digest is required (image.tag is for development)" .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "sampler-rollouts.config" -}}
metricsSources:
  {{- toYaml .Values.metricsSources | nindent 2 }}
{{- end }}

{{/* Exactly the calls that the operator makes; docs/operating.md says what each is for. */}}
{{- define "sampler-rollouts.rules" -}}
- apiGroups: [samplerrollouts.io]
  resources: [samplerrollouts]
  verbs: [get, list, watch]
- apiGroups: [samplerrollouts.io]
  resources: [samplerrollouts/status]
  verbs: [update]
# Asked for where the admission plugin OwnerReferencesPermissionEnforcement guards blockOwnerDeletion. No finalizer is set.
- apiGroups: [samplerrollouts.io]
  resources: [samplerrollouts/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, create, patch]
{{- end }}

{{/* A source's scrape interval as Prometheus writes it: a plain number is seconds. */}}
{{- define "sampler-rollouts.scrapeInterval" -}}
{{- $given := default "15s" .scrapeInterval -}}
{{- if kindIs "string" $given }}{{ $given }}{{ else }}{{ printf "%dms" (int (round (mulf 1000 $given) 0)) }}{{ end -}}
{{- end }}
