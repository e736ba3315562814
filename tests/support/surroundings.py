"""What surrounds the rules in tests, in memory: the API server with one task and its Lease, and the executors."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from tests.support.builders import Json, TaskBuilder, failed
from tests.support.memory_api import MemoryApi, at_once, create, delete, merged, new_version

from obtask import names
from obtask.cache.locks import LockCache
from obtask.kube.api import ApiError
from obtask.kube.leases import Leases, read_lease
from obtask.kube.tasks import Tasks
from obtask.locks.protocol import Claimed, Contended, Locks, Outpaced, StillHeld, Stolen
from obtask.model.attempt import Attempt, AttemptId, Lost, Outcome, Running
from obtask.model.contract import Direction
from obtask.model.reasons import FailureReason
from obtask.model.status import LogRef, TaskStatus
from obtask.model.task import Task, read_task
from obtask.rules.decision import Delete, Finish, MarkTask, RemoveFinalizer, TakeCommand
from obtask.rules.lock_keys import LockKey, task_lock_key
from obtask.rules.observation import ObservedAttempt
from obtask.rules.subtask_context import running_attempts


class ApiServer(MemoryApi):
    """The API server in memory with one task, which the operator writes through ``kube.tasks`` and a test edits by hand."""

    def __init__(self, body: Json, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._place = f"{names.PLURAL}/{body['metadata']['name']}"
        self._tasks = Tasks(self)
        self.stored, _ = create(self.stored, names.PLURAL, body, self.now)
        self._body, self._task = self.body, read_task(self.body)

    @property
    def gone(self) -> bool:
        """Whether the task is deleted and nobody holds it with a finalizer any more."""
        return self.stored.body(self._place) is None

    @property
    def body(self) -> Json:
        """The task as JSON. What is edited in place counts as soon as there is a new version."""
        body = self.stored.body(self._place)
        assert body is not None, "the task is gone"
        return body

    @property
    def task(self) -> Task:
        """The task."""
        if self._body is not self.body:
            self._body, self._task = self.body, read_task(self.body)
        return self._task

    def annotate(self, **annotations: str) -> None:
        """Put annotations on, as `TaskBuilder.annotated` names them."""
        change = {"metadata": {"annotations": TaskBuilder().annotated(**annotations).metadata["annotations"]}}
        self.stored, _ = new_version(self.stored, self._place, merged(self.body, change))

    def replace(self) -> None:
        """Put the manifest in place of the task, as `kubectl replace` does: without what the operator wrote into metadata."""
        self.stored, _ = new_version(self.stored, self._place, merged(self.body, {"metadata": {"annotations": None, "finalizers": None}}))

    def delete(self) -> None:
        """Delete the task: it is only marked as long as somebody holds it."""
        self.stored, _ = delete(self.stored, self._place, self.now)

    def write_status(self, status: TaskStatus) -> None:
        """Store a status; it must read back as it was written."""
        written = status.model_dump_json(by_alias=True, exclude_none=True)
        assert TaskStatus.model_validate_json(written) == status
        self._write(self._tasks.write_status(self.task, status))

    def touch(self, intent: MarkTask | TakeCommand | Finish | RemoveFinalizer | Delete) -> None:
        """Change the metadata as the engine does for this intent."""
        match intent:
            case MarkTask() as mark:
                self._write(self._tasks.adopt(self.task, mark))
            case TakeCommand(command=command, again=again):
                self._write(self._tasks.note_command(self.task, command, again=again))
            case Finish() | RemoveFinalizer():
                self._write(self._tasks.remove_finalizer(self.task))
            case Delete():
                self._write(self._tasks.delete(self.task.key, self.task.metadata.uid))
            case never:
                assert_never(never)

    def _write(self, writing: Coroutine[Any, Any, Json | ApiError]) -> None:
        answer = at_once(writing)
        assert not isinstance(answer, ApiError), answer


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


class Lease:
    """The Lease of the task's lock, which the operator takes and frees by its lock protocol, and a test edits by hand."""

    def __init__(self, api: ApiServer, clock: Callable[[], datetime]) -> None:
        lock = task_lock_key(api.task)
        name = lock.lease_name if lock else "of-nobody"
        self._api = api
        self._cache = LockCache(lambda _: None)
        self._locks = Locks(Leases(api), self._cache, clock)
        self._place = f"leases/{name}"
        # As if it had been there for ever: its first holder gets the token 1.
        metadata = {"name": name, "namespace": api.task.metadata.namespace, "creationTimestamp": None}
        api.stored, _ = create(api.stored, "leases", {"metadata": metadata, "spec": {}}, "")

    @property
    def _spec(self) -> Json:
        spec: Json = (self._api.stored.body(self._place) or {})["spec"]
        return spec

    @property
    def holder(self) -> str:
        """Whom it names; empty if it is free."""
        return str(self._spec.get("holderIdentity", ""))

    @holder.setter
    def holder(self, holder: str) -> None:
        self._edit(holderIdentity=holder)

    @property
    def token(self) -> int:
        """The fencing token."""
        return int(self._spec.get("leaseTransitions", 0))

    @token.setter
    def token(self, token: int) -> None:
        self._edit(leaseTransitions=token)

    def _edit(self, **spec: object) -> None:
        body = self._api.stored.body(self._place) or {}
        self._api.stored, _ = new_version(self._api.stored, self._place, merged(body, {"spec": spec}))

    def take(self, task: Task, lock: LockKey) -> Claimed | Contended | Outpaced:
        """Try to take the lock for the task."""
        self._hear()
        return at_once(self._locks.take(task, lock))

    def verify(self, task: Task, lock: LockKey) -> StillHeld | Claimed | Stolen | Outpaced:
        """Look whether the task has the lock, and restore it if it can be."""
        self._hear()
        return at_once(self._locks.verify(task, lock))

    def release(self, task: Task) -> None:
        """Empty it, if it names the task."""
        lock = task_lock_key(task)
        if lock is not None:
            self._hear()
            at_once(self._locks.release(task, lock))

    def _hear(self) -> None:
        body = self._api.stored.body(self._place)
        assert body is not None
        self._cache.update_lease(read_lease(body))
