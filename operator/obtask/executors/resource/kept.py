"""Owns what is kept of an object before it is changed: its own fields, bounded, in a ConfigMap of the task. Pure.

Whoever may write ConfigMaps could have made one of any name. What is kept is believed by its digest, which is in the status before
anything is changed.
"""

import base64
import hashlib
import json
from dataclasses import dataclass

from obtask import names
from obtask.executors.resource.objects import Target
from obtask.kube.api import Json
from obtask.model.attempt import Attempt
from obtask.rules.ownership import is_owned, owner_reference, subtask_annotations, task_labels

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


def digest_of(text: str, target: Target) -> str:
    """Return the digest of a stored object together with what it is: that of one object is never that of another."""
    octets = hashlib.sha256(json.dumps([*target.identity, text]).encode()).digest()
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def name_of(attempt: Attempt, digest: str | None = None) -> str:
    """Return the name of the subtask's ConfigMap; without a digest the one that older operators gave it."""
    parts = (attempt.id.uid, attempt.id.step, attempt.id.subtask, *([digest] if digest else []))
    return f"obt-before-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:40]}"


def manifest(attempt: Attempt, text: str, digest: str) -> Json:
    """Return the ConfigMap; it goes when the task goes."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(attempt, digest),
            "namespace": attempt.namespace,
            "labels": task_labels(attempt),
            "annotations": subtask_annotations(attempt),
            "ownerReferences": [owner_reference(attempt)],
        },
        "data": {KEY: text},
        "immutable": True,
    }


def stored_text(stored: Json, attempt: Attempt) -> str | None:
    """Return the text in a ConfigMap that belongs to the attempt's task; None if there is none, or if it does not belong to it.

    What older operators kept has no digest in the status: the label, which the chart's policies keep for the operator, has to do.
    """
    text, meta = (stored.get("data") or {}).get(KEY), stored["metadata"]
    own = is_owned(meta, attempt.id.uid) and (meta.get("labels") or {}).get(names.TASK_UID_LABEL) == attempt.id.uid
    return text if isinstance(text, str) and own else None


def read(text: str) -> Kept | None:
    """Return what a text keeps; None if it is no object."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Kept(body) if body is None or isinstance(body, dict) else None
