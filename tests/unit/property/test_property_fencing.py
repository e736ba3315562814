"""Fencing tokens under everything that may become of a Lease between two holders: no token is ever given out twice, or goes back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from obtask.rules.fencing import first_token, may_go, next_token

START = datetime(2026, 11, 29, tzinfo=UTC)
# What happens between two holders, after so many seconds; a Lease can be lost only while its token is not ahead of the clock.
BETWEEN = st.lists(st.tuples(st.sampled_from(["kept", "deleted", "lowered", "collected"]), st.integers(1, 3 * 86_400)), max_size=40)


@given(events=BETWEEN, before=st.sampled_from([0, 7, 501]))
def test_a_token_never_comes_back(events: list[tuple[str, int]], before: int) -> None:
    """Delete a Lease, set it below the time at which it was made, collect it: the next token is greater than all before."""
    now, made = START, START
    given_out = [next_token(now, before=before, made=made)]
    for event, seconds in events:
        written, now = now, now + timedelta(seconds=seconds)
        match event:
            case "deleted":
                made, token = now, first_token(now)
            case "collected" if may_go(now, token=given_out[-1], renewed=written):
                made, token = now, first_token(now)
            case "lowered":
                token = next_token(now, before=before, made=made)
            case _:
                token = next_token(now, before=given_out[-1], made=made)
        given_out.append(token)

    assert given_out == sorted(set(given_out))


@given(holders=st.integers(1, 1000), seconds=st.integers(0, 4 * 86_400))
def test_a_lease_whose_token_is_ahead_of_the_clock_stays(holders: int, seconds: int) -> None:
    """More holders than seconds, as when many short tasks follow each other: made anew it would begin below tokens that were given out."""
    token = first_token(START)
    for _ in range(holders):
        token = next_token(START, before=token, made=START)
    later = START + timedelta(seconds=seconds)

    assert not may_go(later, token=token, renewed=START)
    assert may_go(later + timedelta(days=1), token=token, renewed=later) == (seconds >= holders)


@given(held=st.integers(0, 2**62), before=st.integers(0, 2**62))
def test_a_token_is_above_what_the_task_held(held: int, before: int) -> None:
    """A Lease that was deleted or emptied under its task comes back with a greater token."""
    assert first_token(START, held=held) > held
    assert next_token(START, before=before, made=START, held=held) > max(held, before)
