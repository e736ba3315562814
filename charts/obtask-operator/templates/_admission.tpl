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

{{- /* Variables about somebody who may not skip: whether they may, and whether the namespace is being deleted with all that is in it. */}}
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

{{- /* Which requests are the operator's own. */}}
{{- define "obtask-operator.theOperator" -}}
- name: the-operator
  expression: {{ printf "request.userInfo.username in %s" (include "obtask-operator.operators" .) | squote }}
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

{{- /* The groups that the current step asks for of whoever approves it; those of them the user is in; and what says so. */}}
{{- define "obtask-operator.approvalVariables" -}}
- name: step
  expression: 'oldObject == null ? "" : oldObject.?status.?currentStep.orValue("")'
- name: current
  expression: 'oldObject == null ? [] : oldObject.spec.?steps.orValue([]).filter(step, step.name == variables.step)'
- name: asked
  expression: 'size(variables.current) == 0 ? [] : variables.current[0].?approve.?groups.orValue([])'
- name: memberOf
  expression: variables.asked.filter(group, group in request.userInfo.?groups.orValue([]))
- name: approver
  expression: variables.after[?"task.oceanbase.com/approver-group"]
- name: wantedApprover
  # Whoever approves is signed with the step and their group; a command that waits keeps it; nothing else has one.
  expression: >-
    variables.commanded ? (variables.given[0] == "approve" && size(variables.memberOf) > 0
    ? optional.of(variables.step + "/" + variables.memberOf[0]) : optional.none())
    : size(variables.given) > 0 ? variables.before[?"task.oceanbase.com/approver-group"] : optional.none()
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

{{- /* Variables about what the steps of a task, or of a template, do with the operator's rights. */}}
{{- define "obtask-operator.workVariables" -}}
# Of every step: all that it may do, forward and in a rollback.
- name: forward
  expression: >-
    dyn(object).spec.?steps.orValue([]).map(step, [step] + step.?parallel.orValue([])
    + (has(step.forEach) && has(step.forEach.subtask) ? [step.forEach.subtask] : []))
- name: work
  expression: variables.forward.map(works, works + works.filter(work, has(work.rollback)).map(work, work.rollback))
- name: kinds
  expression: >-
    {{ toJson (include "obtask-operator.actions" . | fromJsonArray) }}.filter(kind, variables.work.exists(works, works.exists(work, kind in work)))
- name: taskAccount
  expression: dyn(object).spec.?serviceAccountName.orValue("default")
# Accounts of Jobs other than the namespace's default, which every pod may have; serviceAccount is the old name of the field.
- name: jobAccounts
  expression: >-
    variables.work.map(works, works.filter(work, has(work.job))).map(works, (works.map(work, variables.taskAccount)
    + works.map(work, work.job.?podTemplate.?spec.?serviceAccountName.orValue(""))
    + works.map(work, work.job.?podTemplate.?spec.?serviceAccount.orValue(""))).filter(account, dyn(account) != null && !(account in ["", "default"])))
{{- /* Each look at the authorizer is dear, and a policy has a budget: every account once, and no more than these. */}}
- name: accounts0
  expression: '"resource" in variables.kinds ? [variables.taskAccount] : []'
{{- range $at := until 5 }}
- name: accounts{{ add1 $at }}
  expression: >-
    variables.accounts{{ $at }} + (variables.jobAccounts.exists(some, some.exists(account, !(account in variables.accounts{{ $at }})))
    ? [variables.jobAccounts.filter(some, some.exists(account, !(account in variables.accounts{{ $at }})))[0]
    .filter(account, !(account in variables.accounts{{ $at }}))[0]] : [])
{{- end }}
{{- end }}

{{- /* Whether whoever writes these steps may do what they do; `what` it is that is written, `account`: the operator's own. */}}
{{- define "obtask-operator.workValidations" -}}
{{- with .root.Values.settings.actions }}
- expression: variables.kinds.all(kind, kind in {{ toJson . }})
  messageExpression: >-
    "steps of these kinds are switched off (settings.actions of the chart): " + variables.kinds.filter(kind, !(kind in {{ toJson . }})).join(", ")
{{- end }}
{{- if ne .account "default" }}
- expression: '!variables.jobAccounts.exists(some, {{ toJson .account }} in some) && variables.taskAccount != {{ toJson .account }}'
  reason: Forbidden
  message: {{ .what }} must not act as the operator's own service account, {{ .account }}
{{- end }}
{{- if ne (toString .root.Values.admission.requireRights) "false" }}
- expression: >-
    !("job" in variables.kinds) || authorizer.group("batch").resource("jobs").namespace(request.namespace).check("create").allowed()
  reason: Forbidden
  messageExpression: >-
    request.userInfo.username + " may not create {{ .what }} with job steps: they need the verb create on jobs.batch in namespace " + request.namespace
- expression: size(variables.accounts5) <= 4
  message: {{ .what }} may use at most 4 service accounts
{{- range $at := until 4 }}
- expression: >-
    size(variables.accounts5) <= {{ $at }} || size(variables.accounts5) > 4
    || authorizer.group("").resource("serviceaccounts").namespace(request.namespace).name(variables.accounts5[{{ $at }}]).check("impersonate").allowed()
    || authorizer.group("").resource("serviceaccounts").namespace(request.namespace).name(variables.accounts5[{{ $at }}]).check("use").allowed()
  reason: Forbidden
  messageExpression: >-
    request.userInfo.username + " may not create {{ $.what }} that acts as service account " + variables.accounts5[{{ $at }}]
    + ": it needs the verb impersonate, or use, on serviceaccounts/" + variables.accounts5[{{ $at }}]
{{- end }}
{{- end }}
{{- end }}
