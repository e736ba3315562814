"""The attempts that an operator takes care of: when their ends are remembered and when they are forgotten."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.support.builders import START, a_task

from obtask.engine.attempts import ELSEWHERE_PAUSE, Attempts
from obtask.engine.log_keeping import LogKeeping
from obtask.engine.log_shelf import LogShelf
from obtask.executors.base import Log
from obtask.kube.api import ApiError, Json
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.objects import Objects
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Running
from obtask.model.contract import Direction, SubtaskPhase
from obtask.model.reasons import FailureReason
from obtask.model.status import LockStatus, SubtaskStatus
from obtask.model.task import Task
from obtask.rules import machine
from obtask.rules.decision import Record
from obtask.rules.nonces import Nonces
from obtask.rules.observation import Granted, Observation

FAILED = Failed(FailureReason.SQL_ERROR, "broken", "1146")
RUNNER = "this-operator"


@dataclass
class OneFailure:
    """An executor whose attempts have all failed; it knows only what it was told to start."""

    started: list[AttemptId] = field(default_factory=list)

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt."""
        log.write("started")
        self.started.append(attempt.id)

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return its failure, or that nobody knows of it."""
        log.write("looked at")
        return FAILED if attempt.id in self.started else Lost()

    async def cancel(self, attempt: Attempt) -> None:
        """Stop nothing: it has ended."""

    def forget(self, attempt: AttemptId) -> None:
        """Forget it."""
        self.started.remove(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Nothing is at work."""

    async def close(self) -> None:
        """Nothing is open."""


class NoApi:
    """An API server that nobody should need here."""

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Refuse everything."""
        return ApiError(403, "Forbidden", f"{method} {path} {query} {body is None}")

    async def metadata(self, path: str, *, query: object = None) -> Json | ApiError:
        """Refuse everything."""
        return await self.send("GET", path, query=query)


def clock() -> datetime:
    """Return the time."""
    return START


def logs() -> LogKeeping:
    """Return a keeper of logs that can store none."""
    api = NoApi()
    return LogKeeping(Objects(api), LogShelf(ConfigMaps(api)), Nonces(b"test"), clock)


def nobody(_: str) -> bool:
    """No other operator works."""
    return False


def running_task() -> tuple[Task, tuple[Attempt, ...]]:
    """Return a task whose first attempt is recorded, and that attempt."""
    task = a_task().named("x").step("one").build()
    lock = LockStatus(lease="l", scope="Global", acquired_at=START, token=1)
    record = machine.decide(task, Observation(START, RUNNER, answer=Granted(lock)))
    assert isinstance(record, Record)
    return replace(task, status=record.status), record.start


async def test_the_end_of_an_attempt_is_remembered_until_it_is_recorded() -> None:
    """A write that is about something else, such as a refused command, does not make the operator forget how an attempt ended."""
    task, attempts = running_task()
    executor = OneFailure()
    keeper = Attempts({WaitAction: executor}, logs(), clock, RUNNER, nobody)
    await keeper.start(attempts)
    before = await keeper.look(task)

    keeper.settle(task)

    after = await keeper.look(task)
    assert before == after
    assert after[attempts[0].id].state == FAILED


async def test_an_attempt_whose_end_is_recorded_is_forgotten() -> None:
    """Once the status says that the attempt has ended, neither its log nor its result is kept."""
    task, attempts = running_task()
    executor = OneFailure()
    keeper = Attempts({WaitAction: executor}, logs(), clock, RUNNER, nobody)
    await keeper.start(attempts)
    ended = SubtaskStatus(name="one", phase=SubtaskPhase.FAILED, attempts=1)
    step = task.status.steps[0].model_copy(update={"subtasks": (ended,)})

    keeper.settle(replace(task, status=task.status.model_copy(update={"steps": (step,)})))

    assert executor.started == []
    assert keeper.key_of(attempts[0].id) is None


async def test_an_attempt_whose_record_got_no_answer_is_started_when_it_is_found_recorded() -> None:
    """If the answer to the recording write was lost, the attempt is known not to have started, and is started once."""
    task, attempts = running_task()
    executor = OneFailure()
    keeper = Attempts({WaitAction: executor}, logs(), clock, RUNNER, nobody)
    keeper.intend(attempts)

    await keeper.look(task)
    await keeper.look(task)

    assert executor.started == [AttemptId(task.metadata.uid, "one", "one", Direction.FORWARD, 1)]


async def test_an_attempt_of_another_operator_is_never_started_here() -> None:
    """The same attempt recorded by somebody else is theirs, even if this operator meant to record it too."""
    task, attempts = running_task()
    executor = OneFailure()
    keeper = Attempts({WaitAction: executor}, logs(), clock, "another-operator", nobody)
    keeper.intend(attempts)

    reports = await keeper.look(task)

    assert executor.started == []
    assert reports[attempts[0].id].state == Lost()


async def test_an_attempt_of_an_operator_that_works_is_left_to_it() -> None:
    """What another operator that is still there has started is not lost, and is looked at again soon."""
    task, attempts = running_task()
    keeper = Attempts({WaitAction: OneFailure()}, logs(), clock, "another-operator", lambda runner: runner == RUNNER)

    reports = await keeper.look(task)

    seen = reports[attempts[0].id].state
    assert isinstance(seen, Running)
    assert seen.wake_at == START + ELSEWHERE_PAUSE


async def test_an_own_attempt_of_which_nothing_is_known_is_lost() -> None:
    """An operator that does not know of an attempt in its own name has not got it any more."""
    task, attempts = running_task()
    keeper = Attempts({WaitAction: OneFailure()}, logs(), clock, RUNNER, lambda _: True)

    reports = await keeper.look(task)

    assert reports[attempts[0].id].state == Lost()
