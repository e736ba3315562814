"""Owns what a list knows of a task: a row, taken from the object as the API server sends it. Pure.

A row is a hundredth of its task. What stands in it was written by anybody: it is cut, never judged, and a page shows it as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any

from obtask import names
from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.model.limits import BLOCKERS
from obtask.model.packed import unpacked
from obtask.model.reasons import Reason
from obtask.rules.exclusion import Contender
from obtask.rules.lock_keys import Domain, LockKey
from obtask.web.formats import moment_of

LONGEST = 300  # characters of a text in a row
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TYPES = {each.value: each for each in TaskType}
_SCOPES = {each.value: each for each in Maintenance}
_PHASES = {each.value: each for each in Phase}


@dataclass(frozen=True, slots=True)
class Blocking:
    """A task that is in the way of another, as the operator says in its status."""

    name: str
    uid: str
    phase: Phase
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Where a task failed, why, and when."""

    step: str
    subtask: str
    reason: str
    code: str
    message: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """A task in a list. ``version`` is its resourceVersion; ``token`` is None unless it holds its lock; ``author`` is empty if unknown.

    ``since``: when others began to meet it as it is, by the rule of rules.conditions.in_the_way_since.
    """

    uid: str
    version: int
    namespace: str
    name: str
    display_name: str
    type: TaskType
    maintenance: Maintenance
    target: str
    tenant: str
    phase: Phase
    reason: str
    message: str
    progress: str
    step: str
    blockers: tuple[Blocking, ...]
    blocker_count: int
    failed: Failed | None
    token: int | None
    created: datetime
    since: datetime
    started: datetime | None
    finished: datetime | None
    author: str
    leaving: bool

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/t/{self.namespace}/{self.name}"

    @property
    def holds(self) -> bool:
        """Whether it holds a lock."""
        return self.token is not None

    @property
    def waits(self) -> bool:
        """Whether it stands in a queue, or will."""
        return not self.holds and not self.leaving and self.phase.in_line

    @property
    def awaits_approval(self) -> bool:
        """Whether it stands still until a person approves."""
        return self.reason == Reason.AWAITING_APPROVAL

    @property
    def lock(self) -> LockKey | None:
        """What it locks, or will; None with maintenance None."""
        if self.maintenance is Maintenance.NONE:
            return None
        return LockKey(Domain(self.namespace, self.type, self.target), self.maintenance, self.tenant)

    def contender(self, lock: LockKey) -> Contender:
        """Return it as the rules of exclusion see it."""
        return Contender(self.name, self.uid, lock, self.phase, self.created, self.since)

    def seconds(self, now: datetime) -> float | None:
        """Return for how long it has run, or did: from its first attempt, which a retry does not change."""
        return None if self.started is None else ((self.finished or now) - self.started).total_seconds()


def row_of(body: Mapping[str, Any]) -> Row:
    """Return the row of a task; raises ValueError for what cannot be one."""
    meta, spec, status = _map(body, "metadata"), _map_of(_unpacked(body.get("spec"))), _map(body, "status")
    kind = _TYPES.get(spec.get("type", ""), TaskType.CLUSTER)
    lock, failed = _map(status, "lock"), _failed(_map(status, "failedSubtask"))
    created = moment_of(meta.get("creationTimestamp")) or EPOCH
    phase = _PHASES.get(status.get("phase", ""), Phase.PENDING)
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if not (isinstance(uid, str) and isinstance(version, str) and version.isdecimal()):
        raise ValueError("no uid, or no resourceVersion")
    return Row(
        uid=uid,
        version=int(version),
        namespace=intern(_text(meta, "namespace")),
        name=_text(meta, "name"),
        display_name=_text(spec, "displayName"),
        type=kind,
        maintenance=_SCOPES.get(spec.get("maintenance", ""), Maintenance.NONE),
        target=intern(_text(spec, kind.target)),
        tenant=intern(_text(spec, "tenant")),
        phase=phase,
        reason=intern(_text(status, "reason")),
        message=_text(status, "message"),
        progress=intern(_text(status, "progress")),
        step=intern(_text(status, "stepSummary") or _text(status, "currentStep")),
        blockers=_blockers(status),
        blocker_count=_number(status.get("blockedByCount")) or 0,
        failed=failed,
        token=_number(lock.get("token")) if lock else None,
        created=created,
        since=_since(status, phase, lock, failed, created),
        started=moment_of(status.get("startedAt")),
        finished=moment_of(status.get("finishedAt")),
        author=intern(_text(_map(meta, "annotations"), names.CREATED_BY_ANNOTATION)),
        leaving="deletionTimestamp" in meta,
    )


def _since(status: Mapping[str, Any], phase: Phase, lock: Mapping[str, Any], failed: Failed | None, created: datetime) -> datetime:
    if not lock:
        return created
    acquired = moment_of(lock.get("acquiredAt")) or created
    turned = None if phase.finished else _turned(status, phase)
    if phase is Phase.FAILED:
        return turned or (failed and failed.at) or acquired
    return max(acquired, turned or acquired)


def _turned(status: Mapping[str, Any], phase: Phase) -> datetime | None:
    conditions = status.get("conditions")
    for each in conditions if isinstance(conditions, list) else ():
        if isinstance(each, Mapping) and each.get("type") == phase.condition:
            return moment_of(each.get("lastTransitionTime"))
    return None


def _failed(found: Mapping[str, Any]) -> Failed | None:
    if not found:
        return None
    step, subtask, reason, code = (intern(_text(found, name)) for name in ("step", "subtask", "reason", "code"))
    return Failed(step, subtask, reason, code, _text(found, "message"), moment_of(found.get("failedAt")))


def _blockers(status: Mapping[str, Any]) -> tuple[Blocking, ...]:
    found = status.get("blockedBy")
    if not isinstance(found, list):
        return ()
    return tuple(
        Blocking(_text(each, "name"), _text(each, "uid"), _PHASES.get(each.get("phase", ""), Phase.PENDING), moment_of(each.get("since")))
        for each in found[:BLOCKERS]
        if isinstance(each, Mapping)
    )


def _unpacked(spec: Any) -> Any:
    try:
        return unpacked(spec)
    except (ValueError, RecursionError):
        return {}


def _map(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _map_of(body.get(name))


def _map_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:LONGEST] if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
