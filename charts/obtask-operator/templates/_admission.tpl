{{- define "obtask-operator.operators" -}}
{{- $own := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "obtask-operator.serviceAccount" .) }}
{{- prepend .Values.admission.exemptUsers $own | toJson }}
{{- end }}

{{- /* Which users a policy lets pass without a look. */}}
{{- define "obtask-operator.notTheOperator" -}}
- name: not-the-operator
  expression: {{ printf "!(request.userInfo.username in %s)" (include "obtask-operator.operators" .) | squote }}
{{- end }}

{{- /* The head of a policy, and the binding that puts it to work: in the namespaces of the release, or where `where` says. */}}
{{- define "obtask-operator.policyHead" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .policy }}
  labels: {{- include "obtask-operator.labels" .root | nindent 4 }}
{{- end }}

{{- define "obtask-operator.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .policy }}
  labels: {{- include "obtask-operator.labels" .root | nindent 4 }}
spec:
  validationActions: [Deny]
  {{- if hasKey . "where" }}
  policyName: {{ .policy }}
  {{- with .where }}
  matchResources:
    namespaceSelector:
      matchExpressions: [{{ toJson . }}]
  {{- end }}
  {{- else }}
  {{- include "obtask-operator.binding" . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* Variables about somebody who may not skip: whether he may, and whether the namespace is being deleted with all that is in it. */}}
{{- define "obtask-operator.skipVariables" -}}
- name: maySkip
  expression: >-
    authorizer.group("task.oceanbase.com").resource("obtasks").namespace(request.namespace)
    {{- if .name }}.name(oldObject.metadata.name){{ end }}.check("skip").allowed()
- name: goesWithItsNamespace
  expression: >-
    request.operation == "DELETE" && (namespaceObject.?status.?phase.orValue("") == "Terminating"
    || request.userInfo.username == "system:serviceaccount:kube-system:namespace-controller")
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
    size(variables.given) > 0 && ["action", "task.oceanbase.com/action", "task.oceanbase.com/action-reason",
    "task.oceanbase.com/action-option"].exists(key, variables.after[?key] != variables.before[?key])
{{- end }}

{{- define "obtask-operator.constraints" -}}
resourceRules:
- apiGroups: [task.oceanbase.com]
  apiVersions: ["*"]
  operations: {{ toJson . }}
  resources: [obtasks]
{{- end }}

{{- /* Whether a policy marks what is new at its creation; empty: no. */}}
{{- define "obtask-operator.marksNew" -}}
{{- $there := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- $asked := kindIs "invalid" .Values.admission.markNew | ternary "auto" .Values.admission.markNew }}
{{- if and .Values.admission.enabled (eq (toString $asked) "auto" | ternary $there $asked) }}true{{ end }}
{{- end }}
