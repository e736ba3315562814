"""Owns how much of the logs of running containers is read: so much work of the loop in a second, and so much memory in all.

What is not read while a container runs is read when it ends.
"""

from typing import Final

from obtask.shares import Amount, Pace

# A container may write faster than the loop should read: the work of so many lines, or bytes, is one turn (2 to 3 ms).
LINES_OF_A_TURN: Final = 256
BYTES_OF_A_TURN: Final = 64 * 1024
TURNS_OF_A_NAMESPACE, TURNS_OF_ALL = 32, 100  # in a second
# What the logs of all running Jobs may take.
KEPT_BYTES: Final = 64 * 1024 * 1024
LINE_BYTES: Final = 200  # that a line takes in memory on top of its text
LOG_BYTES: Final = 1152 * 1024  # of a longer log the first and the newest lines are kept
FULL_PAUSE_SECONDS = 1.0


def weight(octets: int, lines: int) -> int:
    """Return how many bytes of memory a log takes of which so much was read."""
    whole = octets + LINE_BYTES * lines
    return whole if octets <= LOG_BYTES else whole * LOG_BYTES // octets


class Restraint:
    """What namespaces share."""

    def __init__(self, kept: int = KEPT_BYTES) -> None:
        self._kept = Amount(kept)
        self._of_each = Pace(TURNS_OF_A_NAMESPACE, burst=2 * TURNS_OF_A_NAMESPACE)
        self._of_all = Pace(TURNS_OF_ALL, burst=2 * TURNS_OF_ALL)

    def has_room(self, namespace: str) -> bool:
        """Return whether more of the namespace's logs may be kept in memory."""
        return self._kept.has_room(namespace)

    def keep(self, namespace: str, change: int) -> None:
        """Take note that the namespace's logs take so many bytes more, or less."""
        self._kept.keep(namespace, change)

    async def turn(self, namespace: str) -> None:
        """Wait until the namespace may read on."""
        await self._of_each.turn(namespace)
        await self._of_all.turn("")
