"""What surrounds the rules in tests, in memory: the API server with one task, the executors, and the Lease."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from tests.support.builders import Json, TaskBuilder, failed

from obtask import names
from obtask.model.attempt import Attempt, AttemptId, Lost, Outcome, Running
from obtask.model.command import Command
from obtask.model.status import Direction, FailureReason, LockStatus, LogRef, TaskStatus
from obtask.model.task import Task, read_task
from obtask.rules.attempts import running_attempts
from obtask.rules.decision import Delete, Finish, MarkTask, RemoveFinalizer, TakeCommand
from obtask.rules.lock_keys import holder_identity, task_lock_key
from obtask.rules.observation import ObservedAttempt


class ApiServer:
    """Holds one task as JSON, as long as it is there; every write gives it a new version."""

    def __init__(self, body: Json) -> None:
        self._body: Json | None = body
        self._task = read_task(body)

    @property
    def gone(self) -> bool:
        """Whether the task is deleted and nobody holds it with a finalizer any more."""
        return self._body is None

    @property
    def task(self) -> Task:
        """The task."""
        assert not self.gone, "the task is gone"
        return self._task

    @property
    def body(self) -> Json:
        """The task as JSON."""
        assert self._body is not None, "the task is gone"
        return self._body

    def annotate(self, **annotations: str) -> None:
        """Put annotations on, as `TaskBuilder.annotated` names them."""
        self._write(annotations=self.body["metadata"]["annotations"] | TaskBuilder().annotated(**annotations).metadata["annotations"])

    def delete(self, now: datetime) -> None:
        """Mark the task as deleted."""
        self._write(deletionTimestamp=now.isoformat())

    def write_status(self, status: TaskStatus) -> None:
        """Store a status; it must read back as it was written."""
        written = status.model_dump_json(by_alias=True, exclude_none=True)
        assert TaskStatus.model_validate_json(written) == status
        self.body["status"] = status.dump()
        self._write()

    def touch(self, intent: MarkTask | TakeCommand | Finish | RemoveFinalizer | Delete, now: datetime) -> None:
        """Change the metadata as the intent asks."""
        finalizers, annotations = self.body["metadata"]["finalizers"], self.body["metadata"]["annotations"]
        match intent:
            case MarkTask(guard=guard):
                guarded = dict.fromkeys([*finalizers, names.FINALIZER]) if guard else finalizers
                self._write(finalizers=list(guarded), annotations=annotations | self._adopted())
            case TakeCommand(command=command):
                self._write(annotations=_taken(annotations, command) | self._adopted())
            case Finish() | RemoveFinalizer():
                kept = {key: value for key, value in annotations.items() if key != names.ACCEPTED_COMMAND_ANNOTATION}
                self._write(finalizers=[other for other in finalizers if other != names.FINALIZER], annotations=kept)
            case Delete():
                self.delete(now)
            case never:
                assert_never(never)

    def _adopted(self) -> Json:
        return {names.ADOPTED_ANNOTATION: self.body["metadata"]["uid"]}

    def _write(self, **metadata: object) -> None:
        before = self.body["metadata"]
        after = before | metadata | {"resourceVersion": str(int(before["resourceVersion"]) + 1)}
        leaves = after.get("deletionTimestamp") and not after["finalizers"]
        self._body = None if leaves else self.body | {"metadata": after}
        self._task = read_task(self.body) if self._body else self._task


def _taken(annotations: Json, command: Command) -> Json:
    command_keys = {
        names.ACTION_ANNOTATION,
        names.GROUP_ACTION_ANNOTATION,
        names.ACTION_REASON_ANNOTATION,
        names.ACTION_OPTION_ANNOTATION,
        names.REQUESTED_BY_ANNOTATION,
    }
    kept = {key: value for key, value in annotations.items() if key not in command_keys}
    return kept | {names.ACCEPTED_COMMAND_ANNOTATION: command.model_dump_json(by_alias=True, exclude_none=True)}


@dataclass
class _Entry:
    attempt: Attempt
    report: ObservedAttempt
    asked_to_stop: bool = False


@dataclass
class Executors:
    """Runs attempts until a test ends them. An attempt that is asked to stop ends at once, unless told otherwise."""

    stops_at_once: bool = True
    started: list[Attempt] = field(default_factory=list)
    _entries: dict[AttemptId, _Entry] = field(default_factory=dict)

    @property
    def running(self) -> list[Attempt]:
        """The attempts that have not ended."""
        return [entry.attempt for entry in self._entries.values() if isinstance(entry.report.state, Running)]

    @property
    def asked_to_stop(self) -> list[str]:
        """The subtasks whose attempts were asked to stop and have not."""
        return [attempt.id.subtask for attempt in self.running if self._entries[attempt.id].asked_to_stop]

    def start(self, attempts: Sequence[Attempt]) -> None:
        """Start attempts: none twice, and never two of a subtask at a time."""
        for attempt in attempts:
            twins = [other.id for other in self.running if (other.id.step, other.id.subtask) == (attempt.id.step, attempt.id.subtask)]
            assert not twins, f"{attempt.id} was started while {twins} ran"
            assert attempt.id not in {other.id for other in self.started}, f"{attempt.id} was started twice"
            self.started.append(attempt)
            self._entries[attempt.id] = _Entry(attempt, ObservedAttempt(Running()))

    def stop(self, attempts: Sequence[Attempt]) -> None:
        """Ask attempts to stop."""
        for attempt in attempts:
            entry = self._entries.get(attempt.id)
            if entry is not None and isinstance(entry.report.state, Running):
                entry.asked_to_stop = True
                entry.report = ObservedAttempt(failed("cancelled", FailureReason.CANCELLED)) if self.stops_at_once else entry.report

    def reports(self, task: Task) -> dict[AttemptId, ObservedAttempt]:
        """Return what is seen of the attempts of a task that have not ended by its status."""
        return {name: self._entries[name].report for name in _live_by_status(task) if name in self._entries}

    def all_running(self, attempts: Sequence[Attempt]) -> bool:
        """Return whether all of these attempts still run."""
        return {attempt.id for attempt in attempts} <= {attempt.id for attempt in self.running}

    def end(self, subtask: str, outcome: Outcome | Lost, tail: str | None = None, ref: LogRef | None = None) -> None:
        """End the running attempt of a subtask."""
        self._running(subtask).report = ObservedAttempt(outcome, tail, ref)

    def say(self, subtask: str, message: str, wake_at: datetime | None = None, external: str | None = None) -> None:
        """Have the running attempt of a subtask tell how far it is."""
        self._running(subtask).report = ObservedAttempt(Running(message, wake_at, external))

    def look(self, subtask: str, seen: Running) -> None:
        """Have the running attempt of a subtask say this."""
        self._running(subtask).report = ObservedAttempt(seen)

    def keep(self, task: Task | None) -> None:
        """Forget the attempts that have ended by the task's status; all of them if there is no task."""
        known = _live_by_status(task) if task else set()
        self._entries = {name: entry for name, entry in self._entries.items() if name in known}

    def live(self) -> list[str]:
        """Return the subtasks whose attempts run, in the order they were started; those being undone with a minus."""
        sign = {Direction.FORWARD: "", Direction.ROLLBACK: "-"}
        return [sign[attempt.id.direction] + attempt.id.subtask for attempt in self.running]

    def _running(self, subtask: str) -> _Entry:
        found = [attempt for attempt in self.running if attempt.id.subtask == subtask]
        assert len(found) == 1, f"{len(found)} attempts of {subtask} run; in all: {self.live()}"
        return self._entries[found[0].id]


def _live_by_status(task: Task) -> set[AttemptId]:
    return {attempt.id for attempt in running_attempts(task)}


@dataclass
class Lease:
    """The Lease of the task's scope key."""

    holder: str = ""
    token: int = 0

    def claim(self, task: Task, now: datetime) -> LockStatus:
        """Make the task its holder."""
        lock, me = task_lock_key(task), holder_identity(task)
        assert lock is not None
        self.token += self.holder != me
        self.holder = me
        return LockStatus(lease=lock.lease_name, scope=lock.scope.value, acquired_at=now, token=self.token)

    def release(self, task: Task) -> None:
        """Empty it, if it names the task."""
        self.holder = "" if self.holder == holder_identity(task) else self.holder
