"""Owns fencing tokens: what the next holder of a Lease gets, and when a Lease may go without its token coming back. API.md section 4."""

from datetime import datetime, timedelta

# How long a Lease has been free, at least, before it is deleted: far more than clocks disagree by.
FREE_FOR = timedelta(days=1)


def first_token(now: datetime, *, held: int = 0) -> int:
    """Return the token of a Lease that is made now: unix time in seconds, or more if its task has ``held`` a greater token.

    A deleted Lease leaves no trace of its tokens, but they were below the clock: they start there and grow by one for each holder.
    """
    return max(int(now.timestamp()), held + 1)


def next_token(now: datetime, *, before: int, made: datetime | None, held: int = 0) -> int:
    """Return the token of a new holder: one more than ``before``, that of the Lease, and more than its task has ``held``.

    A token below the time at which the Lease was ``made`` was put there by hand, or by an operator that began at one: then it starts anew.
    """
    follows = max(before, held) + 1
    return follows if made is None or follows > int(made.timestamp()) else first_token(now, held=held)


def may_go(now: datetime, *, token: int, renewed: datetime | None) -> bool:
    """Return whether a free Lease, written last at ``renewed``, can be deleted: whatever is made in its place starts above its token."""
    return renewed is not None and now - renewed >= FREE_FOR and token <= int(renewed.timestamp())
