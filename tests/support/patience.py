"""Owns waiting: for an API server that does not know a new kind yet, and for what becomes so by itself."""

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


def eventually(ask: Callable[[], T], fits: Callable[[T], object], seconds: float, pause: float = PAUSE_SECONDS) -> T:
    """Return the first answer that fits; raises TimeoutError, with the last one, when none has for so long."""
    deadline = time.monotonic() + seconds
    while not fits(answer := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s: {answer}")
        time.sleep(pause)
    return answer


def happens(condition: Callable[[], object], what: str, seconds: float, pause: float = PAUSE_SECONDS) -> None:
    """Wait until something holds; raises AssertionError, with ``what`` should have happened, when it has not for so long."""
    try:
        eventually(condition, bool, seconds, pause)
    except TimeoutError as error:
        raise AssertionError(f"{what} did not happen in {seconds} s") from error
