"""Owns the names of Jobs: the same attempt has the same one after any restart, and no two attempts share one. Pure."""

import hashlib
import re
from typing import Final

from obtask.model.attempt import AttemptId

# A pod's label holds the whole name (63 characters at most).
_READABLE: Final = 40
_HASH: Final = 16
_OTHER: Final = re.compile(r"[^a-z0-9-]+")


def job_name(task: str, attempt: AttemptId) -> str:
    """Return the name of the attempt's Job: what people recognise, and a hash of all that names the attempt."""
    parts = (attempt.uid, attempt.step, attempt.subtask, attempt.direction.value, str(attempt.number))
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()[:_HASH]
    readable = _OTHER.sub("-", f"{task[: _READABLE // 2]}-{attempt.subtask}")[:_READABLE].strip("-")
    return f"{readable}-{digest}"
