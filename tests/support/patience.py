"""Owns waiting for an API server that does not know a new kind yet, and says so."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Some seconds after a kind was made, where a mutating policy is about it.
NOT_KNOWN_YET = "There can be a delay between"
PAUSE_SECONDS = 0.2


def once_known(ask: Callable[[], T], refused: type[Exception], seconds: float) -> T:
    """Return the answer to a request; for so long it is asked again while the API server does not know the kind."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except refused as refusal:
            if NOT_KNOWN_YET not in str(refusal) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
