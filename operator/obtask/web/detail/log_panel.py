"""Owns what the page shows of an attempt's log: its lines, the attempts there are to choose from, and the file to save."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus

from markupsafe import Markup
from starlette.responses import PlainTextResponse, Response

from obtask.kube.api import ApiError
from obtask.kube.client import Api
from obtask.model.contract import SubtaskPhase
from obtask.model.printable import printable_lines
from obtask.model.task import Task
from obtask.web.detail.flow import AttemptRow, attempts, steps_of
from obtask.web.detail.log_reading import KeptLog, Log, LogReader, Nothing, Source, download_name
from obtask.web.detail.log_text import HEAD_LINES, MOST_LINES, Failure, Row, Shown, blocks, last_lines, shown
from obtask.web.detail.place import Place, found
from obtask.web.formats import Gettext
from obtask.web.visitor import Visitor
from obtask.web.words import N_

TOO_LONG = N_("… %(number)d more characters: download the log")
NOT_SHOWN = N_("… %(number)d lines are not shown here: download the log")
NOTHING = {
    Nothing.NOT_BEGUN: N_("Nothing has been run here yet."),
    Nothing.NOT_YET: N_("The attempt runs. Its log can be read some seconds after it began."),
    Nothing.NOT_KEPT: N_("There is no log of this attempt: it wrote nothing, or the log is not kept any more."),
    Nothing.REFUSED: N_("You may not read this log."),
}


@dataclass(frozen=True, slots=True)
class LogPanel:
    """What is shown of a log. ``next_line``: the number of the line that comes next while it grows."""

    place: Place | None
    log: Log
    lines: Shown
    blocks: tuple[Markup, ...]
    chosen: int
    attempts: tuple[AttemptRow, ...]
    nothing: str
    not_shown: str  # with a place for the number of lines
    most: int = MOST_LINES
    head: int = HEAD_LINES

    @property
    def is_raw(self) -> bool:
        """Whether nothing in it is masked."""
        return self.log.source is Source.RAW

    @property
    def is_tail(self) -> bool:
        """Whether it may be the end of a longer one."""
        return self.log.source is Source.TAIL and bool(self.log.refusal)

    @property
    def end(self) -> tuple[Row, ...]:
        """Its last lines."""
        return last_lines(self.lines)

    @property
    def can_be_saved(self) -> bool:
        """Whether there is anything to save."""
        return self.log.source is not Source.NONE


async def log_panel(api: Api, task: Task, place: Place | None, line: int, gettext: Gettext) -> LogPanel:
    """Return what is shown of an attempt's log; raises kube.api.ApiUnavailable."""
    reader = LogReader(api, task)
    log, index = await asyncio.gather(reader.read(place), reader.index())
    rows = _attempts(task, place, index)
    failure = _failure(task, place, index)
    sentences = (gettext(TOO_LONG), gettext(NOT_SHOWN))

    def rendered() -> tuple[Shown, tuple[Markup, ...]]:
        lines = shown(log.text, failure, line)
        return lines, tuple(blocks(lines, line, *sentences))

    lines, made = await asyncio.to_thread(rendered) if log.text else (Shown((), 0), ())
    nothing = gettext(NOTHING[log.nothing]) if log.nothing is not None else ""
    return LogPanel(place, log, lines, made, line, rows, nothing, gettext(NOT_SHOWN))


def appended(lines: Sequence[str], first: int, gettext: Gettext) -> str:
    """Return lines that a log has gained as HTML. ``first``: the number of the first of them."""
    gained = shown("".join(f"{line}\n" for line in lines), first=first)
    return "".join(blocks(gained, 0, gettext(TOO_LONG), gettext(NOT_SHOWN)))


async def download(visitor: Visitor, task: Task, place: Place | None) -> Response:
    """Return a log as a file; raises kube.api.ApiUnavailable."""
    log = await LogReader(visitor.api, task).read(place)
    if log.nothing is not None or place is None:
        status = HTTPStatus.FORBIDDEN if log.nothing is Nothing.REFUSED else HTTPStatus.NOT_FOUND
        return PlainTextResponse(f"{log.refusal or 'there is no log of this attempt'}\n", status)
    text = await asyncio.to_thread(printable_lines, log.text)
    return PlainTextResponse(text if text.endswith("\n") else text + "\n", headers=attachment(download_name(task, place)))


def attachment(name: str) -> dict[str, str]:
    """Return the headers that have a browser save an answer under this name (RFC 6266)."""
    header = Message()
    header.add_header("Content-Disposition", "attachment", filename=name)
    return {"Content-Disposition": header["Content-Disposition"]}


def _attempts(task: Task, place: Place | None, index: Sequence[KeptLog] | ApiError) -> tuple[AttemptRow, ...]:
    kept = None if isinstance(index, ApiError) else {log.attempt: log for log in index}
    here = next((sub for step in steps_of(task, place) for sub in step.subtasks if sub.here), None)
    return attempts(here, here.place.step, place, kept, task.metadata.uid) if here is not None else ()


def _failure(task: Task, place: Place | None, index: Sequence[KeptLog] | ApiError) -> Failure | None:
    """Return why the attempt failed, None if it did not, or nobody knows."""
    sub = found(place, task.status) if place is not None else None
    if place is None or sub is None:
        return None
    first = task.status.failed_subtask
    if first is not None and place == Place(first.step, first.subtask, first.direction, first.attempt):
        return Failure(first.code or "", first.message)
    if sub.phase is SubtaskPhase.FAILED and sub.failure is not None and place.attempt == max(sub.attempts, sub.rollback_attempts):
        return Failure(sub.failure.code or "", sub.message or "")
    uid = task.metadata.uid
    outcome = next((log.outcome for log in index if log.attempt == place.of(uid)), "") if not isinstance(index, ApiError) else ""
    return Failure(outcome.partition(" ")[2], "") if outcome and outcome != "Succeeded" else None
