"""Owns how what is made for a task is named and labelled, and whom it belongs to. Pure. API.md section 1."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from obtask import names
from obtask.model.attempt import Attempt, AttemptId
from obtask.rules.nonces import proves

LONGEST: Final = 63  # of a label's value, and of a Job's name, which its pods have as a label
_READABLE: Final = 40
_HASH: Final = 16
_NOT_IN_LABELS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def job_name(task: str, attempt: AttemptId) -> str:
    """Return the name of the attempt's Job: what people recognise, and a hash of all that names the attempt."""
    parts = (attempt.uid, attempt.step, attempt.subtask, attempt.direction.value, str(attempt.number))
    readable = _NOT_IN_NAMES.sub("-", f"{task[: _READABLE // 2]}-{attempt.subtask}")[:_READABLE].strip("-")
    return f"{readable}-{_digest('/'.join(parts))}"


def label_value(name: str) -> str:
    """Return the name as a label value; one that a label cannot hold becomes its beginning and a hash of the whole."""
    if len(name) <= LONGEST and _VALUE.fullmatch(name):
        return name
    readable = _NOT_IN_LABELS.sub("-", name)[: LONGEST - _HASH - 1].strip("._-")
    return f"{readable}-{_digest(name)}" if readable else _digest(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


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
