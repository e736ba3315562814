"""Owns how much memory the logs of all attempts may take together. It is shared by namespaces, and nobody ever waits for it."""

from dataclasses import replace

from obtask.logs.bounded import Limits
from obtask.shares import Amount

MEBIBYTE = 1024 * 1024
MEMORY_BYTES = 128 * MEBIBYTE
LINE_BYTES = 250  # that a line takes in memory on top of its text

# What a log may keep whose namespace has had its share, and what that takes with its lines, and with those at the cut: every log may have
# that much, so that it is not counted.
LEAST_HEAD, LEAST_NEWEST = 4 * 1024, 8 * 1024
LEAST_BYTES = 96 * 1024


class LogMemory:
    """The memory of all logs."""

    def __init__(self, octets: int = MEMORY_BYTES) -> None:
        self._amount = Amount(octets)

    @property
    def held(self) -> int:
        """How many bytes the logs take, beyond what each of them may have in any case."""
        return self._amount.held

    def of(self, namespace: str) -> "LogRoom":
        """Return the part of one log."""
        return LogRoom(self._amount, namespace)


class LogRoom:
    """What one log takes of it. A log that is written gives up its older lines when its namespace has had its share."""

    def __init__(self, amount: Amount, namespace: str) -> None:
        self._amount = amount
        self._namespace = namespace
        self._held = 0
        self._closed = False

    def within(self, limits: Limits) -> Limits:
        """Return how much of a log may be kept just now."""
        if not self._closed and self._amount.has_room(self._namespace):
            return limits
        return replace(limits, head_bytes=min(limits.head_bytes, LEAST_HEAD), newest_bytes=min(limits.newest_bytes, LEAST_NEWEST))

    def hold(self, octets: int) -> None:
        """Take note of what the log takes now."""
        if self._closed:  # its attempt is being stopped, and has something to say
            return
        counted = max(0, octets - LEAST_BYTES)
        self._amount.keep(self._namespace, counted - self._held)
        self._held = counted

    def close(self) -> None:
        """Give all of it back, for good."""
        self.hold(0)
        self._closed = True
