"""Attempts with values: they begin when the values are known, and what may already run elsewhere is not given up for want of one."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.attempts import Evaluated, PlainLog, attempt

from obtask.executors.base import Log
from obtask.executors.evaluation.evaluator import Variables
from obtask.executors.values import Valued, with_values
from obtask.model.actions import HttpAction
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Running, Succeeded
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary

ACTION = HttpAction.model_validate({"url": "http://h/${{ item + '!' }}"})
NOBODY = ExpressionFault("cannot be evaluated now", ExpressionFaultKind.UNAVAILABLE)


class Elsewhere:
    """An executor whose attempts run outside of the operator, as Jobs do. Implements ``Executor``."""

    def __init__(self, *, runs: bool = False) -> None:
        self.seen: list[str] = ["start"] if runs else []
        self.url: str | None = None

    async def start(self, attempt: Attempt, log: Log) -> None:  # noqa: ARG002 - the protocol's argument
        """Start it."""
        self.seen.append("start")
        self.url = attempt.action.url if isinstance(attempt.action, HttpAction) else None

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:  # noqa: ARG002 - the protocol's argument
        """Tell whether it runs."""
        return Succeeded() if "cancel" in self.seen else Running() if "start" in self.seen else Lost()

    async def cancel(self, attempt: Attempt) -> None:  # noqa: ARG002 - the protocol's argument
        """Stop it."""
        self.seen.append("cancel")

    def forget(self, attempt: AttemptId) -> None:
        """Drop it."""

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - the protocol's argument
        """Stop here."""
        self.seen.append("stop")

    async def close(self) -> None:
        """Close nothing."""


class Slow(Evaluated):
    """Evaluates once it is let; ``answers`` are given first."""

    def __init__(self, *answers: ExpressionFault) -> None:
        self.let = asyncio.Event()
        self.answers = list(answers)

    async def value(self, namespace: str, vocabulary: Vocabulary, text: str, variables: Variables) -> Any:
        """Return the value that the expression gives."""
        await self.let.wait()
        return self.answers.pop(0) if self.answers else await super().value(namespace, vocabulary, text, variables)


def looping() -> Attempt:
    """Return an attempt of a loop whose URL has to be evaluated."""
    return replace(attempt(ACTION), variables={"item": "a/b"})


class Stand:
    """The executor under test, between one that notes what it is told and an evaluator that is slow."""

    def __init__(self, *answers: ExpressionFault, runs: bool = False) -> None:
        self.inner, self.slow, self.log = Elsewhere(runs=runs), Slow(*answers), PlainLog()
        self.told = asyncio.Event()
        self.valued: Valued = with_values(self.inner, self.slow, lambda _: self.told.set())
        self.valued.pause_seconds = 0.01
        self.attempt = looping()

    async def start(self) -> None:
        """Start the attempt."""
        await self.valued.start(self.attempt, self.log)

    async def look(self) -> AttemptState:
        """Look at the attempt."""
        return await self.valued.observe(self.attempt, self.log)

    async def known(self) -> None:
        """Let the values be evaluated, and wait until the task is enqueued."""
        self.slow.let.set()
        async with asyncio.timeout(10):
            await self.told.wait()


async def test_attempt_begins_once_its_values_are_known() -> None:
    """Until then it is said what is waited for; then it is the executor's, with everything in place."""
    stand = Stand()
    await stand.start()
    assert await stand.look() == Running("its values are being evaluated")
    await stand.known()
    assert (stand.inner.seen, stand.inner.url) == (["start"], "http://h/a%2Fb%21")
    assert await stand.look() == Running()


async def test_attempt_cancelled_before_it_begins_has_touched_nothing() -> None:
    """Nothing starts afterwards."""
    stand = Stand()
    await stand.start()
    await stand.valued.cancel(stand.attempt)
    stand.slow.let.set()
    state = await stand.look()
    assert isinstance(state, Failed)
    assert (state.reason, state.untouched, stand.inner.seen) == (FailureReason.CANCELLED, True, [])


async def test_what_another_operator_began_is_stopped_though_its_values_are_not_known_yet() -> None:
    """A Job that runs is not taken for one that never began: it is stopped once they are known."""
    stand = Stand(runs=True)
    assert isinstance(await stand.look(), Running)
    await stand.valued.cancel(stand.attempt)
    assert isinstance(await stand.look(), Running)
    await stand.known()
    await stand.valued.cancel(stand.attempt)
    assert stand.inner.seen == ["start", "cancel"]


async def test_what_another_operator_began_goes_on_though_nobody_can_evaluate_now() -> None:
    """It is asked again; an attempt that begins here fails instead, and has touched nothing."""
    stand = Stand(NOBODY, NOBODY, runs=True)
    assert isinstance(await stand.look(), Running)
    await stand.known()
    assert await stand.look() == Running()

    begins = Stand(NOBODY)
    await begins.start()
    await begins.known()
    state = await begins.look()
    assert isinstance(state, Failed)
    assert (state.untouched, state.passing, begins.inner.seen) == (True, True, [])


@pytest.mark.parametrize("in_time", [True, False])
async def test_stopping_operator_loses_no_attempt_that_waits_for_its_values(*, in_time: bool) -> None:
    """It begins if they come in time; otherwise it is known that nothing of it was done."""
    stand = Stand()
    await stand.start()
    stopping = asyncio.create_task(stand.valued.stop(20 if in_time else 0.02))
    await asyncio.sleep(0)
    if in_time:
        stand.slow.let.set()
    await stopping
    state = await stand.look()
    assert stand.inner.seen == (["start", "stop"] if in_time else ["stop"])
    assert state == Running() if in_time else isinstance(state, Failed) and state.untouched


async def test_stopping_operator_leaves_what_others_began_to_the_next() -> None:
    """Its values are evaluated there."""
    stand = Stand(runs=True)
    await stand.look()
    await stand.valued.stop(0)
    assert isinstance(await stand.look(), Running)
    assert stand.inner.seen == ["start", "stop"]
