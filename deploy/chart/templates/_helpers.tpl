{{- define "kontain-faas.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kontain-faas.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kontain-faas.labels" -}}
{{ include "kontain-faas.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kontain-faas.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kontain-faas.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name one, or set serviceAccount.create to true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "kontain-faas.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the downloader may do: name of role and binding, cluster-wide or in one namespace. */}}
{{- define "kontain-faas.rules" -}}
- apiGroups: [build.kontain.app]
  resources: [images]
  verbs: [list, watch]
- apiGroups: [build.kontain.app]
  resources: [images/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* What it may do in the namespaces of Images that name Secrets. */}}
{{- define "kontain-faas.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end -}}

{{/* The same for both containers: no way to more rights than they start with. */}}
{{- define "kontain-faas.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
{{- end -}}

{{/* Resources, with the device where a plugin gives it: of the root and the resources. */}}
{{- define "kontain-faas.withDevice" -}}
{{- $values := (index . 0).Values -}}
{{- $resources := deepCopy (index . 1) -}}
{{- if eq $values.device.mode "plugin" -}}
{{- $limits := merge (dict $values.device.resource 1) (default (dict) $resources.limits) -}}
{{- $resources = set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* The builder's pods are none of the Service of functions. */}}
{{- define "kontain-faas.builderSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-builder
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kontain-faas.builderLabels" -}}
{{ include "kontain-faas.builderSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kontain-faas.builderAccount" -}}
{{- with .Values.builder.serviceAccount -}}
{{- if .create -}}
{{- default (printf "%s-builder" (include "kontain-faas.fullname" $)) .name -}}
{{- else -}}
{{- required "builder.serviceAccount.name: name one, or set builder.serviceAccount.create to true" .name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Values of OpenFaaS' builder that mean nothing here say so. */}}
{{- define "kontain-faas.builderRefused" -}}
{{- with .Values.builder -}}
{{- if hasKey . "buildkit" -}}
{{- fail "builder.buildkit: there is no BuildKit here: steps run in machines of their own, which need neither its daemon nor its rights" -}}
{{- end -}}
{{- if .enableLchown -}}
{{- fail "builder.enableLchown: files of a context belong to root in the image, or to whom --chown names" -}}
{{- end -}}
{{- if hasKey . "proBuilder" -}}
{{- fail "builder.proBuilder: set builder.maxInflight" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kontain-faas.volume" -}}
{{- with .Values.volume -}}
{{- if eq .type "emptyDir" -}}
emptyDir:
  medium: {{ .emptyDir.medium | quote }}
  {{- with .emptyDir.sizeLimit }}
  sizeLimit: {{ . }}
  {{- end }}
{{- else if eq .type "hostPath" -}}
hostPath: {path: {{ .hostPath.path }}, type: Directory}
{{- else -}}
persistentVolumeClaim: {claimName: {{ required "volume.pvc.claimName: name the claim" .pvc.claimName }}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity in bytes. */}}
{{- define "kontain-faas.bytes" -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (float64 $number) (get $factors (trimPrefix $number .)) | int64 -}}
{{- end -}}

{{/* Refuses sizes that do not fit into the volume together: the kubelet would evict the pod, again and again. */}}
{{- define "kontain-faas.checkSizes" -}}
{{- if and (eq .Values.volume.type "emptyDir") .Values.volume.emptyDir.sizeLimit -}}
{{- $limit := include "kontain-faas.bytes" .Values.volume.emptyDir.sizeLimit | int64 -}}
{{- $snapshots := include "kontain-faas.bytes" (default "20Gi" .Values.server.snapshotBudget) | int64 -}}
{{- $layers := include "kontain-faas.bytes" (default "10Gi" .Values.downloader.keepLayers) | int64 -}}
{{- if gt (add $snapshots $layers) (div (mul $limit 3) 4) -}}
{{- fail "server.snapshotBudget and downloader.keepLayers are more than three quarters of volume.emptyDir.sizeLimit, which leaves no room for bundles: lower them, or raise the limit" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The user of both containers: secrets are files of mode 0600 that one writes and the other reads. */}}
{{- define "kontain-faas.user" -}}
{{- if kindIs "invalid" .Values.pod.runAsUser -}}
{{- ternary 0 65532 (eq .Values.device.mode "hostPath") -}}
{{- else -}}
{{- int64 .Values.pod.runAsUser -}}
{{- end -}}
{{- end -}}
