"""Owns the manifest of an attempt's Job. Pure. API.md section 2.1."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

from obtask import names
from obtask.executors.identity import identity
from obtask.model.attempt import Attempt
from obtask.model.kubernetes_actions import JobAction
from obtask.rules.owned import attempt_annotations, is_made_for, is_proven, job_name, owner_reference, task_labels

Json = dict[str, Any]

MAIN = "main"
# What Pod Security's level "restricted" asks for.
POD_SECURITY: Json = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY: Json = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def job_action(attempt: Attempt) -> JobAction:
    """Return the attempt's action."""
    if not isinstance(attempt.action, JobAction):
        raise TypeError(f"not a job action: {type(attempt.action).__name__}")
    return attempt.action


def job_manifest(attempt: Attempt, now: datetime, nonce: str | None = None) -> Json:
    """Return the Job of the attempt, made at this time: one pod, one try, what is left of the attempt's time."""
    action = job_action(attempt)
    annotations = attempt_annotations(attempt) | ({names.NONCE_ANNOTATION: nonce} if nonce else {})
    creator = {names.CREATED_BY_ANNOTATION: attempt.created_by} if attempt.created_by else {}
    queue = {names.QUEUE_LABEL: action.queue_name} if action.queue_name else {}
    spec: Json = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",  # never two pods of one attempt at a time
        "template": _template(attempt, action, annotations),
    }
    if attempt.deadline is not None:
        spec["activeDeadlineSeconds"] = max(1, math.ceil((attempt.deadline - now).total_seconds()))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(attempt.task, attempt.id),
            "namespace": attempt.namespace,
            "labels": task_labels(attempt) | queue,
            "annotations": annotations | creator,
            "ownerReferences": [owner_reference(attempt)],
        },
        "spec": spec,
    }


def is_of(job: Mapping[str, Any], attempt: Attempt) -> bool:
    """Return whether a Job of the right name was made for this attempt."""
    return is_made_for(job["metadata"], attempt)


def is_pod_of(pod: Mapping[str, Any], attempt: Attempt, job_uid: str | None) -> bool:
    """Return whether a pod is controlled by the attempt's Job with this uid, and made from its template.

    Controllers adopt any pod that fits their selector. The template's label with the task's uid is what nobody else may set.
    """
    return _is_controlled(pod, job_uid) and _is_labelled(pod, attempt)


def is_adopted(pod: Mapping[str, Any], attempt: Attempt, job_uid: str | None) -> bool:
    """Return whether a pod is controlled by the attempt's Job with this uid, and was not made from its template."""
    return _is_controlled(pod, job_uid) and not _is_labelled(pod, attempt)


def _is_labelled(pod: Mapping[str, Any], attempt: Attempt) -> bool:
    return (pod["metadata"].get("labels") or {}).get(names.TASK_UID_LABEL) == attempt.id.uid


def _is_controlled(pod: Mapping[str, Any], job_uid: str | None) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return job_uid is not None and any(
        owner.get("controller") is True and (owner.get("kind"), owner.get("uid")) == ("Job", job_uid) for owner in owners
    )


def is_left_of(pod: Mapping[str, Any], attempt: Attempt) -> bool:
    """Return whether a pod was made by a Job of this attempt that is gone: it shows the proof that the Job had."""
    annotations = pod["metadata"].get("annotations") or {}
    return _is_labelled(pod, attempt) and attempt_annotations(attempt).items() <= annotations.items() and is_proven(annotations, attempt)


def environment(attempt: Attempt) -> dict[str, str]:
    """Return the variables by which a pod can tell what it belongs to."""
    return {f"OBTASK_{name}": "" if value is None else str(value) for name, value in identity(attempt).items()}


def _template(attempt: Attempt, action: JobAction, annotations: Mapping[str, str]) -> Json:
    template = deepcopy(action.pod_template or {})
    meta, spec = _map(template.get("metadata")), _map(template.get("spec"))
    containers = _maps(spec.get("containers")) or [{}]
    containers[0] = _main(containers[0], action)
    spec |= {"restartPolicy": "Never", "containers": containers}
    if attempt.service_account is not None:
        spec["serviceAccountName"] = attempt.service_account
    spec["securityContext"] = _over(POD_SECURITY, _map(spec.get("securityContext")))
    _spare_root(spec["securityContext"], _map(_map(template.get("spec")).get("securityContext")))
    own = environment(attempt)
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_contained(container, own) for container in _maps(spec[kind])]
    labels = _map(meta.get("labels")) | task_labels(attempt)
    whose = _map(meta.get("annotations")) | dict(annotations)
    return template | {"metadata": meta | {"labels": labels, "annotations": whose}, "spec": spec}


def _main(container: Json, action: JobAction) -> Json:
    """Put what the action says over the first container of the template."""
    stated: Json = {"image": action.image, "command": action.command, "args": action.args, "resources": action.resources}
    given = {field: value for field, value in stated.items() if value is not None and field in action.model_fields_set}
    merged = {"name": MAIN} | container | given
    if action.env:
        merged["env"] = _with_variables(_maps(container.get("env")), [variable.dump() for variable in action.env])
    if action.env_from:
        merged["envFrom"] = [*_maps(container.get("envFrom")), *action.env_from]
    return merged


def _contained(container: Json, own: Mapping[str, str]) -> Json:
    stated = _map(container.get("securityContext"))
    secured = _over(CONTAINER_SECURITY, stated)
    if "allowPrivilegeEscalation" not in stated and _is_privileged(stated):
        del secured["allowPrivilegeEscalation"]  # the API server refuses to have both
    _spare_root(secured, stated)
    others = [variable for variable in _maps(container.get("env")) if variable.get("name") not in own]
    # Ours come first: $(OBTASK_NAME) in a value refers to what is above it.
    variables: list[Json] = [*({"name": name, "value": value} for name, value in own.items()), *others]
    return container | {"securityContext": secured, "env": variables}


def _is_privileged(security: Mapping[str, Any]) -> bool:
    added = _map(security.get("capabilities")).get("add") or []
    return security.get("privileged") is True or "SYS_ADMIN" in added or "CAP_SYS_ADMIN" in added


def _spare_root(secured: Json, stated: Mapping[str, Any]) -> None:
    # Who asks for user 0 means it; the kubelet would never start it beside our default.
    if stated.get("runAsUser") == 0 and "runAsNonRoot" not in stated:
        secured["runAsNonRoot"] = False


def _with_variables(below: Sequence[Json], above: Sequence[Json]) -> list[Json]:
    """Return both lists of variables; of one name, the one above stays."""
    stated = {variable.get("name") for variable in above}
    return [*(variable for variable in below if variable.get("name") not in stated), *above]


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    merged = deepcopy(dict(below))
    for field, value in above.items():
        inner = merged.get(field)
        merged[field] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _map(value: Any) -> Json:
    return dict(value) if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Json]:
    return [dict(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []
