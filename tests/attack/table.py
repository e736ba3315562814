"""Owns how the result of the attacks is printed."""

from dataclasses import dataclass, field
from textwrap import wrap

NAME, BEFORE, NOW = 42, 40, 66


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one attack."""

    number: str
    name: str
    before: str
    now: str
    held: bool
    p99: float

    @property
    def told(self) -> str:
        """The result as one line."""
        return f"{self.number} {self.name}: {'held' if self.held else 'GOT THROUGH'}: {self.now} (neighbour {self.p99:.2f} s)"


@dataclass
class Results:
    """What the attacks of this run came to."""

    quiet: float = 0.0
    rows: list[Row] = field(default_factory=list)


def table(rows: list[Row], quiet: float) -> list[str]:
    """Return the lines of the table, and a summary."""
    lines = [f"{'':4} {'attack':{NAME}} {'before':{BEFORE}} {'now':{NOW}} neighbour's p99", ""]
    for row in rows:
        now = ("held: " if row.held else "GOT THROUGH: ") + row.now
        columns = [wrap(text, width) or [""] for text, width in ((row.name, NAME), (row.before, BEFORE), (now, NOW))]
        for index in range(max(map(len, columns))):
            name, before, after = (column[index] if index < len(column) else "" for column in columns)
            number, latency = (row.number, f"{row.p99:.2f} s") if index == 0 else ("", "")
            lines.append(f"{number:4} {name:{NAME}} {before:{BEFORE}} {after:{NOW}} {latency}".rstrip())
    through = [row.number for row in rows if not row.held]
    lines += ["", f"{len(rows)} attacks, {len(rows) - len(through)} held, {len(through)} got through: {', '.join(through) or 'none'}"]
    return [*lines, f"the neighbour's p99 while nobody attacks: {quiet:.2f} s"]
