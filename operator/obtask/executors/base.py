"""Owns the protocols between the engine and the executors."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from obtask.model.attempt import Attempt, AttemptId, AttemptState


class Log(Protocol):
    """Where an attempt writes what happens, line by line."""

    def write(self, text: str, at: str | None = None) -> None:
        """Add text; each line gets the time it was written at, or ``at`` (RFC 3339, UTC) if it was written elsewhere before."""

    def hide(self, secret: str) -> None:
        """Mask this value wherever it appears, in what was and what will be written."""

    def seam(self, prefix: str) -> tuple[str, int] | None:
        """Return the latest time to the nanosecond of lines that begin so, and how many have it; None if none has such a time.

        Only lines that were written elsewhere before have one: a log that another operator has begun tells how far it was copied.
        """


class Executor(Protocol):
    """Carries out attempts of one kind of action. No method lets an exception of the target escape."""

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt; starting the same attempt twice is harmless."""

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return the state of the attempt as it can be seen now."""

    async def cancel(self, attempt: Attempt) -> None:
        """Ask the attempt to stop; a later ``observe`` tells when it has."""

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of an attempt; its end is recorded."""

    async def stop(self, grace_seconds: float) -> None:
        """Stop working in this process. Attempts that only this process can finish may end within the grace period."""

    async def close(self) -> None:
        """Release what is still open: connections, tasks that only read."""


@runtime_checkable
class LooksAfter(Protocol):
    """An executor that watches what failed attempts have left outside of the operator."""

    def remark(self, attempt: Attempt) -> str | None:
        """Return at once what has become of it, in one line; an empty text if nothing has changed, None if that is not known yet."""


Handler = Callable[[str, dict[str, Any]], AttemptId | None]
"""Takes a change (ADDED, MODIFIED, DELETED) and the object; returns the attempt that it is news about, if there is one."""


@runtime_checkable
class Watching(Protocol):
    """An executor that learns of changes from the operator's watches."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers of changes, by the plural of the kind."""

    def mark_stale(self) -> None:
        """Read everything anew: changes may have been missed."""
