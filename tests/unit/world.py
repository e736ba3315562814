"""A simulated world around one task: it does what the engine does with the intents of the rules, in memory and on a set clock.

What the API server, the Lease and the executors hold are plain values here; a test sets them, lets the task have its turns,
and looks at what was stored, started and stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import assert_never

from tests.unit.builders import START, Json, TaskBuilder, failed

from obtask import names
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Outcome, Running, Succeeded
from obtask.model.command import Command
from obtask.model.status import Blocker, Direction, FailureReason, LockStatus, LogRef, Phase, StepStatus, SubtaskStatus, TaskStatus
from obtask.model.task import InvalidSpec, Task, read_task
from obtask.rules import machine
from obtask.rules.attempts import running_attempts
from obtask.rules.decision import Adopt, Delete, Finish, Intent, Record, Rest, Stop, TakeCommand, TakeLock, VerifyLock
from obtask.rules.exclusion import MOST_BLOCKERS_SHOWN
from obtask.rules.lock_keys import holder_identity, task_lock_key
from obtask.rules.observation import Observation, Obstacle, Report

MOST_TURNS = 40


class Crash(Enum):
    """Where the operator dies in a turn."""

    BEFORE_WRITE = auto()
    AFTER_WRITE = auto()


@dataclass
class Live:
    """An attempt that an executor takes care of."""

    attempt: Attempt
    report: Report
    asked_to_stop: bool = False

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return isinstance(self.report.seen, Running)


class World:
    """One task, and everything that the rules can see or touch."""

    def __init__(self, task: TaskBuilder) -> None:
        self.body: Json | None = task.body()
        self.now = START
        self.runner = "operator-1"
        self.attempts: dict[AttemptId, Live] = {}
        self.stops_at_once = True
        self.in_the_way: tuple[Blocker, ...] = ()
        self.rivals: tuple[Blocker, ...] = ()
        self.outpaced = 0
        self.holder = ""
        self.token = 0
        self.shown_lately = False
        self.intents: list[Intent] = []
        self.stored: list[TaskStatus] = []
        self.started: list[Attempt] = []
        self.deleted = False

    # What is there.

    @property
    def task(self) -> Task:
        """The task as the API server holds it."""
        assert self.body is not None, "the task is gone"
        return read_task(self.body)

    @property
    def status(self) -> TaskStatus:
        """Its status."""
        return self.task.status

    @property
    def phase(self) -> Phase:
        """Its phase."""
        return self.status.phase

    @property
    def me(self) -> str:
        """How the task signs its Lease."""
        return holder_identity(self.task)

    @property
    def live(self) -> list[str]:
        """The subtasks that an attempt is running for, in the order they were started; those being undone with a minus."""
        sign = {Direction.FORWARD: "", Direction.ROLLBACK: "-"}
        return [sign[name.direction] + name.subtask for name, entry in self.attempts.items() if entry.running]

    def step(self, name: str) -> StepStatus:
        """Return the status of a step."""
        return next(step for step in self.status.steps if step.name == name)

    def subtask(self, name: str) -> SubtaskStatus:
        """Return the status of a subtask; its name must be unique in the task."""
        return next(sub for step in self.status.steps for sub in step.subtasks if sub.name == name)

    # What happens outside the rules.

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def end(self, subtask: str, outcome: Outcome | Lost, *, tail: str | None = None, ref: LogRef | None = None) -> None:
        """End the live attempt of a subtask."""
        entry = self._live_of(subtask)
        entry.report = Report(outcome, tail, ref)

    def say(self, subtask: str, message: str, wake_at: datetime | None = None) -> None:
        """Have the live attempt of a subtask tell how far it is."""
        self._live_of(subtask).report = Report(Running(message, wake_at))

    def annotate(self, **annotations: str) -> None:
        """Put annotations on, as `TaskBuilder.annotated` does."""
        assert self.body is not None
        given = TaskBuilder().annotated(**annotations).metadata["annotations"]
        self._write({"annotations": self.body["metadata"]["annotations"] | given})

    def delete(self) -> None:
        """Delete the task: it is gone once nobody holds it with a finalizer."""
        self._write({"deletionTimestamp": self.now.isoformat()})
        self._vanish()

    def crash(self) -> None:
        """Kill the operator: the attempts that ran inside it are lost, and another one takes over."""
        self.attempts.clear()
        self.runner = f"operator-{int(self.runner.removeprefix('operator-')) + 1}"

    # The same, and then the task has its turns.

    def succeed(self, *subtasks: str, message: str | None = None) -> None:
        """Let live attempts succeed, one after the other."""
        for subtask in subtasks:
            self.end(subtask, Succeeded(message))
            self.run()

    def fail(self, subtask: str, outcome: Failed | None = None, *, tail: str | None = None, ref: LogRef | None = None) -> None:
        """Let a live attempt fail."""
        self.end(subtask, outcome or failed(), tail=tail, ref=ref)
        self.run()

    def command(self, verb: str) -> None:
        """Give a command."""
        self.annotate(action=verb)
        self.run()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.later(seconds)
        self.run()

    # Turns.

    def observe(self) -> Observation:
        """Return what the engine would see."""
        task = self.task
        lock = task_lock_key(task)
        known = [] if isinstance(task.spec, InvalidSpec) else running_attempts(task)
        reports = {attempt.id: self.attempts[attempt.id].report for attempt in known if attempt.id in self.attempts}
        in_line = lock is not None and task.status.phase in {Phase.PENDING, Phase.WAITING}
        return Observation(
            self.now,
            self.runner,
            reports,
            obstacle=obstacle(self.in_the_way) if in_line else Obstacle(),
            lock_in_doubt=lock is not None and task.status.lock is not None and self.holder != self.me,
            refresh_due=not self.shown_lately,
        )

    def decide(self) -> Intent:
        """Return what the rules want now."""
        return machine.decide(self.task, self.observe())

    def run(self) -> Intent:
        """Give the task turns until it rests or is gone; return the last intent."""
        for _ in range(MOST_TURNS):
            intent = self.decide()
            if not self.perform(intent):
                return intent
        raise AssertionError(f"does not come to rest: {self.intents[-5:]}")

    def turn(self, crash: Crash | None = None) -> Intent:
        """Give the task one turn, in which the operator may die; return the intent."""
        intent = self.decide()
        self.perform(intent, crash)
        return intent

    def perform(self, intent: Intent, crash: Crash | None = None) -> bool:
        """Carry an intent out; return whether to look at the task again at once."""
        self.intents.append(intent)
        match intent:
            case Rest():
                return False
            case TakeLock():
                return self._take(crash)
            case VerifyLock():
                return self._verify(crash)
            case Stop(attempts=attempts):
                self._stop(attempts)
                return not self._all_running()
            case _ if crash is Crash.BEFORE_WRITE:
                self.crash()
            case Record():
                self.store(intent, crash)
            case Adopt() | TakeCommand() | Finish() | Delete():
                self._touch(intent)
                if crash:
                    self.crash()
            case never:
                assert_never(never)
        return self.body is not None

    def store(self, record: Record, crash: Crash | None = None) -> None:
        """Store a status; only then start and stop attempts."""
        assert self.body is not None
        written = record.status.model_dump_json(by_alias=True, exclude_none=True)
        assert TaskStatus.model_validate_json(written) == record.status, "a status must read back as it was written"
        self.body["status"] = record.status.dump()
        self._write({})
        self.stored.append(record.status)
        if crash:
            self.crash()
            return
        self._start(record.start)
        self._stop(record.cancel)
        known = {attempt.id for attempt in running_attempts(self.task)} if not isinstance(self.task.spec, InvalidSpec) else set()
        self.attempts = {name: entry for name, entry in self.attempts.items() if name in known}

    # What the engine does, in memory.

    def _touch(self, intent: Adopt | TakeCommand | Finish | Delete) -> None:
        assert self.body is not None
        meta = self.body["metadata"]
        match intent:
            case Adopt():
                self._write({"finalizers": [*meta["finalizers"], names.FINALIZER]})
            case TakeCommand(command=command):
                self._write({"annotations": _taken(meta["annotations"], command)})
            case Finish():
                if self.holder == self.me:
                    self.holder = ""
                self.attempts.clear()
                kept = {key: value for key, value in meta["annotations"].items() if key != names.ACCEPTED_COMMAND_ANNOTATION}
                self._write({"finalizers": [other for other in meta["finalizers"] if other != names.FINALIZER], "annotations": kept})
                self._vanish()
            case Delete():
                self.delete()
            case never:
                assert_never(never)

    def _take(self, crash: Crash | None) -> bool:
        task, seen = self.task, self.observe()
        if self.outpaced:
            self.outpaced -= 1
            return True
        lock = task_lock_key(task)
        if lock is None:
            return self.perform(machine.granted(task, seen, None), crash)
        if self.holder not in ("", self.me):
            stranger = Blocker(name=self.holder.partition("/")[0], uid="", phase=Phase.RUNNING, scope=lock.scope.value)
            return self.perform(machine.refused(task, seen, obstacle((stranger,))), crash)
        self._claim()
        if crash is Crash.BEFORE_WRITE:
            self.crash()
            return True
        if self.rivals:
            again = self.perform(machine.refused(task, seen, obstacle(self.rivals)), crash)
            self.holder = ""
            return again
        return self.perform(machine.granted(task, seen, self._lock()), crash)

    def _verify(self, crash: Crash | None) -> bool:
        task, seen = self.task, self.observe()
        if self.holder == self.me:
            return True
        if self.holder:
            return self.perform(machine.lock_lost(task, seen, self.holder), crash)
        self._claim()
        return self.perform(machine.lock_renewed(task, seen, self._lock()), crash)

    def _claim(self) -> None:
        if self.holder != self.me:
            self.holder = self.me
            self.token += 1

    def _lock(self) -> LockStatus:
        lock = task_lock_key(self.task)
        assert lock is not None
        return LockStatus(lease=lock.lease_name, scope=lock.scope.value, acquired_at=self.now, token=self.token)

    def _start(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            place = (attempt.id.step, attempt.id.subtask)
            twins = [name for name, entry in self.attempts.items() if (name.step, name.subtask) == place and entry.running]
            assert not twins, f"{attempt.id} was started while {twins} ran"
            assert attempt.id not in {other.id for other in self.started}, f"{attempt.id} was started twice"
            self.started.append(attempt)
            self.attempts[attempt.id] = Live(attempt, Report(Running()))

    def _stop(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            entry = self.attempts.get(attempt.id)
            if entry is not None and entry.running:
                entry.asked_to_stop = True
                entry.report = Report(failed("cancelled", FailureReason.CANCELLED)) if self.stops_at_once else entry.report

    def _all_running(self) -> bool:
        return all((entry := self.attempts.get(attempt.id)) is not None and entry.running for attempt in running_attempts(self.task))

    def _live_of(self, subtask: str) -> Live:
        found = [entry for name, entry in self.attempts.items() if name.subtask == subtask and entry.running]
        assert len(found) == 1, f"{len(found)} attempts of {subtask} run; in all: {self.live}"
        return found[0]

    def _write(self, metadata: Json) -> None:
        assert self.body is not None
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        self.body = self.body | {"metadata": self.body["metadata"] | metadata | {"resourceVersion": version}}

    def _vanish(self) -> None:
        assert self.body is not None
        if self.body["metadata"].get("deletionTimestamp") and not self.body["metadata"]["finalizers"]:
            self.body = None
            self.deleted = True


def obstacle(blockers: Sequence[Blocker]) -> Obstacle:
    """Return the blockers as the engine passes them on."""
    return Obstacle(tuple(blockers[:MOST_BLOCKERS_SHOWN]), len(blockers))


def _taken(annotations: Json, command: Command) -> Json:
    command_keys = {names.ACTION_ANNOTATION, names.GROUP_ACTION_ANNOTATION, names.ACTION_REASON_ANNOTATION}
    kept = {key: value for key, value in annotations.items() if key not in command_keys}
    return kept | {names.ACCEPTED_COMMAND_ANNOTATION: command.model_dump_json(by_alias=True, exclude_none=True)}
