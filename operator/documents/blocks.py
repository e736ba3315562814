"""Owns the fenced blocks of a Markdown document: what they hold, where they are, and whether they may be run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHELL = frozenset({"console", "sh", "bash"})
_OPEN = re.compile(r"^(`{3,})(\w*)\s*$")
_REASON = re.compile(r"<!-- not run: (.+) -->")
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    language: str
    text: str
    not_run: str | None  # the reason that the comment above the block gives

    def __str__(self) -> str:
        """Return where the block is."""
        return f"{self.document}:{self.line}"

    @property
    def script(self) -> str:
        """The commands of the block, without prompts and without what they print."""
        if self.language != "console":
            return self.text
        commands, goes_on = [], False
        for line in self.text.splitlines():
            if goes_on or line.startswith(_PROMPT):
                commands.append(line.removeprefix(_PROMPT))
                goes_on = line.endswith("\\")
        return "\n".join(commands) + "\n"


def blocks(document: Path, root: Path) -> Iterator[Block]:
    """Return the fenced blocks of a document, named by its path below the root."""
    lines = (root / document).read_text().splitlines()
    fence, start, language = "", 0, ""
    for number, line in enumerate(lines):
        opened = _OPEN.match(line)
        if not fence and opened:
            fence, start, language = opened[1], number, opened[2]
        elif fence and line.rstrip() == fence:
            reason = _REASON.fullmatch(lines[start - 1]) if start else None
            text = "\n".join(lines[start + 1 : number]) + "\n"
            yield Block(document, start + 1, language, text, reason[1] if reason else None)
            fence = ""
