"""Owns the ConfigMap that keeps a whole log: its name, its owner, and how to read it. Pure; the engine writes it."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask import names
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.base import rfc3339
from obtask.model.status import LogRef
from obtask.rules.nonces import attempt_text
from obtask.rules.owned import attempt_annotations, owner_reference, task_labels

PREFIX = "obt-log-"
GZIP = 31  # zlib's number for the format
LARGEST_BYTES = 2 * 1024 * 1024  # no log of ours is longer; whoever may write ConfigMaps could have packed any amount


def log_name(attempt: AttemptId, nonce: str | None = None) -> str:
    """Return the name of the attempt's ConfigMap: the same for the same attempt, after any restart.

    With a nonce it is one that nobody can have taken.
    """
    text = attempt_text(attempt) + (f"/{nonce}" if nonce else "")
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def log_ref(name: str) -> LogRef:
    """Return where the status points to."""
    return LogRef(config_map=name, key=names.LOG_KEY)


def unpacked(config_map: Mapping[str, Any]) -> str | None:
    """Return the log in a ConfigMap as text, or None if there is none that can be read."""
    packed = (config_map.get("binaryData") or {}).get(names.LOG_KEY)
    if not isinstance(packed, str):
        return None
    try:
        return zlib.decompressobj(wbits=GZIP).decompress(base64.b64decode(packed), LARGEST_BYTES).decode(errors="replace")
    except (binascii.Error, zlib.error):
        return None


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended, for people who look at its log only."""

    at: datetime
    reason: str
    code: str | None = None


def log_config_map(attempt: Attempt, name: str, packed: bytes, *, nonce: str, octets: int, end: End | None = None) -> dict[str, Any]:
    """Return the manifest of the ConfigMap that keeps the attempt's log; it goes when the task goes.

    ``octets`` is what it counts for in the task's budget; ``end`` is None while the attempt runs.
    """
    notes = attempt_annotations(attempt) | {
        names.NONCE_ANNOTATION: nonce,
        names.STARTED_AT_ANNOTATION: rfc3339(attempt.started_at),
        names.LOG_BYTES_ANNOTATION: str(octets),
    }
    if end is not None:
        notes |= {names.FINISHED_AT_ANNOTATION: rfc3339(end.at), names.REASON_ANNOTATION: end.reason}
        notes |= {names.CODE_ANNOTATION: end.code} if end.code else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": attempt.namespace,
            "labels": task_labels(attempt),
            "annotations": notes,
            "ownerReferences": [owner_reference(attempt)],
        },
        "binaryData": {names.LOG_KEY: base64.b64encode(packed).decode()},
    }
