"""Owns the columns of the list of tasks: which there are, which are shown unless others are chosen, and what a file has of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from obtask.web.formats import iso
from obtask.web.views.lines import Lines
from obtask.web.views.query import Order
from obtask.web.views.rows import Row
from obtask.web.words import N_


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table. ``order``: what its heading sorts by; ``shown``: whether it is there unless columns are chosen."""

    name: str
    title: str
    order: Order | None = None
    shown: bool = True
    number: bool = False


COLUMNS: Final = (
    Column("name", N_("Name"), Order.NAME),
    Column("namespace", N_("Namespace"), Order.NAMESPACE, shown=False),
    Column("type", N_("Type"), Order.TYPE),
    Column("maintenance", N_("Maintenance"), Order.MAINTENANCE),
    Column("target", N_("Target"), Order.TARGET),
    Column("status", N_("Status"), Order.STATUS),
    Column("progress", N_("Progress"), Order.PROGRESS),
    Column("step", N_("Current step"), Order.STEP),
    Column("blocked", N_("Blocked by")),
    Column("cost", N_("Waiting for it"), Order.COST),
    Column("started", N_("Started"), Order.STARTED),
    Column("finished", N_("Finished at"), Order.FINISHED, shown=False),
    Column("duration", N_("Duration"), Order.DURATION, number=True),
    Column("age", N_("Age"), Order.AGE, shown=False, number=True),
    Column("author", N_("Created by"), shown=False),
)
TIMELINE_COLUMNS: Final = (
    *(column for column in COLUMNS if column.name in {"name", "target", "status"}),
    Column("timeline", N_("Timeline")),
)
ALWAYS: Final = "name"


def columns_of(names: Sequence[str], *, several_namespaces: bool) -> tuple[Column, ...]:
    """Return the columns that are chosen, in their fixed order; without a choice, the usual ones."""
    wanted = set(names) & {column.name for column in COLUMNS}
    if wanted:
        return tuple(column for column in COLUMNS if column.name in wanted or column.name == ALWAYS)
    return tuple(column for column in COLUMNS if column.shown or (column.name == "namespace" and several_namespaces))


FILE_HEADINGS: Final = (
    "namespace", "name", "displayName", "type", "maintenance", "target", "tenant", "phase", "reason", "message", "progress", "step",
    "blockedBy", "waitingForIt", "createdAt", "startedAt", "finishedAt", "seconds", "createdBy",
)  # fmt: skip


def file_line(row: Row, lines: Lines, now: datetime) -> list[str]:
    """Return what a file says of a task, in the order of FILE_HEADINGS."""
    seconds = row.seconds(now)
    values = (
        row.namespace, row.name, row.display_name, row.type, row.maintenance, row.target, row.tenant, row.phase, row.reason, row.message,
        row.progress, row.step, " ".join(each.name for each in row.blockers), lines.cost(row.uid, now).tasks, iso(row.created),
        iso(row.started), iso(row.finished), "" if seconds is None else int(seconds), row.author,
    )  # fmt: skip
    return [_as_text(value) for value in values]


def _as_text(value: object) -> str:
    """Return a field that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
