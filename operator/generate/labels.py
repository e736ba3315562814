"""Owns the reference of labels and annotations: every name in names.py, and who writes it for what."""

from collections.abc import Iterator, Mapping

from generate.text import table
from obtask import names

LABELS: Mapping[str, tuple[str, str, str]] = {
    "ENABLED_LABEL": ("namespaces", "an administrator", "`true` opens the namespace to tasks, where the operator works with opt-in"),
    "TASK_LABEL": (
        "what the operator makes for a task",
        "the operator",
        "the task's name; cut, with a hash, beyond 63 characters",
    ),
    "TASK_UID_LABEL": ("what the operator makes for a task", "the operator", "the task's uid"),
    "LOCK_LABEL": ("Leases of locks", "the operator", "the scope of the lock in small letters"),
    "DOMAIN_LABEL": ("Leases of locks", "the operator", "a hash of the cluster or the host that the lock belongs to"),
    "QUEUE_LABEL": ("Jobs of steps", "the operator", "Kueue's queue, from `job.queueName`"),
    "SHARED_LABEL": ("tasks", "Argo CD before 3.0", "such tasks are not deleted for their age or number"),
    "ARGO_LABELS": ("tasks", "Argo CD", "as above: deleted, they would be made again and run again"),
    "KEEPER_LABELS": ("tasks", "Flux, Helm", "as above"),
    "RESTORED_LABELS": ("tasks", "Velero", "the task was created from a backup: it is Rejected and does not run"),
}

ANNOTATIONS: Mapping[str, tuple[str, str, str]] = {
    "ACTION_ANNOTATION": ("tasks", "a person", "a command; the operator takes it off and answers in `status.lastAction`"),
    "GROUP_ACTION_ANNOTATION": ("tasks", "a person", "the same, for tools that want a prefix"),
    "ACTION_REASON_ANNOTATION": ("tasks", "a person", "why the command is given; it is kept in the status"),
    "ACTION_OPTION_ANNOTATION": ("tasks", "a person", "`fresh`: a retry starts again what it would go on with elsewhere"),
    "RUN_RESTORED_ANNOTATION": (
        "tasks",
        "a person",
        "the word in the message of a task that was created from a copy: lets it run",
    ),
    "CREATED_BY_ANNOTATION": ("tasks, Jobs", "the API server", "who created the task"),
    "REQUESTED_BY_ANNOTATION": ("tasks", "the API server", "who gave the last command"),
    "APPROVER_GROUP_ANNOTATION": (
        "tasks",
        "the API server",
        "`STEP/GROUP`: whoever gave the command `approve` is in this group, which the step asks for",
    ),
    "GROUPS_STAMPED_ANNOTATION": ("tasks", "the API server", "the last approval came through the chart's policies"),
    "ACCEPTED_COMMAND_ANNOTATION": ("tasks", "the operator", "a command that was taken and is not answered yet"),
    "ADOPTED_ANNOTATION": (
        "tasks",
        "the operator, or the policy `markNew`",
        "which object it is; a copy names another, or says `copy`",
    ),
    "TEMPLATE_ANNOTATION": ("tasks", "the operator", "the template that the steps were taken from, and the defaults that it gave, as JSON"),
    "TASK_NAME_ANNOTATION": ("what the operator makes for a task", "the operator", "the task's whole name"),
    "STEP_ANNOTATION": ("Jobs, logs", "the operator", "the step of the attempt"),
    "SUBTASK_ANNOTATION": ("Jobs, logs", "the operator", "the subtask of the attempt"),
    "ATTEMPT_ANNOTATION": ("Jobs, logs", "the operator", "the number of the attempt, from 1"),
    "DIRECTION_ANNOTATION": ("Jobs, logs", "the operator", "`Forward` or `Rollback`"),
    "NONCE_ANNOTATION": (
        "Jobs, kept objects",
        "the operator",
        "proves for which attempt it was made; the status has its digest",
    ),
    "STARTED_AT_ANNOTATION": ("logs", "the operator", "when the attempt started"),
    "FINISHED_AT_ANNOTATION": ("logs", "the operator", "when the attempt ended"),
    "REASON_ANNOTATION": ("logs", "the operator", "`Succeeded`, or why the attempt failed"),
    "CODE_ANNOTATION": ("logs", "the operator", "exit code, SQL error number or HTTP status"),
    "LOG_BYTES_ANNOTATION": ("logs", "the operator", "what the log counts for in the 16 MiB that the logs of a task may have"),
    "STOPPED_ANNOTATION": ("Jobs", "the operator", "why the Job was stopped: a reason"),
    "STOPPED_MESSAGE_ANNOTATION": ("Jobs", "the operator", "the same for people"),
    "LOCK_TYPE_ANNOTATION": ("Leases of locks", "the operator", "`Cluster` or `Local`"),
    "LOCK_CLUSTER_ANNOTATION": ("Leases of locks", "the operator", "the cluster that the lock belongs to"),
    "LOCK_AGENT_ANNOTATION": ("Leases of locks", "the operator", "the host that the lock belongs to"),
    "LOCK_TENANT_ANNOTATION": ("Leases of locks", "the operator", "the tenant that is locked"),
    "TOKEN_ANNOTATION": ("Leases of locks", "the operator", "the fencing token, once `leaseTransitions` is at its end"),
    "LAST_APPLIED_ANNOTATION": ("tasks", "kubectl", "a status in it tells that the task was created from a dump"),
    "HOOK_ANNOTATION": ("tasks", "a person", "an Argo CD hook is made once per sync: such a task may be deleted for its age"),
    "ARGO_ANNOTATIONS": ("tasks", "Argo CD", "such tasks are not deleted for their age or number"),
    "KEEPER_ANNOTATIONS": ("tasks", "Helm", "as above"),
}


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/labels-and-annotations.md."""
    heads = ("name", "on", "written by", "meaning")
    return {"labels": table(heads, _rows(LABELS)), "annotations": table(heads, _rows(ANNOTATIONS))}


def _rows(described: Mapping[str, tuple[str, str, str]]) -> Iterator[tuple[str, str, str, str]]:
    for constant, (place, writer, about) in described.items():
        found = getattr(names, constant)
        for name in (found,) if isinstance(found, str) else found:
            yield f"`{name}`", place, writer, about


def undescribed() -> set[str]:
    """Return the labels and annotations of names.py that this page forgets, and what it tells of that is not there."""
    kept = {name for name in vars(names) if name.endswith(("_LABEL", "_LABELS", "_ANNOTATION", "_ANNOTATIONS"))}
    return kept ^ {*LABELS, *ANNOTATIONS}
