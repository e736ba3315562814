"""A simulated world around one task: it does what the engine does with the intents of the rules, in memory and on a set clock.

A test lets things happen, lets the task have its reconciles, and looks at what was stored, started and stopped.

What is stored comes about as in the operator: kube.tasks and the lock protocol write it to the API server in memory. Only what the engine
adds to that, the order of the acts for each intent, is written here a second time. The engine sees a task through the memory of a whole
process; here a test says directly what the rules are to see (who is in the way, what an attempt reports, which bounds apply), asks for the
intent without its being carried out, and lets the operator die just before or after a write. The real engine runs in tests/exploration,
over the same API server in memory, and in tests/component/engine.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, assert_never

from tests.support.builders import START, TaskBuilder, failed
from tests.support.surroundings import ApiServer, Executors, Lease

from obtask import names
from obtask.executors.evaluation import language
from obtask.locks.protocol import Claimed, Contended, Outpaced, StillHeld, Stolen
from obtask.model.attempt import Failed, Succeeded
from obtask.model.contract import Phase
from obtask.model.status import Blocker, LogRef, StepStatus, SubtaskStatus, TaskStatus
from obtask.model.task import Task
from obtask.rules import machine
from obtask.rules.bounds import NO_BOUNDS
from obtask.rules.decision import (
    Check,
    Delete,
    Evaluate,
    Finish,
    Intent,
    MarkTask,
    Record,
    RemoveFinalizer,
    Rest,
    Stop,
    TakeCommand,
    TakeLock,
    VerifyLock,
)
from obtask.rules.exclusion import MOST_BLOCKERS_SHOWN, as_blockers
from obtask.rules.expressions import ExpressionFault, Question, Vocabulary
from obtask.rules.lock_keys import holder_identity, holder_name, task_lock_key
from obtask.rules.nonces import Nonces
from obtask.rules.observation import Granted, Hindered, LockAnswer, Observation, Obstacle, Refused, Renewed, Taken
from obtask.rules.opening import StepQuestion

MOST_TURNS = 40


class Crash(Enum):
    """Where the operator dies in a reconcile."""

    BEFORE_WRITE = auto()
    AFTER_WRITE = auto()


class World:
    """One task, and everything that the rules can see or touch."""

    def __init__(self, task: TaskBuilder) -> None:
        self.now = START
        self.api = ApiServer(task.body(), lambda: self.now)
        self.executors = Executors()
        self.lease = Lease(self.api, lambda: self.now)
        self.operators = 1
        # Who is in the way as far as the operator knows; and who shows up only when it reaches for the lock.
        self.in_the_way: tuple[Blocker, ...] = ()
        self.rivals: tuple[Blocker, ...] = ()
        self.hearsay = self.freed = False
        self.refresh_due = True
        self.progress_at: datetime | None = None
        self.draining = False
        self.bounds, self.opted_in = NO_BOUNDS, True
        self.marked_at_creation: bool | None = None
        self.groups_proven: bool | None = False
        self.verdicts: dict[Question, ExpressionFault | None] = {}
        self.answers: dict[StepQuestion, Any] = {}
        self.answers_at_once = True
        self.remarks: dict[str, str | None] = {}
        self.intents: list[Intent] = []
        self.stored: list[TaskStatus] = []

    @property
    def nonces(self) -> Nonces:
        """The nonces of the operator that works now."""
        return Nonces(f"operator-{self.operators}".encode())

    @property
    def task(self) -> Task:
        """The task as the API server holds it."""
        return self.api.task

    @property
    def status(self) -> TaskStatus:
        """Its status."""
        return self.task.status

    @property
    def phase(self) -> Phase:
        """Its phase."""
        return self.status.phase

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations but for the note of which object it is."""
        return {key: value for key, value in self.task.metadata.annotations.items() if key != names.ADOPTED_ANNOTATION}

    @property
    def live(self) -> list[str]:
        """The subtasks whose attempts run, in the order they were started; those being undone with a minus."""
        return self.executors.live()

    @property
    def holds_lease(self) -> bool:
        """Whether the Lease names the task."""
        return self.lease.holder == holder_identity(self.task)

    def step(self, name: str) -> StepStatus:
        """Return the status of a step."""
        return next(step for step in self.status.steps if step.name == name)

    def subtask(self, name: str) -> SubtaskStatus:
        """Return the status of a subtask; its name must be unique in the task."""
        return next(sub for step in self.status.steps for sub in step.subtasks if sub.name == name)

    # What happens, before the task has its reconciles.

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def crash(self) -> None:
        """Kill the operator: the attempts that ran inside it are lost, and another one takes over."""
        self.executors.keep(None)
        self.operators += 1
        self.draining = False
        self.verdicts.clear()
        self.answers.clear()

    def delete(self) -> None:
        """Delete the task: it is gone once nobody holds it with a finalizer."""
        self.api.delete()

    # What happens, and then the task has its reconciles.

    def succeed(self, *subtasks: str, message: str | None = None, **outputs: Any) -> None:
        """Let running attempts succeed, one after the other."""
        for subtask in subtasks:
            self.executors.end(subtask, Succeeded(message, outputs=outputs))
            self.run()

    def fail(self, subtask: str, outcome: Failed | None = None, *, tail: str | None = None, ref: LogRef | None = None) -> None:
        """Let a running attempt fail."""
        self.executors.end(subtask, outcome or failed(), tail, ref)
        self.run()

    def command(self, verb: str, option: str | None = None) -> None:
        """Give a command."""
        self.api.annotate(action=verb, **({"_action_option": option} if option else {}))
        self.run()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.later(seconds)
        self.run()

    # Turns.

    def observe(self) -> Observation:
        """Return what the engine would see."""
        task = self.task
        locked = task_lock_key(task) is not None
        in_line = locked and task.status.phase in {Phase.PENDING, Phase.WAITING}
        in_the_way = (*self._stranger(), *self.in_the_way)
        return Observation(
            self.now,
            f"operator-{self.operators}",
            self.executors.reports(task),
            obstacle=replace(obstacle(in_the_way), hearsay=self.hearsay) if in_line else Obstacle(),
            lock_in_doubt=locked and task.status.lock is not None and not self.holds_lease,
            refresh_due=self.refresh_due,
            progress_at=self.progress_at,
            draining=self.draining,
            nonces=self.nonces,
            bounds=self.bounds,
            opted_in=self.opted_in,
            marked_at_creation=self.marked_at_creation,
            groups_proven=self.groups_proven,
            verdicts=self.verdicts,
            answers=self.answers,
            remarks=self.remarks,
        )

    def decide(self) -> Intent:
        """Return what the rules want now."""
        return machine.decide(self.task, self.observe())

    def run(self) -> Intent:
        """Give the task reconciles until it rests or is gone; return the last intent."""
        for _ in range(MOST_TURNS):
            intent = self.decide()
            if not self.perform(intent):
                return intent
        raise AssertionError(f"does not come to rest: {self.intents[-5:]}")

    def reconcile(self, crash: Crash | None = None) -> Intent:
        """Give the task one reconcile, in which the operator may die; return the intent."""
        intent = self.decide()
        self.perform(intent, crash)
        return intent

    def perform(self, intent: Intent, crash: Crash | None = None) -> bool:
        """Carry an intent out; return whether to look at the task again at once."""
        self.intents.append(intent)
        match intent:
            case Rest():
                return self._rest()
            case Check(questions=questions):
                self.verdicts |= {one: language.fault(one.vocabulary, one.text, one.gives, one.scope) for one in questions}
            case Evaluate():
                return self._evaluate(intent, crash)
            case TakeLock():
                return self._take(crash)
            case VerifyLock():
                return self._verify(crash)
            case Stop(attempts=attempts, meanwhile=meanwhile):
                self.executors.stop(attempts)
                return not self.executors.all_running(attempts) or (meanwhile is not None and self.perform(meanwhile, crash))
            case _ if crash is Crash.BEFORE_WRITE:
                self.crash()
            case Record():
                self._store(intent, crash)
            case Finish():
                self.lease.release(self.task)
                self.executors.keep(None)
                self._touch(intent, crash)
            case RemoveFinalizer():
                leaving = self.task
                self._touch(intent, crash)
                self.lease.release(leaving)
                self.executors.keep(None)
            case MarkTask() | TakeCommand() | Delete():
                self._touch(intent, crash)
            case never:
                assert_never(never)
        return not self.api.gone

    def _evaluate(self, intent: Evaluate, crash: Crash | None) -> bool:
        if crash is Crash.BEFORE_WRITE:
            self.crash()
        elif intent.meanwhile is not None and not self.answers_at_once:
            return self.perform(intent.meanwhile, crash)
        else:
            asked = intent.question
            self.answers[asked] = language.value(Vocabulary.VALUES, asked.expression, asked.variables)
        return True

    def _rest(self) -> bool:
        if self.phase.finished:
            self.lease.release(self.task)  # as the engine does for what was ended elsewhere
        return False

    def _touch(self, intent: MarkTask | TakeCommand | Finish | RemoveFinalizer | Delete, crash: Crash | None) -> None:
        self.api.touch(intent)
        if crash:
            self.crash()

    def _store(self, record: Record, crash: Crash | None) -> None:
        self.api.write_status(record.status)
        self.stored.append(record.status)
        self.answers.clear()
        if crash:
            self.crash()
            return
        self.executors.start(record.start)
        self.executors.stop(record.cancel)
        self.executors.keep(self.task)

    def record_of(self, answer: LockAnswer | Hindered) -> Record:
        """Return the record that follows from what the lock protocol said, or from what hinders the operator."""
        intent = machine.decide(self.task, replace(self.observe(), answer=answer))
        assert isinstance(intent, Record)
        return intent

    def _granted(self, answer: Granted) -> Record:
        """Return the record that follows from having the lock, once what the first step asks is answered."""
        while True:
            intent = machine.decide(self.task, replace(self.observe(), answer=answer))
            if isinstance(intent, Record):
                return intent
            assert isinstance(intent, Evaluate)
            if not self.answers_at_once:
                assert intent.meanwhile is not None
                return intent.meanwhile
            self._evaluate(intent, None)

    def _take(self, crash: Crash | None) -> bool:
        task = self.task
        lock = task_lock_key(task)
        if lock is None:
            return self.perform(self._granted(Granted(None)), crash)
        answer = self.lease.take(task, lock)
        match answer:
            case Claimed(lock=held) if not self.rivals:
                return self.perform(self._granted(Granted(held)), crash)
            case Contended(blockers=blockers):
                return self.perform(self.record_of(Refused(obstacle(as_blockers(blockers)))), crash)
            case Claimed() | Outpaced():
                self.in_the_way = self.rivals
        again = self.perform(self.record_of(Refused(obstacle(self.rivals), freed=self.freed)), crash)
        if not crash:
            self.lease.release(task)
        return again

    def _stranger(self) -> tuple[Blocker, ...]:
        if not self.lease.holder or self.holds_lease:
            return ()
        return (Blocker(name=holder_name(self.lease.holder), uid="", phase=Phase.RUNNING, scope="Global"),)

    def _verify(self, crash: Crash | None) -> bool:
        lock = task_lock_key(self.task)
        answer = self.lease.verify(self.task, lock) if lock is not None else None
        match answer:
            case Claimed(lock=held):
                return self.perform(self.record_of(Renewed(held)), crash)
            case Stolen(holder=holder):
                return self.perform(self.record_of(Taken(holder)), crash)
            case StillHeld() | Outpaced() | None:
                return True


def obstacle(blockers: Sequence[Blocker]) -> Obstacle:
    """Return the blockers as the engine passes them on."""
    return Obstacle(tuple(blockers[:MOST_BLOCKERS_SHOWN]), len(blockers))
