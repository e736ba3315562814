"""Owns what every object bears that is made for a task: labels, annotations, its owner. Pure. API.md section 1."""

from collections.abc import Mapping
from typing import Any

from obtask import names
from obtask.model.attempt import Attempt
from obtask.rules.labels import label_value
from obtask.rules.nonces import proves


def task_labels(attempt: Attempt) -> dict[str, str]:
    """Return the labels by which all objects of the attempt's task are found."""
    return {names.TASK_LABEL: label_value(attempt.task), names.TASK_UID_LABEL: attempt.id.uid}


def subtask_annotations(attempt: Attempt) -> dict[str, str]:
    """Return the annotations that tell which subtask an object belongs to."""
    return {
        names.TASK_NAME_ANNOTATION: attempt.task,
        names.STEP_ANNOTATION: attempt.id.step,
        names.SUBTASK_ANNOTATION: attempt.id.subtask,
    }


def attempt_annotations(attempt: Attempt) -> dict[str, str]:
    """Return the annotations that tell which attempt an object belongs to."""
    which = {names.ATTEMPT_ANNOTATION: str(attempt.id.number), names.DIRECTION_ANNOTATION: attempt.id.direction.value}
    return subtask_annotations(attempt) | which


def owner_reference(attempt: Attempt) -> dict[str, object]:
    """Return the reference by which an object goes when its task goes."""
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": attempt.task, "uid": attempt.id.uid}
    return {**owner, "controller": False, "blockOwnerDeletion": False}


def is_owned(meta: Mapping[str, Any], uid: str) -> bool:
    """Return whether an object's metadata names the task with this uid as an owner."""
    return any(owner.get("kind") == names.KIND and owner.get("uid") == uid for owner in meta.get("ownerReferences") or ())


def is_made_for(meta: Mapping[str, Any], attempt: Attempt) -> bool:
    """Return whether an object of the right name was made for this attempt by an operator, judged by its metadata."""
    annotations = meta.get("annotations") or {}
    if not is_owned(meta, attempt.id.uid) or not attempt_annotations(attempt).items() <= annotations.items():
        return False
    return is_proven(annotations, attempt)


def is_proven(annotations: Mapping[str, Any], attempt: Attempt) -> bool:
    """Return whether an object's annotations hold a nonce of the attempt. Of one that an older operator recorded there is no proof."""
    return not attempt.nonce_digests or proves(annotations.get(names.NONCE_ANNOTATION), attempt.nonce_digests)
