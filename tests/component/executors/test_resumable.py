"""Attempts that may be done twice: gone on with by the next operator, kept at a stop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tests.support.attempts import attempt, bench, sql, until

from obtask.executors.base import Log
from obtask.executors.inprocess import Reporter
from obtask.model.attempt import Attempt, Failed, Outcome, Running, Succeeded
from obtask.model.reasons import FailureReason


class Counted:
    """Work that waits for its cue, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self, attempt: Attempt, log: Log, report: Callable[[str], None]) -> Outcome:
        """Count, wait, end."""
        self.begun += 1
        log.write(f"attempt {attempt.id.number}")
        report("half way")
        await self.go.wait()
        return Succeeded("done")


ONE = replace(attempt(sql(), seconds=None), runner="the-operator-before")


async def test_an_attempt_of_an_operator_that_is_gone_goes_on() -> None:
    """Whoever finds it starts it again, once, and it ends as if nothing had happened."""
    work = Counted()
    on = bench(work, resumable=True)

    assert await on.executor.observe(ONE, on.log) == Running()
    await until(lambda: work.begun)
    assert await on.executor.observe(ONE, on.log) == Running("half way")
    work.go.set()
    await on.bells.wait()

    assert await on.executor.observe(ONE, on.log) == Succeeded("done")
    assert work.begun == 1
    assert on.log.lines[0].startswith("going on: ")


async def test_what_is_gone_on_with_may_be_changed_already() -> None:
    """The operator that is gone may have done what this one finds done."""

    async def finds_it_done(attempt: Attempt, log: Log, report: Reporter) -> Outcome:  # noqa: ARG001 - the protocol's arguments
        report.touched = False
        return Succeeded("unchanged")

    on = bench(finds_it_done, resumable=True)

    await on.executor.observe(ONE, on.log)
    await on.bells.wait()

    assert await on.executor.observe(ONE, on.log) == Succeeded("unchanged")


async def test_an_operator_that_stops_leaves_its_attempts_running() -> None:
    """What is cut is not lost: it is Running by the status, for the next operator; nothing is started any more."""
    work = Counted()
    on = bench(work, resumable=True)
    await on.executor.start(ONE, on.log)
    await until(lambda: work.begun)

    await on.executor.stop(60)

    assert await on.executor.observe(ONE, on.log) == Running()
    assert await on.executor.observe(replace(ONE, id=replace(ONE.id, number=2)), on.log) == Running()
    await asyncio.sleep(0)
    assert work.begun == 1


async def test_a_cancel_ends_an_attempt_that_was_gone_on_with() -> None:
    """A command that came while nobody worked finds the attempt, and ends it before it does anything again."""
    work = Counted()
    on = bench(work, resumable=True)

    await on.executor.observe(ONE, on.log)
    await on.executor.cancel(ONE)
    await on.bells.wait()

    assert await on.executor.observe(ONE, on.log) == Failed(FailureReason.CANCELLED, "cancelled")
    assert work.begun == 0


async def test_a_forgotten_attempt_is_stopped() -> None:
    """What nobody will look at does not go on."""
    work = Counted()
    on = bench(work, resumable=True)
    await on.executor.start(ONE, on.log)
    await until(lambda: work.begun)

    on.executor.forget(ONE.id)

    await until(lambda: on.bells.rung)
    assert (work.begun, on.log.lines[-1]) == (1, "cancelled: half way")
