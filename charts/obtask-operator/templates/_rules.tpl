{{- /* What the operator may do in the namespaces it watches. The same as deploy/devcluster/rbac.yaml; a test compares them. */}}
{{- define "obtask-operator.rules" -}}
- apiGroups: [task.oceanbase.com]
  resources: [obtasks]
  verbs: [get, list, watch, patch, delete]     # delete: ttlSecondsAfterFinished
- apiGroups: [task.oceanbase.com]
  resources: [obtasks/status]
  verbs: [update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, delete]    # the locks; delete: those that nobody has used for a day
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]                        # list: why a Job has no pod
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}

{{- /* What it may do besides where tasks run: with watch.optIn only in the namespaces that an administrator has opened. */}}
{{- define "obtask-operator.taskRules" -}}
{{- $actions := .Values.settings.actions -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]                                 # connections of steps
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, update, delete]   # logs, and what resource steps keep for restore; list, delete: logs that are given up
{{- if or (not $actions) (has "resource" $actions) }}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [impersonate]                         # resource steps run as the task's service account
{{- end }}
{{- if or (not $actions) (has "job" $actions) }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, patch]                  # patch: stops a Job, and notes why on it
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
{{- end }}

{{- /* What it may do in its own namespace, where the leader's Lease is. */}}
{{- define "obtask-operator.leaderRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [obtask-operator]
  verbs: [get, update]
{{- end }}
