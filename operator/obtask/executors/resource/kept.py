"""Owns what is kept of an object before it is changed: its own fields, bounded, in a ConfigMap of the task. Pure."""

import hashlib
import json
from dataclasses import dataclass

from obtask.kube.api import Json
from obtask.model.attempt import Attempt
from obtask.rules.ownership import owner_reference, subtask_annotations, task_labels

LARGEST_BYTES = 256 * 1024
KEY = "object.json"

_OF_THE_SERVER = (
    "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """How an object was before; ``body`` is None if there was none."""

    body: Json | None


def own_fields(live: Json) -> Json:
    """Return an object without what the API server and controllers write into it."""
    meta = {key: value for key, value in live["metadata"].items() if key not in _OF_THE_SERVER}
    return {key: value for key, value in live.items() if key != "status"} | {"metadata": meta}


def text_of(body: Json | None) -> str:
    """Return how an object is stored."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def name_of(attempt: Attempt) -> str:
    """Return the name of the subtask's ConfigMap: one for all its attempts, so that the first one's view stays."""
    parts = (attempt.id.uid, attempt.id.step, attempt.id.subtask)
    return f"obt-before-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:40]}"


def manifest(attempt: Attempt, text: str) -> Json:
    """Return the ConfigMap; it goes when the task goes."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(attempt),
            "namespace": attempt.namespace,
            "labels": task_labels(attempt),
            "annotations": subtask_annotations(attempt),
            "ownerReferences": [owner_reference(attempt)],
        },
        "data": {KEY: text},
        "immutable": True,
    }


def read(stored: Json) -> Kept | None:
    """Return what a ConfigMap keeps; None if it is not one of ours any more."""
    try:
        body = json.loads((stored.get("data") or {})[KEY])
    except (KeyError, ValueError):
        return None
    return Kept(body) if body is None or isinstance(body, dict) else None
