{{- define "obtask-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 45 characters: suffixes follow. */}}
{{- define "obtask-operator.fullname" -}}
{{- $name := include "obtask-operator.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $full | trunc 45 | trimSuffix "-" }}
{{- end }}

{{- define "obtask-operator.selector" -}}
app.kubernetes.io/name: {{ include "obtask-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "obtask-operator.labels" -}}
{{ include "obtask-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "obtask-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "obtask-operator.fullname" .) }}
{{- else }}
{{- required "serviceAccount.name is needed with serviceAccount.create=false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "obtask-operator.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "obtask-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "obtask-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /*
What keeps glibc from holding on to the memory of large objects long after they are gone: at most two heaps, and what is over half a
megabyte is given back at once. After a restart among 30 tasks of 120 KB that is 120 instead of 180 MiB.
*/}}
{{- define "obtask-operator.memoryEnv" -}}
- {name: MALLOC_ARENA_MAX, value: "2"}
- {name: MALLOC_MMAP_THRESHOLD_, value: "524288"}
- {name: MALLOC_TRIM_THRESHOLD_, value: "1048576"}
{{- end }}

{{- /* What the operator takes care of, as it asks for rights. */}}
{{- define "obtask-operator.scopeEnv" -}}
- {name: OBTASK_OPT_IN, value: {{ .Values.watch.optIn | default false | quote }}}
- {name: OBTASK_MARKED_AT_CREATION, value: {{ include "obtask-operator.marksNew" . | default "false" | quote }}}
{{- with .Values.watch.namespaces }}
- {name: OBTASK_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- with .Values.settings.actions }}
- {name: OBTASK_ACTIONS, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
