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

{{/* The operator's configuration: what is named by reference is a mounted file there. */}}
{{- define "sampler-rollouts.config" -}}
{{- $sources := dict }}
{{- range $name, $source := .Values.metricsSources }}
{{- $plain := omit $source "bearerTokenSecret" "caSecret" "caConfigMap" }}
{{- if $source.bearerTokenSecret }}
{{- if $source.bearerTokenFile }}{{ fail (printf "metricsSources.%s: give bearerTokenSecret or bearerTokenFile, not both" $name) }}{{ end }}
{{- $_ := set $plain "bearerTokenFile" (printf "%s/%s/token" (include "sampler-rollouts.credentials" .) $name) }}
{{- end }}
{{- if gt (len (compact (list $source.caSecret $source.caConfigMap $source.caFile))) 1 }}
{{- fail (printf "metricsSources.%s: give one of caSecret, caConfigMap and caFile" $name) }}
{{- end }}
{{- if or $source.caSecret $source.caConfigMap }}
{{- $_ := set $plain "caFile" (printf "%s/%s/ca.crt" (include "sampler-rollouts.credentials" .) $name) }}
{{- end }}
{{- $_ := set $sources $name $plain }}
{{- end }}
metricsSources:
  {{- toYaml $sources | nindent 2 }}
{{- with .Values.authors }}
authors:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where Secrets and ConfigMaps of the metrics sources are mounted. */}}
{{- define "sampler-rollouts.credentials" -}}
/var/run/sampler-rollouts/metrics
{{- end }}

{{/* What is projected there; empty if no source refers to anything. */}}
{{- define "sampler-rollouts.references" -}}
{{- range $name, $source := .Values.metricsSources }}
{{- with $source.bearerTokenSecret }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/token}]}
{{- end }}
{{- with $source.caSecret }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/ca.crt}]}
{{- end }}
{{- with $source.caConfigMap }}
- configMap: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/ca.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{/* Volumes and mounts of the operator's pod, and of the one that checks it. */}}
{{- define "sampler-rollouts.mounts" -}}
- {name: config, mountPath: /etc/sampler-rollouts, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "sampler-rollouts.references" . }}
- {name: credentials, mountPath: {{ include "sampler-rollouts.credentials" . }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sampler-rollouts.volumes" -}}
- name: config
  configMap: {name: {{ include "sampler-rollouts.fullname" . }}}
- name: tmp
  emptyDir: {sizeLimit: 16Mi}
{{- with include "sampler-rollouts.references" . }}
- name: credentials
  projected:
    # Read by the pod's group alone.
    defaultMode: 0440
    sources:
      {{- . | nindent 4 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A pod under the Pod Security level restricted. */}}
{{- define "sampler-rollouts.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sampler-rollouts.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
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
# Only for rollouts with routing.gateway. Where the Gateway API is not installed the rule says nothing.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
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
