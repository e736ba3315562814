"""Attempts inside the operator: deadlines, slots, cancelling, stopping, and errors nobody expected."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.attempts import START, Bench, PlainLog, SetClock, attempt, bench, sql, until, wall_clock

from obtask.executors.base import Log
from obtask.executors.inprocess import SHOWN_FRAMES, Reporter, unexpected
from obtask.model.attempt import Attempt, Failed, Lost, Outcome, Running, Succeeded
from obtask.model.reasons import FailureReason


class Scripted:
    """Work that waits for its cue, and says how often it was begun and whether it was stopped."""

    def __init__(self, end: Outcome | Exception = Succeeded("done")) -> None:  # noqa: B008 - a frozen value
        self.begun = 0
        self.stopped = 0
        self.go = asyncio.Event()
        self._end = end

    async def __call__(self, attempt: Attempt, log: Log, report: Callable[[str], None]) -> Outcome:
        """Report, wait, end."""
        self.begun += 1
        log.write(f"attempt {attempt.id.number}")
        report("half way")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.stopped += 1
            raise
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


def ready(work: Scripted) -> Bench:
    """Return an executor of work that need not wait."""
    work.go.set()
    return bench(work)


async def test_the_end_of_the_work_is_the_end_of_the_attempt() -> None:
    """What is seen is what the work returned, and the bell rings once with the attempt's name."""
    on = ready(Scripted(Succeeded("2 rows")))
    one = attempt(sql())

    assert await on.run(one) == Succeeded("2 rows")
    assert on.bells.rung == [one.id]


async def test_starting_twice_runs_once() -> None:
    """The same attempt is not carried out again, neither while it runs nor after it ended."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())

    await on.executor.start(one, on.log)
    await on.executor.start(one, on.log)
    work.go.set()
    await on.bells.wait()
    await on.executor.start(one, on.log)

    assert await on.end_of(one) == Succeeded("done")
    assert work.begun == 1


async def test_running_tells_its_progress() -> None:
    """What the work reports is the message of Running."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())

    await on.executor.start(one, on.log)
    await until(lambda: work.begun)

    assert await on.executor.observe(one, on.log) == Running("half way")
    await on.executor.stop(0)


async def test_an_unknown_attempt_is_lost() -> None:
    """After a restart of the operator nothing is known of an attempt that had been started before."""
    on = bench(Scripted())

    assert await on.executor.observe(attempt(sql()), on.log) == Lost()


async def test_a_forgotten_attempt_is_lost() -> None:
    """Forgetting frees what was remembered."""
    on = ready(Scripted())
    one = attempt(sql())
    await on.run(one)

    on.executor.forget(one.id)
    on.executor.forget(one.id)

    assert await on.executor.observe(one, on.log) == Lost()


