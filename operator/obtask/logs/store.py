"""Owns the ConfigMap that keeps a whole log: its name, its owner, and how to read it. Pure; the engine writes it."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from obtask import names
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.status import LogRef
from obtask.rules.ownership import attempt_annotations, owner_reference, task_labels

GZIP = 31  # zlib's number for the format
LARGEST_BYTES = 2 * 1024 * 1024  # no log of ours is longer; whoever may write ConfigMaps could have packed any amount


def log_name(attempt: AttemptId) -> str:
    """Return the name of the attempt's ConfigMap: the same for the same attempt, after any restart."""
    parts = (attempt.uid, attempt.step, attempt.subtask, attempt.direction.value, str(attempt.number))
    return f"obt-log-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:40]}"


def log_ref(attempt: AttemptId) -> LogRef:
    """Return where the status points to."""
    return LogRef(config_map=log_name(attempt), key=names.LOG_KEY)


def unpacked(config_map: Mapping[str, Any]) -> str | None:
    """Return the log in a ConfigMap as text, or None if there is none that can be read."""
    packed = (config_map.get("binaryData") or {}).get(names.LOG_KEY)
    if not isinstance(packed, str):
        return None
    try:
        return zlib.decompressobj(wbits=GZIP).decompress(base64.b64decode(packed), LARGEST_BYTES).decode(errors="replace")
    except (binascii.Error, zlib.error):
        return None


def log_config_map(attempt: Attempt, packed: bytes) -> dict[str, Any]:
    """Return the manifest of the ConfigMap that keeps the attempt's log; it goes when the task goes."""
    of = attempt.id
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": log_name(of),
            "namespace": attempt.namespace,
            "labels": task_labels(attempt),
            "annotations": attempt_annotations(attempt),
            "ownerReferences": [owner_reference(attempt)],
        },
        "binaryData": {names.LOG_KEY: base64.b64encode(packed).decode()},
    }
