"""Owns every name the operator shares with the outside: group, labels, annotations, finalizer, field managers."""

from typing import Final

GROUP: Final = "task.oceanbase.com"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "OBTask"
PLURAL: Final = "obtasks"
SINGULAR: Final = "obtask"
SHORT_NAME: Final = "obt"
CATEGORY: Final = "oceanbase"

# On a namespace, where the operator takes tasks only in some.
ENABLED_LABEL: Final = f"{GROUP}/enabled"

FINALIZER: Final = f"{GROUP}/finalizer"
FIELD_MANAGER: Final = "obtask-operator"

TASK_LABEL: Final = f"{GROUP}/task"
TASK_UID_LABEL: Final = f"{GROUP}/task-uid"
LOCK_LABEL: Final = f"{GROUP}/lock"
DOMAIN_LABEL: Final = f"{GROUP}/domain"

TASK_NAME_ANNOTATION: Final = f"{GROUP}/task-name"
STEP_ANNOTATION: Final = f"{GROUP}/step"
SUBTASK_ANNOTATION: Final = f"{GROUP}/subtask"
ATTEMPT_ANNOTATION: Final = f"{GROUP}/attempt"
DIRECTION_ANNOTATION: Final = f"{GROUP}/direction"
NONCE_ANNOTATION: Final = f"{GROUP}/nonce"
STARTED_AT_ANNOTATION: Final = f"{GROUP}/started-at"
FINISHED_AT_ANNOTATION: Final = f"{GROUP}/finished-at"
REASON_ANNOTATION: Final = f"{GROUP}/reason"
CODE_ANNOTATION: Final = f"{GROUP}/code"
LOG_BYTES_ANNOTATION: Final = f"{GROUP}/log-bytes"

STOPPED_ANNOTATION: Final = f"{GROUP}/stopped"
STOPPED_MESSAGE_ANNOTATION: Final = f"{GROUP}/stopped-message"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"

LOCK_TYPE_ANNOTATION: Final = f"{GROUP}/type"
LOCK_CLUSTER_ANNOTATION: Final = f"{GROUP}/cluster"
LOCK_AGENT_ANNOTATION: Final = f"{GROUP}/agent"
LOCK_TENANT_ANNOTATION: Final = f"{GROUP}/tenant"
# The fencing token of a Lease whose leaseTransitions are at their end.
TOKEN_ANNOTATION: Final = f"{GROUP}/token"

# What the Job of a step is told of itself, each after OBTASK_. API.md section 2.1
ATTEMPT_VARIABLES: Final = ("NAMESPACE", "NAME", "UID", "STEP", "SUBTASK", "ATTEMPT", "DIRECTION", "LOCK_TOKEN")

ACTION_ANNOTATION: Final = "action"
GROUP_ACTION_ANNOTATION: Final = f"{GROUP}/action"
ACTION_REASON_ANNOTATION: Final = f"{GROUP}/action-reason"
ACTION_OPTION_ANNOTATION: Final = f"{GROUP}/action-option"
CREATED_BY_ANNOTATION: Final = f"{GROUP}/created-by"
REQUESTED_BY_ANNOTATION: Final = f"{GROUP}/requested-by"
# STEP/GROUP: that whoever approves the current step is in one of its groups. Only the chart's policy writes it.
APPROVER_GROUP_ANNOTATION: Final = f"{GROUP}/approver-group"
# What the chart's policy adds to the operator's own write that notes an approval: the proof that such policies are at work.
GROUPS_STAMPED_ANNOTATION: Final = f"{GROUP}/groups-stamped"
ACCEPTED_COMMAND_ANNOTATION: Final = f"{GROUP}/accepted-command"
# Which object the operator has put its finalizer on: in a copy of the task it names another one.
ADOPTED_ANNOTATION: Final = f"{GROUP}/adopted"
# What the chart's policy writes there when a task is created, before it has a uid.
MARKED_NEW: Final = "new"
# The template that the operator has taken the steps from; it counts only beside the mark of this very object.
TEMPLATE_ANNOTATION: Final = f"{GROUP}/template"
# What a person writes to have a copy run all the same.
RUN_RESTORED_ANNOTATION: Final = f"{GROUP}/run-restored"
RESTORED_LABELS: Final = ("velero.io/restore-name", "velero.io/backup-name")
LAST_APPLIED_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"

# What Argo CD, and Flux and Helm, write on objects that they make again when they are gone; a hook of Argo CD is made once per sync.
HOOK_ANNOTATION: Final = "argocd.argoproj.io/hook"
ARGO_ANNOTATIONS: Final = ("argocd.argoproj.io/tracking-id",)
ARGO_LABELS: Final = ("argocd.argoproj.io/instance",)
KEEPER_ANNOTATIONS: Final = ("meta.helm.sh/release-name",)
KEEPER_LABELS: Final = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
# The only mark of Argo CD before 3.0, unless it is told otherwise. Others use it, too: it proves nothing.
SHARED_LABEL: Final = "app.kubernetes.io/instance"

# What the operator looks at in a task's metadata; of the rest it remembers nothing.
LABELS_OF_INTEREST: Final = frozenset({*ARGO_LABELS, *KEEPER_LABELS, SHARED_LABEL, *RESTORED_LABELS})
ANNOTATIONS_OF_INTEREST: Final = frozenset(
    {
        ACTION_ANNOTATION,
        GROUP_ACTION_ANNOTATION,
        ACTION_REASON_ANNOTATION,
        ACTION_OPTION_ANNOTATION,
        REQUESTED_BY_ANNOTATION,
        APPROVER_GROUP_ANNOTATION,
        CREATED_BY_ANNOTATION,
        ACCEPTED_COMMAND_ANNOTATION,
        ADOPTED_ANNOTATION,
        TEMPLATE_ANNOTATION,
        RUN_RESTORED_ANNOTATION,
        HOOK_ANNOTATION,
        *ARGO_ANNOTATIONS,
        *KEEPER_ANNOTATIONS,
    }
)

CONNECTION_SECRET_TYPE: Final = f"{GROUP}/connection"
HTTP_SECRET_TYPE: Final = f"{GROUP}/http"
LOG_KEY: Final = "log.gz"
