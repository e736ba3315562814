"""Owns how a command ends: the exit codes, and failures as values. API.md section 10."""

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    FAILED = 3
    ENDED_OTHERWISE = 4
    REFUSED = 5
    TIMEOUT = 124


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something could not be done. ``said`` is for the user, as the API server or kubectl said it where they did.

    ``passing``: the API server could not be reached, or could not answer now; the same call may succeed later.
    ``missing``: what was asked for is not there. ``printed``: what kubectl had printed before; some of what was asked for may be done.
    """

    code: ExitCode
    said: str
    passing: bool = False
    missing: bool = False
    printed: bytes = b""
