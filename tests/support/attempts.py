"""Builds attempts and their surroundings for tests of executors: real clocks, a log that remembers, connections from a table."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from obtask.executors.connections.connection import Connection
from obtask.executors.evaluation.evaluator import Variables
from obtask.executors.evaluation.language import fault, holds, shown, value
from obtask.executors.inprocess import InProcess, Work
from obtask.executors.records import Records
from obtask.model.actions import Action, SqlAction
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Outcome, Running
from obtask.model.connections import ConnectionRef
from obtask.model.contract import Direction
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, Question, Vocabulary
from obtask.shares import Pace, Slots

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET_NAME = "obdemo-sys"  # noqa: S105 - a name


class Evaluated:
    """Answers questions about expressions here, without a process of its own. Implements ``Expressions``."""

    async def fault(self, namespace: str, question: Question) -> ExpressionFault | None:  # noqa: ARG002 - the protocol's argument
        """Return why the expression does not compile."""
        return fault(question.vocabulary, question.text, question.gives, question.scope)

    async def holds(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> bool | ExpressionFault:  # noqa: ARG002
        """Return whether the expression holds."""
        return holds(vocabulary, text, variables() if callable(variables) else variables)

    async def shown(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> str | ExpressionFault:  # noqa: ARG002
        """Return the text that the expression gives."""
        return shown(vocabulary, text, variables() if callable(variables) else variables)

    async def value(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> Any:  # noqa: ARG002
        """Return the value that the expression gives."""
        return value(vocabulary, text, variables() if callable(variables) else variables)


evaluated = Evaluated()


async def alone() -> None:
    """No other operator can take over."""


def wall_clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class SetClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time it stands at."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class PlainLog:
    """A log that keeps every line as written, and every secret it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.secrets: list[str] = []

    def write(self, text: str, at: str | None = None) -> None:
        """Keep the text, and its time if it brings one."""
        self.lines.append(f"{at} {text}" if at else text)

    def hide(self, secret: str) -> None:
        """Keep the secret."""
        self.secrets.append(secret)

    def seam(self, prefix: str) -> tuple[str, int] | None:  # noqa: ARG002 - the protocol's argument
        """No other operator has begun it."""
        return None

    @property
    def text(self) -> str:
        """Everything that was written."""
        return "\n".join(self.lines)


@dataclass(slots=True)
class Secrets:
    """Connection Secrets by name; every other name is not found."""

    known: Mapping[str, Connection]
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return the connection of that name."""
        self.asked.append((namespace, secret_name))
        return self.known.get(secret_name) or Failed(FailureReason.NOT_FOUND, f"Secret {secret_name} not found")

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:  # noqa: ARG002 - the protocol\'s arguments
        """Return the value of that Secret and key."""
        self.asked.append((namespace, secret_name))
        return self.values.get((secret_name, key)) or Failed(FailureReason.NOT_FOUND, f"Secret {secret_name} not found")


def attempt(
    action: Action,
    *,
    number: int = 1,
    seconds: float | None = 60,
    started_at: datetime | None = None,
    connection: str | None = SECRET_NAME,
    token: int | None = 7,
) -> Attempt:
    """Return an attempt that began now, or at ``started_at``, and may take ``seconds``."""
    begin = started_at or wall_clock()
    return Attempt(
        id=AttemptId("4f0c", "resize", "zone1", Direction.FORWARD, number),
        namespace="prod",
        task="resize-orders",
        action=action,
        connection=ConnectionRef(secret_name=connection) if connection else None,
        service_account=None,
        started_at=begin,
        deadline=None if seconds is None else begin + timedelta(seconds=seconds),
        lock_token=token,
    )


def sql(*statements: str, **fields: object) -> SqlAction:
    """Return a sql action."""
    return SqlAction.model_validate({"statements": statements or ("select 1",), **fields})


async def until(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait until the condition is true; it is an error if that takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition may be about anything
            await asyncio.sleep(0.005)


class Bells:
    """Remembers whose end was announced, and lets a test wait for one."""

    def __init__(self) -> None:
        self.rung: list[AttemptId] = []
        self._event = asyncio.Event()

    def __call__(self, ended: AttemptId) -> None:
        """Ring."""
        self.rung.append(ended)
        self._event.set()

    async def wait(self, seconds: float = 20) -> None:
        """Wait for the first bell, then forget that it rang."""
        async with asyncio.timeout(seconds):
            await self._event.wait()
        self._event.clear()


@dataclass(slots=True)
class Bench:
    """An in-process executor and what it reports to."""

    executor: InProcess
    bells: Bells
    log: PlainLog

    async def run(self, one: Attempt) -> Outcome | Lost:
        """Carry an attempt out and return its end."""
        await self.executor.start(one, self.log)
        await self.bells.wait()
        return await self.end_of(one)

    async def end_of(self, one: Attempt) -> Outcome | Lost:
        """Return the end of an attempt that has ended."""
        seen = await self.executor.observe(one, self.log)
        assert not isinstance(seen, Running)
        return seen

    async def progress(self, one: Attempt) -> str:
        """Return what an attempt that runs is doing, or nothing."""
        seen = await self.executor.observe(one, self.log)
        return (seen.message or "") if isinstance(seen, Running) else ""


def bench(
    work: Work, *, slots: int = 8, idle: int | None = None, clock: Callable[[], datetime] = wall_clock, resumable: bool = False
) -> Bench:
    """Return an executor of this work; ``idle`` is how many connections those that sleep may keep, as many as slots by default."""
    bells, pace = Bells(), Pace(1000, burst=1000)
    kept, records = Slots(slots if idle is None else idle), Records(bells) if resumable else None
    on = InProcess(work, clock=clock, slots=Slots(slots), idle=kept, pace=pace, on_end=bells, records=records)
    return Bench(on, bells, PlainLog())
