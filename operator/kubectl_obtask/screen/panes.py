"""Owns the contents of the three panes: rows of tasks, steps with their subtasks, lines of a log. Knows no widget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from kubectl_obtask.logs import Attempt, Log, last_attempt, most_interesting
from kubectl_obtask.rows import STYLES, blocked_by
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FAILED, IN_LINE, WORKING, Step, Subtask, Task
from kubectl_obtask.text import width
from kubectl_obtask.times import span
from kubectl_obtask.wording import listing, watching
from kubectl_obtask.wording.language import Text as Words
from kubectl_obtask.wording.marks import MARKS
from kubectl_obtask.wording.phases import phase_word
from kubectl_obtask.wording.shared import NAME

MOST_LINES: Final = 5000
# Tones of OceanBase Design that can be read on a dark ground; a terminal's own blue often cannot.
TONES: Final = {"red": "#f5686f", "green": "#2fc98f", "yellow": "#f7b54a", "blue": "#5ba3ff"}
HEADINGS: Final[tuple[Words, ...]] = (NAME, listing.PHASE, listing.PROGRESS, listing.STEP, listing.BLOCKED_BY, listing.AGE)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks are shown."""

    failed: bool = False
    search: str = ""

    def fits(self, task: Task) -> bool:
        """Return whether a task is shown."""
        if self.failed and task.phase != FAILED:
            return False
        where = (task.name, task.namespace, task.target, task.spec.text("tenant"), task.spec.text("displayName"))
        return not self.search or any(self.search.lower() in text.lower() for text in where)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the pane of steps: what it shows, and which subtask it stands for."""

    key: str
    label: Text
    attempt: Attempt | None


def cells(session: Session, task: Task, *, namespaces: bool) -> list[Text]:
    """Return the cells of a task's row."""
    name = f"{task.namespace}/{task.name}" if namespaces else task.name
    step = task.status.text("currentStep") if not task.finished else ""
    return [
        Text(name, no_wrap=True),
        Text(f"{MARKS.get(task.phase, '?')} {phase_word(task.phase, session.language)}", style=style(task.phase)),
        Text(task.status.text("progress") or "-"),
        Text(step or "-"),
        Text(blocked_by(task, session.language)),
        Text(span(session.now() - task.created, session.language)),
    ]


def lines_of(session: Session, task: Task) -> Iterator[Line]:
    """Yield the steps of a task, each with its subtasks where it has several."""
    begun = {step.name: step for step in task.steps}
    for number, name in enumerate([step.name for step in task.planned] or [*begun], 1):
        step = begun.get(name, Step({"name": name}))
        alone = step.subtasks[0] if len(step.subtasks) == 1 and step.subtasks[0].name == name else None
        yield Line(name, _label(session, f"{number} {name}", step), last_attempt(step, alone) if alone is not None else None)
        for sub in () if alone is not None else step.subtasks:
            yield Line(f"{name}/{sub.name}", _label(session, f"  {sub.name}", sub), last_attempt(step, sub))


def key_of(attempt: Attempt) -> str:
    """Return the line that an attempt belongs to."""
    return attempt.step if attempt.subtask == attempt.step else f"{attempt.step}/{attempt.subtask}"


def located(task: Task) -> Attempt | None:
    """Return what runs, else what failed, else what ran last."""
    return next(iter(most_interesting(task)), None)


def shown_lines(session: Session, log: Log | None, columns: int) -> tuple[list[str], str]:
    """Return the last lines of a log, and what is to be said of it. ``columns``: to wrap at, 0 for not at all."""
    if log is None or not log.text:
        return [], session.say(watching.NO_LOG)
    whole = log.text.split("\n")
    said = session.say(watching.ONLY_LAST, shown=MOST_LINES, count=len(whole)) if len(whole) > MOST_LINES else ""
    raw = session.say(watching.RAW) if log.raw else ""
    shown = whole[-MOST_LINES:]
    return ([part for line in shown for part in _wrapped(line, columns)] if columns else shown), " · ".join(filter(None, (raw, said)))


def headline(session: Session, tasks: Sequence[Task]) -> str:
    """Return how many tasks run, failed and wait: empty for none of them."""
    counts = (
        (listing.RUNNING_COUNT, sum(1 for task in tasks if task.phase in WORKING)),
        (listing.FAILED_COUNT, sum(1 for task in tasks if task.phase == FAILED)),
        (listing.WAITING_COUNT, sum(1 for task in tasks if task.phase in IN_LINE)),
    )
    return session.say(listing.JOINED).join(session.say(text, count=count) for text, count in counts)


def style(phase: str) -> str:
    """Return the colour of a phase; its mark and its word say the same."""
    return next((TONES[name] for name in STYLES.get(phase, ())), "")


def _label(session: Session, label: str, shown: Step | Subtask) -> Text:
    started = shown.moment("startedAt")
    lasted = span((shown.moment("finishedAt") or session.now()) - started, session.language) if started is not None else ""
    times = f" x{shown.attempt}" if isinstance(shown, Subtask) and shown.attempt > 1 else ""
    return Text.assemble((MARKS.get(shown.phase, "?"), style(shown.phase)), f" {label}", (f"{times} {lasted}".rstrip(), "dim"))


def _wrapped(line: str, columns: int) -> Iterator[str]:
    if width(line) <= columns:
        yield line
        return
    used, begin = 0, 0
    for end, character in enumerate(line):
        wide = width(character)
        if used + wide > columns:
            yield line[begin:end]
            used, begin = 0, end
        used += wide
    yield line[begin:]
