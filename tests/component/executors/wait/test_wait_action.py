"""The wait action: the attempt's own times decide, whoever looks and whenever."""

from datetime import timedelta

from tests.support.attempts import START, PlainLog, SetClock, attempt

from obtask.executors.wait.executor import Wait
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, Failed, Running, Succeeded
from obtask.model.reasons import FailureReason

LOG = PlainLog()


def wait_for(seconds: int, *, allowed: float | None = 3600) -> Attempt:
    """Return an attempt to wait that began at START."""
    return attempt(WaitAction(seconds=seconds), seconds=allowed, started_at=START)


async def test_it_runs_until_its_time_has_passed() -> None:
    """Before the end it says when to look again; at the end it has succeeded."""
    clock = SetClock()
    wait, one = Wait(clock=clock), wait_for(90)

    clock.forward(89.999)
    assert await wait.observe(one, LOG) == Running("waiting until 2026-11-23T12:01:30Z", START + timedelta(seconds=90))
    clock.forward(0.001)
    assert await wait.observe(one, LOG) == Succeeded("waited 90 s")


async def test_it_needs_no_memory() -> None:
    """An operator that starts afterwards sees the same, without start."""
    clock = SetClock(START + timedelta(days=8))

    assert await Wait(clock=clock).observe(wait_for(604800, allowed=None), LOG) == Succeeded("waited 604800 s")


async def test_zero_seconds_are_over_at_once() -> None:
    """Waiting 0 seconds succeeds at the first look."""
    assert await Wait(clock=SetClock()).observe(wait_for(0), LOG) == Succeeded("waited 0 s")


async def test_a_deadline_before_the_end_is_a_timeout() -> None:
    """The attempt fails at its deadline, also when nobody looked before both had passed."""
    clock = SetClock()
    wait, one = Wait(clock=clock), wait_for(90, allowed=60)

    assert await wait.observe(one, LOG) == Running("waiting until 2026-11-23T12:01:30Z", START + timedelta(seconds=60))
    for seconds in (60, 600):
        clock.forward(seconds)
        assert await wait.observe(one, LOG) == Failed(FailureReason.TIMEOUT, "did not end within 60 s: it had to wait 90 s")


async def test_a_deadline_at_the_end_is_in_time() -> None:
    """Waiting exactly as long as allowed succeeds."""
    assert await Wait(clock=SetClock(START + timedelta(seconds=60))).observe(wait_for(60, allowed=60), LOG) == Succeeded("waited 60 s")


async def test_cancel_ends_it_until_it_is_forgotten() -> None:
    """A cancelled wait has failed, also after its time has passed."""
    clock = SetClock()
    wait, one = Wait(clock=clock), wait_for(90)

    await wait.cancel(one)
    clock.forward(100)

    assert await wait.observe(one, LOG) == Failed(FailureReason.CANCELLED, "cancelled while waiting")
    wait.forget(one.id)
    assert await wait.observe(one, LOG) == Succeeded("waited 90 s")


async def test_cancel_after_the_end_changes_nothing() -> None:
    """What has passed has passed."""
    clock = SetClock(START + timedelta(seconds=90))
    wait, one = Wait(clock=clock), wait_for(90)

    await wait.cancel(one)

    assert await wait.observe(one, LOG) == Succeeded("waited 90 s")


async def test_start_says_in_the_log_until_when_it_waits() -> None:
    """One line, however often it is started."""
    wait, log = Wait(clock=SetClock()), PlainLog()

    await wait.start(wait_for(90), log)
    await wait.start(wait_for(90), log)

    assert log.lines == ["waiting 90 s, until 2026-11-23T12:01:30Z"]


async def test_the_log_says_how_it_ended() -> None:
    """Whoever sees the end first writes it, once."""
    clock, log = SetClock(), PlainLog()
    wait, one = Wait(clock=clock), wait_for(90)
    await wait.start(one, log)
    await wait.cancel(one)

    for _ in range(2):
        await wait.observe(one, log)

    assert log.lines == ["waiting 90 s, until 2026-11-23T12:01:30Z", "cancelled while waiting"]
