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
  verbs: [get, list, watch, create, update]    # the locks
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]                                 # connections of steps
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, update]                 # logs of attempts
- apiGroups: [""]
  resources: [events]
  verbs: [create]
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
