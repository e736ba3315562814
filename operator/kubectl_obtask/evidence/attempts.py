# A copy of operator/obtask/rules/evidence/attempts.py, made by `make generate`.
"""Owns which attempts of a task have a log, and what it is: in a ConfigMap of the operator's, or in the status. Pure. API.md section 6."""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubectl_obtask.escapes import printable_lines
from kubectl_obtask.evidence.fields import at, lines, number, objects, text
from kubectl_obtask.evidence.reading import GROUP, Evidence

LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?")
LARGEST_BYTES: Final = 2 * 1024 * 1024  # no log of ours is longer; whoever may write ConfigMaps could have packed any amount
GZIP: Final = 31  # zlib's number for the format
DIRECTIONS: Final = ("Forward", "Rollback")
UNDOING: Final = ("RollingBack", "RolledBack")
Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """The log of one attempt. ``packed``: as a ConfigMap holds it; else ``tail`` is all of it."""

    path: str
    packed: str = ""
    tail: str = ""

    def log(self) -> str:
        """Return the log as text."""
        return _unpacked(self.packed) if self.packed else self.tail


def attempts(evidence: Evidence) -> tuple[AttemptLog, ...]:
    """Return the logs there are: by step, subtask, direction and number of the attempt."""
    order = {text(step, "name"): index for index, step in enumerate(objects(evidence.task, "status", "steps"), start=1)}
    found: dict[Key, tuple[str, str]] = {}
    for step, sub in _subtasks(evidence.task):
        direction = DIRECTIONS[_undoing(sub)]
        tries = number(sub, "rollbackAttempts" if _undoing(sub) else "attempts")
        if tail := lines(sub, "logTail"):
            found[step, text(sub, "name"), direction, tries] = ("", tail)
    failed = at(evidence.task, "status", "failedSubtask")
    if tail := lines(failed, "logTail"):
        key = (text(failed, "step"), text(failed, "subtask"), text(failed, "direction"), number(failed, "attempt"))
        found.setdefault(key, ("", tail))
    for config_map in evidence.logs:
        if which := _attempt_of(config_map, text(evidence.task, "metadata", "uid")):
            found[which] = (text(config_map, "binaryData", "log.gz"), "")
    keys = sorted((key for key in found if key[0] in order and _is_safe(key)), key=lambda key: (order[key[0]], *key[1:]))
    return tuple(AttemptLog(_path(order[key[0]], key), *found[key]) for key in keys)


def _subtasks(task: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for step in objects(task, "status", "steps"):
        for sub in objects(step, "subtasks"):
            yield text(step, "name"), sub


def _undoing(sub: Mapping[str, Any]) -> bool:
    return text(sub, "phase") in UNDOING or text(sub, "failure", "direction") == DIRECTIONS[1]


def _attempt_of(config_map: Mapping[str, Any], uid: str) -> Key | None:
    """Return which attempt a ConfigMap is about, if it belongs to the task and has the name that the attempt's log would have."""
    metadata = at(config_map, "metadata")
    notes = at(metadata, "annotations")
    step, sub, direction, tries, nonce = (text(notes, f"{GROUP}/{name}") for name in ("step", "subtask", "direction", "attempt", "nonce"))
    identity = f"{uid}/{step}/{sub}/{direction}/{tries}"
    named = {f"obt-log-{hashlib.sha256(each.encode()).hexdigest()[:40]}" for each in (identity, f"{identity}/{nonce}")}
    owned = any(text(owner, "uid") == uid for owner in objects(metadata, "ownerReferences"))
    if not owned or text(metadata, "name") not in named or not tries.isascii() or not tries.isdigit():
        return None
    return step, sub, direction, int(tries[:9])


def _is_safe(key: Key) -> bool:
    """Return whether the names can be those of files: a ZIP is unpacked by people who trust it."""
    return bool(LABEL.fullmatch(key[0]) and LABEL.fullmatch(key[1])) and key[2] in DIRECTIONS


def _path(index: int, key: Key) -> str:
    step, sub, direction, tries = key
    return f"logs/{index:02}-{step}/{sub}.attempt-{tries}.{direction.lower()}.log"


def _unpacked(packed: str) -> str:
    try:
        octets = zlib.decompressobj(wbits=GZIP).decompress(base64.b64decode(packed), LARGEST_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        return "this log cannot be read"
    return printable_lines(octets.decode(errors="replace"))
