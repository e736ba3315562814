{{- define "obtask-operator.operators" -}}
{{- $own := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "obtask-operator.serviceAccount" .) }}
{{- prepend .Values.admission.exemptUsers $own | toJson }}
{{- end }}

{{- /* Which users a policy lets pass without a look. */}}
{{- define "obtask-operator.notTheOperator" -}}
- name: not-the-operator
  expression: {{ printf "!(request.userInfo.username in %s)" (include "obtask-operator.operators" .) | squote }}
{{- end }}

{{- define "obtask-operator.binding" -}}
policyName: {{ .policy }}
{{- with .root.Values.watch.namespaces }}
matchResources:
  namespaceSelector:
    matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end }}
{{- end }}

{{- /* Annotations before and after, and whether this request gives a command: a verb, or another reason for it. */}}
{{- define "obtask-operator.commandVariables" -}}
- name: after
  expression: object.metadata.?annotations.orValue({})
- name: before
  expression: "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})"
- name: given
  expression: >-
    ["action", "task.oceanbase.com/action"].filter(key, key in variables.after).map(key, variables.after[key].trim())
- name: commanded
  expression: >-
    size(variables.given) > 0 && ["action", "task.oceanbase.com/action", "task.oceanbase.com/action-reason"]
    .exists(key, variables.after[?key] != variables.before[?key])
{{- end }}

{{- define "obtask-operator.constraints" -}}
resourceRules:
- apiGroups: [task.oceanbase.com]
  apiVersions: ["*"]
  operations: {{ toJson . }}
  resources: [obtasks]
{{- end }}
