"""Owns the fenced blocks of a Markdown document: what they hold, where they are, and what the comments above them say of their tests."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHELL = frozenset({"console", "sh", "bash"})
_OPEN = re.compile(r"^(`{3,})(\w*)\s*$")
_COMMENT = re.compile(r"<!-- (not run|first): (.+) -->")
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    language: str
    text: str
    not_run: str | None  # why its commands cannot be run by a test
    first: str  # commands that a test runs before it, for what a reader has already

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
            said = _comments(lines[:start])
            text = "\n".join(lines[start + 1 : number]) + "\n"
            first = "\n".join(what for kind, what in said if kind == "first")
            yield Block(document, start + 1, language, text, dict(said).get("not run"), first)
            fence = ""


def _comments(above: Sequence[str]) -> list[tuple[str, str]]:
    """Return what the comments right above a block say, in their order."""
    found: list[tuple[str, str]] = []
    for line in reversed(above):
        comment = _COMMENT.fullmatch(line)
        if not comment:
            break
        found.insert(0, (comment[1], comment[2]))
    return found
