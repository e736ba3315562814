"""Owns the terminal: what is printed where, in which colours, and what is asked. Without a terminal nothing is coloured or asked."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TextIO

PIPE_WIDTH: Final = 0
STYLES: Final[Mapping[str, str]] = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}
PLAIN: Final[Mapping[str, str]] = {
    "✓": "v",
    "✗": "x",
    "●": "*",
    "○": "o",
    "◷": "~",
    "↩": "<",
    "\N{EN DASH}": "-",
    "…": "...",
    "│": "|",
    "├": "+",
    "└": "`",
    "─": "-",
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command speaks. ``interactive``: somebody is there to be asked. ``width``: 0 where lines have no end."""

    out: TextIO
    err: TextIO
    source: TextIO
    interactive: bool
    colour: bool
    width: int

    def line(self, text: str = "") -> None:
        """Print one line of the answer."""
        self.out.write(f"{_fitting(text, self.out)}\n")

    def note(self, text: str) -> None:
        """Print one line that is no part of the answer: progress, a hint, a refusal."""
        self.out.flush()
        self.err.write(f"{_fitting(text, self.err)}\n")
        self.err.flush()

    def styled(self, text: str, *styles: str) -> str:
        """Return the text in colours, where the terminal shows any."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"

    def ask(self, question: str) -> bool | None:
        """Return whether the user agrees; None if there is nobody to ask."""
        if not self.interactive:
            return None
        return (self.answer(question) or "").lower() in {"y", "yes", "是", "好"}

    def answer(self, question: str) -> str | None:
        """Return what the user types; None at the end of the input."""
        self.out.flush()
        self.err.write(_fitting(question, self.err))
        self.err.flush()
        line = self.source.readline()
        return line.strip() if line else None


def terminal(colour: str, environment: Mapping[str, str]) -> Terminal:
    """Return the terminal of this process. ``colour``: auto, always or never; NO_COLOR counts where it is auto (no-color.org)."""
    shown = sys.stdout.isatty()
    wanted = shown and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb" and _understands_colours()
    return Terminal(
        out=sys.stdout,
        err=sys.stderr,
        source=sys.stdin,
        interactive=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
        colour=colour == "always" or (colour == "auto" and wanted),
        width=shutil.get_terminal_size((80, 24)).columns if shown else PIPE_WIDTH,
    )


def _understands_colours() -> bool:
    if os.name != "nt":
        return True
    # Switches the processing of escape sequences on in older consoles of Windows.
    return os.system("") == 0  # noqa: S605, S607 - an empty command


def _fitting(text: str, stream: TextIO) -> str:
    """Return the text in characters that the stream can take."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for symbol, plain in PLAIN.items():
            text = text.replace(symbol, plain)
        return text.encode(encoding, "replace").decode(encoding)
    return text