async def test_forgetting_a_running_attempt_stops_it() -> None:
    """Nothing goes on running that nobody will look at."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())
    await on.executor.start(one, on.log)
    await until(lambda: work.begun)

    on.executor.forget(one.id)

    await until(lambda: work.stopped)


async def test_the_deadline_ends_the_attempt() -> None:
    """The work is stopped, and the message says how long it had and what it was doing."""
    work = Scripted()
    on = bench(work)

    end = await on.run(attempt(sql(), seconds=0.05))

    assert end == Failed(FailureReason.TIMEOUT, "did not end within 0.05 s: half way")
    assert work.stopped == 1


async def test_the_deadline_counts_from_the_injected_clock() -> None:
    """An attempt whose time was over before it was started is not begun."""
    work = Scripted()
    clock = SetClock(START + timedelta(seconds=60))
    on = bench(work, clock=clock)

    end = await on.run(attempt(sql(), seconds=60, started_at=START))

    assert isinstance(end, Failed)
    assert end == Failed(
        FailureReason.TIMEOUT, "did not end within 60 s: its time was over before this operator could start it", untouched=True
    )
    assert work.begun == 0


async def test_without_a_deadline_there_is_no_timeout() -> None:
    """An attempt without a deadline ends when its work ends."""
    on = ready(Scripted())

    assert await on.run(attempt(sql(), seconds=None)) == Succeeded("done")


async def test_waiting_for_a_slot_is_said_and_counts() -> None:
    """The deadline is absolute; an attempt that never got a slot says so, and was not begun."""
    work = Scripted()
    on = bench(work, slots=1)
    first, second = attempt(sql()), attempt(sql(), number=2, seconds=0.1)
    await on.executor.start(first, on.log)
    await until(lambda: work.begun)

    await on.executor.start(second, on.log)
    await asyncio.sleep(0)
    assert await on.progress(second) == "waiting for a free slot in the operator"
    await on.bells.wait()

    message = "did not end within 0.1 s: it waited for a free slot in the operator all the time"
    assert await on.end_of(second) == Failed(FailureReason.TIMEOUT, message, untouched=True)
    assert work.begun == 1
    await on.executor.stop(0)


async def test_a_slot_is_given_back() -> None:
    """With one slot, two attempts run one after the other."""
    work = Scripted()
    on = bench(work, slots=1)
    first, second = attempt(sql()), attempt(sql(), number=2)
    await on.executor.start(first, on.log)
    await on.executor.start(second, on.log)
    await until(lambda: work.begun)

    work.go.set()
    await until(lambda: len(on.bells.rung) == 2)

    assert await on.end_of(second) == Succeeded("done")


async def test_cancel_stops_the_work() -> None:
    """The attempt is Running until its work has been stopped, then Cancelled; a second cancel cuts nothing short."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())
    await on.executor.start(one, on.log)
    await until(lambda: work.begun)

    await on.executor.cancel(one)
    await on.executor.cancel(one)
    assert isinstance(await on.executor.observe(one, on.log), Running)
    await on.bells.wait()

    assert await on.end_of(one) == Failed(FailureReason.CANCELLED, "cancelled: half way")
    assert work.stopped == 1
    assert on.log.lines[-1] == "cancelled: half way"


async def test_cancel_before_the_first_step_ends_the_attempt_too() -> None:
    """An attempt that is cancelled at once does not stay Running for ever."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())

    await on.executor.start(one, on.log)
    await on.executor.cancel(one)
    await on.bells.wait()

    assert await on.end_of(one) == Failed(FailureReason.CANCELLED, "cancelled", untouched=True)
    assert work.begun == 0


async def test_cancel_of_what_ended_changes_nothing() -> None:
    """What was done was done."""
    on = ready(Scripted())
    one = attempt(sql())
    await on.run(one)

    await on.executor.cancel(one)

    assert await on.end_of(one) == Succeeded("done")


async def test_cancel_of_an_unknown_attempt_is_harmless() -> None:
    """After a restart there is nothing to stop."""
    on = bench(Scripted())

    await on.executor.cancel(attempt(sql()))

    assert on.bells.rung == []


@pytest.mark.parametrize("error", [ValueError("password=hunter2"), TimeoutError("hunter2"), RuntimeError("hunter2")])
async def test_an_unexpected_error_becomes_a_value_without_its_text(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """People learn that it happened, the operator's log learns where; what the error says may be a secret."""
    on = ready(Scripted(error))

    with caplog.at_level(logging.ERROR):
        end = await on.run(attempt(sql()))

    kind = type(error).__name__
    message = f"unexpected {kind} in the operator: the outcome is unknown, the operator's log says where it happened"
    assert end == Failed(FailureReason.INTERRUPTED, message)
    assert f"unexpected {kind} in attempt 1 of resize/zone1 in task prod/resize-orders" in caplog.text
    assert "in __call__" in caplog.text
    assert "hunter2" not in caplog.text + on.log.text


