"""Owns what the engine saw before a decision: the only input besides the task itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from obtask.model.attempt import AttemptId, AttemptState, Lost
from obtask.model.status import Blocker, LockStatus, LogRef
from obtask.model.template import Template
from obtask.rules.bounds import NO_BOUNDS, Bounds
from obtask.rules.expressions import Verdicts
from obtask.rules.nonces import Nonces
from obtask.rules.opening import StepAnswers


@dataclass(frozen=True, slots=True)
class ObservedAttempt:
    """The state of an attempt as observed, and its log once it has ended."""

    state: AttemptState
    log_tail: str | None = None
    log_ref: LogRef | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Who stands in a task's way: the first of them, and how many in all.

    ``hearsay``: only Leases tell of them, and nobody knows whether these tasks are unfinished.
    """

    blockers: tuple[Blocker, ...] = ()
    count: int = 0
    hearsay: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """The task has its lock, by the protocol of DESIGN "Locks"; None: it needs none."""

    lock: LockStatus | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The task does not get its lock: somebody is in the way. ``freed``: the Lease of somebody who is finished or gone was emptied."""

    obstacle: Obstacle
    freed: bool = False


@dataclass(frozen=True, slots=True)
class Renewed:
    """The Lease of a task that holds its lock was deleted or emptied by hand, and has been made again."""

    lock: LockStatus


@dataclass(frozen=True, slots=True)
class Taken:
    """The Lease of a task that holds its lock, or one that conflicts with it, names somebody else."""

    holder: str


LockAnswer = Granted | Refused | Renewed | Taken


@dataclass(frozen=True, slots=True)
class Hindered:
    """The operator does not get on with the task, for a reason outside of it."""

    why: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What the world says now.

    ``answer``: what the lock protocol said after the intent TakeLock or VerifyLock, or what keeps the operator from its work.

    ``draining``: the operator is stopping; ends are recorded, nothing new is started. ``nonces`` are those of this operator; without
    them attempts are recorded without a proof, as older operators did. ``verdicts``: what is known of the expressions of a task that
    is Pending; ``answers``: of those of a step that is to begin. ``remarks``: what has become elsewhere of what failed attempts have
    left, by subtask; None if that is not known yet.
    ``opted_in``: its namespace is open to tasks. ``progress_at``: when other progress may be shown than what is; None: now.
    ``template``: the one that a task without steps names; None: there is none.
    ``marked_at_creation``: whether a policy of the API server tells new tasks from copies; None: not known. ``groups_proven``: whether
    such a policy has stamped the groups of whoever gave the command that is noted; None: not known, but the next note of it tells.
    """

    now: datetime
    runner: str = ""
    reports: Mapping[AttemptId, ObservedAttempt] = field(default_factory=dict)
    answer: LockAnswer | Hindered | None = None
    obstacle: Obstacle = Obstacle()
    lock_in_doubt: bool = False
    refresh_due: bool = True
    progress_at: datetime | None = None
    draining: bool = False
    nonces: Nonces | None = None
    verdicts: Verdicts = field(default_factory=dict)
    answers: StepAnswers = field(default_factory=dict)
    bounds: Bounds = NO_BOUNDS
    opted_in: bool = True
    template: Template | None = None
    marked_at_creation: bool | None = None
    groups_proven: bool | None = False
    remarks: Mapping[str, str | None] = field(default_factory=dict)

    def report(self, attempt: AttemptId) -> ObservedAttempt:
        """Return what is seen of an attempt; one that nobody knows of is lost."""
        return self.reports.get(attempt, ObservedAttempt(Lost()))
