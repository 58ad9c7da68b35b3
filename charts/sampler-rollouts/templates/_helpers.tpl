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
app.kubernetes.io/name: {{ include "sampler-rollouts.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "sampler-rollouts.labels" -}}
{{ include "sampler-rollouts.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: sampler-rollouts
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels or annotations of the user's beside the chart's own, of which none may be there twice. */}}
{{- define "sampler-rollouts.added" -}}
{{- $where := index . 0 }}
{{- $own := index . 1 }}
{{- range $key, $_ := index . 2 }}
{{- if hasKey $own $key }}{{ fail (printf "%s: %s is the chart's own, choose another key" $where $key) }}{{ end }}
{{- end }}
{{- toYaml (index . 2) }}
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
{{- with .Values.suspects.acrossNamespaces }}
suspects:
  acrossNamespaces:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- if .Values.notifications.receivers }}
notifications:
  {{- include "sampler-rollouts.notifications" . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* Who is told: what is named by reference is a mounted file there. */}}
{{- define "sampler-rollouts.notifications" -}}
{{- $receivers := dict }}
{{- range $name, $receiver := .Values.notifications.receivers }}
{{- $plain := omit $receiver "urlSecret" "signingKeySecret" "routingKeySecret" "bearerTokenSecret" "caSecret" "caConfigMap" }}
{{- range $field := list "url" "signingKey" "routingKey" "bearerToken" }}
{{- if get $receiver (printf "%sSecret" $field) }}
{{- if get $receiver (printf "%sFile" $field) }}
{{- fail (printf "notifications.receivers.%s: give %sSecret or %sFile, not both" $name $field $field) }}
{{- end }}
{{- $_ := set $plain (printf "%sFile" $field) (printf "%s/%s/%s" (include "sampler-rollouts.receiverCredentials" $) $name $field) }}
{{- end }}
{{- end }}
{{- if gt (len (compact (list $receiver.caSecret $receiver.caConfigMap $receiver.caFile))) 1 }}
{{- fail (printf "notifications.receivers.%s: give one of caSecret, caConfigMap and caFile" $name) }}
{{- end }}
{{- if or $receiver.caSecret $receiver.caConfigMap }}
{{- $_ := set $plain "caFile" (printf "%s/%s/ca.crt" (include "sampler-rollouts.receiverCredentials" $) $name) }}
{{- end }}
{{- include "sampler-rollouts.receiverProblem" (list $name $plain) }}
{{- $_ := set $receivers $name $plain }}
{{- end }}
{{- with .Values.notifications.cluster }}
cluster: {{ . | quote }}
{{- end }}
receivers:
  {{- toYaml $receivers | nindent 2 }}
{{- end }}

{{/* What the operator would refuse at its start, said at installation. */}}
{{- define "sampler-rollouts.receiverProblem" -}}
{{- $name := index . 0 }}
{{- $receiver := index . 1 }}
{{- $where := printf "notifications.receivers.%s" $name }}
{{- $format := default "CloudEvents" $receiver.format }}
{{- if and $receiver.url $receiver.urlFile }}{{ fail (printf "%s: give url or urlSecret, not both" $where) }}{{ end }}
{{- if not (or $receiver.url $receiver.urlFile (eq $format "PagerDuty")) }}{{ fail (printf "%s: give url, or urlSecret if it is a secret" $where) }}{{ end }}
{{- if ne (eq $format "CloudEvents") (not (empty $receiver.signingKeyFile)) }}
{{- fail (printf "%s: signingKeySecret belongs to format CloudEvents, and CloudEvents needs it" $where) }}
{{- end }}
{{- if ne (eq $format "PagerDuty") (not (empty $receiver.routingKeyFile)) }}
{{- fail (printf "%s: routingKeySecret belongs to format PagerDuty, and PagerDuty needs it" $where) }}
{{- end }}
{{- $own := regexMatch "^http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?(/|$)" (default "" $receiver.url) }}
{{- if and (hasPrefix "http://" (default "" $receiver.url)) (not $own) (or $receiver.routingKeyFile $receiver.bearerTokenFile) }}
{{- fail (printf "%s: url must be https: a secret would travel in clear text" $where) }}
{{- end }}
{{- end }}

{{/* Where Secrets and ConfigMaps of receivers are mounted. */}}
{{- define "sampler-rollouts.receiverCredentials" -}}
/var/run/sampler-rollouts/receivers
{{- end }}

{{/* What is projected there; empty if no receiver refers to anything. */}}
{{- define "sampler-rollouts.receiverReferences" -}}
{{- range $name, $receiver := .Values.notifications.receivers }}
{{- range $field := list "url" "signingKey" "routingKey" "bearerToken" }}
{{- with get $receiver (printf "%sSecret" $field) }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/{{ $field }}}]}
{{- end }}
{{- end }}
{{- with $receiver.caSecret }}
- secret: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/ca.crt}]}
{{- end }}
{{- with $receiver.caConfigMap }}
- configMap: {name: {{ .name | quote }}, items: [{key: {{ .key | quote }}, path: {{ $name }}/ca.crt}]}
{{- end }}
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

{{/* What `--check` needs too is in the environment: whoever runs it in the operator's pod need not repeat it. */}}
{{- define "sampler-rollouts.environ" -}}
- {name: SAMPLER_ROLLOUTS_CONFIG, value: /etc/sampler-rollouts/config.yaml}
{{- with .Values.watchNamespaces }}
- {name: SAMPLER_ROLLOUTS_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}

{{/* Volumes and mounts of the operator's pod, and of the one that checks it. */}}
{{- define "sampler-rollouts.mounts" -}}
- {name: config, mountPath: /etc/sampler-rollouts, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "sampler-rollouts.references" . }}
- {name: credentials, mountPath: {{ include "sampler-rollouts.credentials" . }}, readOnly: true}
{{- end }}
{{- if include "sampler-rollouts.receiverReferences" . }}
- {name: receivers, mountPath: {{ include "sampler-rollouts.receiverCredentials" . }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sampler-rollouts.volumes" -}}
- name: config
  configMap: {name: {{ include "sampler-rollouts.fullname" . | quote }}}
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
{{- with include "sampler-rollouts.receiverReferences" . }}
- name: receivers
  projected:
    # Read by the pod's group alone.
    defaultMode: 0440
    sources:
      {{- . | trim | nindent 4 }}
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
# Only for pools without replicas: an autoscaler owns the count.
- apiGroups: [samplerrollouts.io]
  resources: [samplerpools]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [samplerrollouts.io]
  resources: [samplerpools/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
# Only for pools with a disruptionBudget.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# Only for rollouts with routing.gateway. Where the Gateway API is not installed the rule says nothing.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Only for rollback.warmReplicas without a gateway: opens the readiness gate of a pod that stands by.
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, create, patch]
{{- end }}

{{/* A source's scrape interval as Prometheus writes it: a plain number is seconds. */}}
{{- define "sampler-rollouts.scrapeInterval" -}}
{{- $given := default "15s" .scrapeInterval -}}
{{- if kindIs "string" $given }}{{ $given }}{{ else }}{{ printf "%dms" (int (round (mulf 1000 $given) 0)) }}{{ end -}}
{{- end }}
