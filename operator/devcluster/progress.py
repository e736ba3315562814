"""Tell a person what was done, one short line each, and what is being done, in one line that changes."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

# What was done, and how many seconds it took; None for a remark about something that took none.
Report = Callable[[str, float | None], None]

# Between two lines in a log file, where a line cannot change.
LOG_INTERVAL = 10.0


def silent(_what: str, _seconds: float | None) -> None:
    """Report nothing."""


@contextmanager
def reported(report: Report, what: str) -> Iterator[None]:
    """Report the block when it has succeeded, with the time it took."""
    began = time.monotonic()
    yield
    report(what, time.monotonic() - began)


@dataclass(slots=True)
class Meter:
    """Shows how far a long piece of work has come: one changing line on a terminal, a line now and then elsewhere."""

    what: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _shown: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._shown = self.clock()

    def show(self, state: str) -> None:
        """Show the state of the work and the time it has taken so far."""
        now = self.clock()
        text = f"… {self.what}: {state}, {now - self._began:.0f} s"
        if self.stream.isatty():
            self.stream.write(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}")
            self.stream.flush()
        elif now - self._shown >= LOG_INTERVAL:
            self._shown = now
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def clear(self) -> None:
        """Take the changing line away, so that the next output starts on an empty one."""
        if self.stream.isatty():
            self.stream.write("\r\033[K")
            self.stream.flush()