async def test_of_a_recursion_the_log_has_the_last_frames(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand times the same line would push everything else out of the operator's log."""

    def deeper(depth: int) -> None:
        if depth == 0:
            raise RecursionError
        deeper(depth - 1)

    try:
        deeper(500)
    except RecursionError as error:
        unexpected(attempt(sql()), PlainLog(), error)

    assert len(caplog.text.splitlines()) < 3 * SHOWN_FRAMES
    assert "raise RecursionError" in caplog.text


async def test_stop_lets_running_attempts_end_within_the_grace_period() -> None:
    """What ends in time has its real end."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())
    await on.executor.start(one, on.log)
    await until(lambda: work.begun)

    stopping = asyncio.create_task(on.executor.stop(10))
    work.go.set()
    await stopping

    assert await on.end_of(one) == Succeeded("done")


async def test_stop_cuts_what_does_not_end_in_time() -> None:
    """What is left is stopped for real and Lost, so that it becomes Interrupted."""
    work = Scripted()
    on = bench(work)
    one = attempt(sql())
    await on.executor.start(one, on.log)
    await until(lambda: work.begun)

    await on.executor.stop(0.01)

    assert await on.end_of(one) == Lost()
    assert work.stopped == 1
    assert on.bells.rung == [one.id]


async def test_nothing_starts_after_stop() -> None:
    """A stopping operator takes no new attempts."""
    work = Scripted()
    on = bench(work)
    await on.executor.stop(0)
    one = attempt(sql())

    await on.executor.start(one, on.log)
    await asyncio.sleep(0)

    assert await on.executor.observe(one, on.log) == Lost()
    assert work.begun == 0


async def test_a_real_clock_gives_the_whole_time() -> None:
    """With the time of day as the clock, an attempt with time left runs."""
    on = ready(Scripted())

    assert await on.run(attempt(sql(), seconds=30, started_at=wall_clock())) == Succeeded("done")


class Careful:
    """Work that says when it may have changed its target: once it was told to go on."""

    def __init__(self, *, touches: bool, end: Outcome | Exception = Succeeded("done")) -> None:  # noqa: B008 - a frozen value
        self.at_work = False
        self._touches = touches
        self._end = end

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:  # noqa: ARG002 - the protocol's arguments
        """Say it, then end, or wait for ever."""
        report.touched = False
        await asyncio.sleep(0)
        report.touched = self._touches
        self.at_work = True
        if isinstance(self._end, Exception):
            raise self._end
        if self._end == Succeeded("never"):
            await asyncio.Event().wait()
        return self._end


@pytest.mark.parametrize("touches", [True, False])
async def test_an_end_says_whether_the_target_may_be_changed(touches: bool) -> None:
    """Whatever the end is: by itself, or by a cancel in the middle."""
    failed = await bench(Careful(touches=touches, end=Failed(FailureReason.SQL_ERROR, "no"))).run(attempt(sql()))
    work, one = Careful(touches=touches, end=Succeeded("never")), attempt(sql())
    on = bench(work)
    await on.executor.start(one, on.log)
    await until(lambda: work.at_work)
    await on.executor.cancel(one)
    await on.bells.wait()

    assert failed == Failed(FailureReason.SQL_ERROR, "no", untouched=not touches)
    assert await on.end_of(one) == Failed(FailureReason.CANCELLED, "cancelled", untouched=not touches)


async def test_an_unexpected_error_may_have_changed_anything() -> None:
    """Nobody knows how far it got, whatever was said before."""
    end = await bench(Careful(touches=False, end=RuntimeError("boom"))).run(attempt(sql()))

    assert isinstance(end, Failed)
    assert (end.reason, end.untouched) == (FailureReason.INTERRUPTED, False)


async def test_what_another_operator_began_may_have_changed_anything() -> None:
    """An operator that finds the work of an older one done cannot know by whom."""
    on = bench(Careful(touches=False), resumable=True)
    one = attempt(sql())

    await on.executor.observe(one, on.log)
    await on.bells.wait()

    assert await on.end_of(one) == Succeeded("done")
