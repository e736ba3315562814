"""Owns lists of tasks: their order, their columns, and the line that counts them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubectl_obtask.tasks import FAILED, FINISHED, IN_LINE, WORKING, Task
from kubectl_obtask.times import clock, since, span
from kubectl_obtask.wording import listing
from kubectl_obtask.wording.language import Language, Text
from kubectl_obtask.wording.phases import SCOPES, TYPES, phase_word, worded
from kubectl_obtask.wording.shared import NAME, NAMESPACE

Cell = str | tuple[str, ...]
FIRST: Final = ("Failed", "Running", "RollingBack", "Waiting", "Pending")
STYLES: Final = {
    "Failed": ("red",),
    "Running": ("blue",),
    "RollingBack": ("yellow",),
    "Waiting": ("yellow",),
    "Succeeded": ("green",),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list."""

    heading: Text
    cell: Callable[[Task], Cell]


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks as people look for them: failed, running, waiting in their order; then finished ones, the newest first."""
    return sorted(tasks, key=_place)


def _place(task: Task) -> tuple[int, float, str, str]:
    if task.phase in FIRST:
        return (FIRST.index(task.phase), task.created.timestamp(), task.namespace, task.name)
    ended = task.status.moment("finishedAt")
    return (len(FIRST), -(ended.timestamp() if ended is not None else 0.0), task.namespace, task.name)


def columns(language: Language, now: datetime, *, wide: bool, namespaces: bool) -> list[Column]:
    """Return the columns: those that `kubectl get obtasks` has."""

    def word(words: dict[str, Text], field: str) -> Callable[[Task], Cell]:
        return lambda task: worded(words, task.spec.text(field), language)

    def said(field: str) -> Callable[[Task], Cell]:
        return lambda task: task.status.text(field) or "-"

    shown = [
        Column(NAME, lambda task: task.name),
        Column(listing.TYPE, word(TYPES, "type")),
        Column(listing.MAINTENANCE, word(SCOPES, "maintenance")),
        Column(listing.PHASE, lambda task: (phase_word(task.phase, language), *STYLES.get(task.phase, ()))),
        Column(listing.PROGRESS, said("progress")),
        Column(listing.STEP, lambda task: task.status.text("stepSummary") or task.status.text("currentStep") or "-"),
        Column(listing.BLOCKED_BY, lambda task: blocked_by(task, language)),
        Column(listing.AGE, lambda task: span(now - task.created, language)),
    ]
    if wide:
        shown += [
            Column(listing.TARGET, lambda task: task.target or "-"),
            Column(listing.TENANT, lambda task: task.spec.text("tenant") or "-"),
            Column(listing.REASON, said("reason")),
            Column(listing.MESSAGE, said("message")),
            Column(listing.STARTED, lambda task: clock(task.status.moment("startedAt"), now)),
            Column(listing.FINISHED, lambda task: since(task.status.moment("finishedAt"), now, language)),
        ]
    return [Column(NAMESPACE, lambda task: task.namespace), *shown] if namespaces else shown


def blocked_by(task: Task, language: Language) -> str:
    """Return the first task in the way with its phase, and how many more there are; a dash if there is none."""
    first = next(task.status.all("blockedBy"), None)
    if first is None or task.phase not in IN_LINE:
        return "-"
    more = task.status.number("blockedByCount") - 1
    return f"{first.text('name')} ({phase_word(first.text('phase'), language)})" + (f" +{more}" if more > 0 else "")


def counted(tasks: Sequence[Task], language: Language) -> str:
    """Return how many tasks run, failed and wait; of the latter, how many wait for a person."""
    waiting = [task for task in tasks if task.phase in IN_LINE]
    behind = sum(1 for task in waiting if any(each.text("phase") == FAILED for each in task.status.all("blockedBy")))
    counts = (
        (listing.RUNNING_COUNT, sum(1 for task in tasks if task.phase in WORKING)),
        (listing.FAILED_COUNT, sum(1 for task in tasks if task.phase == FAILED)),
        (listing.BEHIND_FAILED if behind else listing.WAITING_COUNT, len(waiting)),
    )
    if all(task.phase in FINISHED for task in tasks):
        return listing.ALL_FINISHED.in_(language)
    said = (text.in_(language).format(count=count, behind=behind) for text, count in counts)
    return listing.JOINED.in_(language).join(said)
