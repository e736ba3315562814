"""Owns `why`: what keeps a task from going on, since when, whose turn it is, and the exact lines to type."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import click

from kubectl_obtask.acting import offers
from kubectl_obtask.blocking import Line, holds, line_of
from kubectl_obtask.cluster import read_task, unfinished
from kubectl_obtask.lock_words import lock_word, names_word, starting_word
from kubectl_obtask.machine import FORMATS, written
from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.shapes import why_shape
from kubectl_obtask.situation import in_phase_since, situation, waiting_since
from kubectl_obtask.tasks import IN_LINE, Task
from kubectl_obtask.times import clock, span
from kubectl_obtask.wording import locking
from kubectl_obtask.wording.phases import phase_word
from kubectl_obtask.wording.situation_wording import happened, is_safe

MOST_SHOWN: Final = 10


@verb("why")
@click.argument("name", type=TASK)
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Output format.")
def command(session: Session, *, name: str, output: str | None) -> int | None:
    """Say what a task waits for, since when, and what to type."""
    namespace = session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    task = read_task(session.kubectl, namespace, name)
    others = unfinished(session.kubectl, namespace) if isinstance(task, Task) else []
    for found in (task, others):
        if isinstance(found, Fault):
            return session.failed(found)
    if isinstance(task, Task) and not isinstance(others, Fault):
        line = line_of(task, others)
        for text in told_why(session, task, line) if output is None else (written(why_shape(session, task, line), output),):
            session.terminal.line(text)
    return None


def told_why(session: Session, task: Task, line: Line) -> Iterator[str]:
    """Yield what there is to say of a task in its line."""
    yield from _Why(session, task, line).lines()


class _Why:
    """What there is to say of a task in its line."""

    def __init__(self, session: Session, task: Task, line: Line) -> None:
        self._session = session
        self._task = task
        self._line = line
        self._behind = () if task.phase in IN_LINE else line.behind(task)

    def lines(self) -> Iterator[str]:
        if self._task.phase in IN_LINE:
            yield from self._in_line()
        else:
            yield from self._stands()
            yield from self._failure(self._task)
            yield from self._retry_at()
            yield from self._held_up()
        if to_type := [*self._lines_to_type(self._task)]:
            yield self._session.say(locking.CAN_DO)
            yield from to_type

    def _in_line(self) -> Iterator[str]:
        session, task = self._session, self._task
        holders, earlier = self._line.holders_against(task), self._line.ahead_of(task)
        safe = is_safe(situation(task), session.language)
        if not task.is_seen or not self._line.in_the_way_of(task):
            yield session.say(locking.NOT_SEEN if not task.is_seen else locking.NOTHING_IN_WAY, **self._since(task, task.created))
            yield safe
            return
        number = len(earlier) + 1
        place = {"number": number, "place": locking.ordinal(number), "lock": lock_word(task, session.language)}
        yield session.say(locking.IN_LINE, **place, **self._since(task, waiting_since(task)))
        yield safe
        listed = (*holders, *earlier)
        for position, other in enumerate(listed[:MOST_SHOWN], 1):
            yield self._one_before(position, other)
            yield from self._lines_to_type(other)
        if len(listed) > MOST_SHOWN:
            yield session.say(locking.ONLY_SHOWN, count=len(listed) - MOST_SHOWN)
        for holder in holders[:1]:
            yield self._after(holder)

    def _one_before(self, number: int, other: Task) -> str:
        session = self._session
        values = {"number": number, "lock": lock_word(other, session.language)}
        if holds(other):
            failed = other.at("status", "failedSubtask")
            why = " ".join(filter(None, (failed.text("reason"), failed.text("code"), failed.text("message"))))
            what = f"   {self._position(other)}{': ' if why else ''}{why}".rstrip()
            phase = phase_word(other.phase, session.language)
            return session.say(locking.HOLDER, what=what, phase=phase, **values, **self._since(other, in_phase_since(other)))
        return session.say(locking.PASSED if self._line.is_stuck(other) else locking.EARLIER, name=other.name, **values)

    def _stands(self) -> Iterator[str]:
        """Yield since when it is as it is, then what the page says of it, too."""
        session, task = self._session, self._task
        yield session.say(locking.STANDS, phase=phase_word(task.phase, session.language), **self._since(task, in_phase_since(task)))
        told = situation(task, len(self._behind))
        yield from filter(None, (happened(told, session.language), is_safe(told, session.language)))

    def _position(self, task: Task) -> str:
        names = [step.name for step in task.planned]
        current = task.status.text("currentStep")
        if current not in names or task.finished:
            return ""
        return self._session.say(locking.AT_STEP, number=names.index(current) + 1, count=len(names), step=current)

    def _failure(self, task: Task) -> Iterator[str]:
        failed = task.at("status", "failedSubtask")
        if failed.raw:
            for line in failed.lines("logTail").splitlines()[-3:]:
                yield f"   | {line}"

    def _retry_at(self) -> Iterator[str]:
        step = self._task.current
        for sub in step.subtasks if step is not None else ():
            at = sub.moment("nextAttemptAt")
            if at is not None:
                yield self._session.say(locking.RETRY_AT, clock=clock(at, self._session.now()))

    def _held_up(self) -> Iterator[str]:
        session, task, behind = self._session, self._task, self._behind
        if not behind:
            return
        now = session.now()
        together = sum(((now - (waiting_since(other) or now)) for other in behind), timedelta())
        names = names_word([other.name for other in behind], session.language)
        text = locking.ONE_BEHIND if len(behind) == 1 else locking.WAITING_BEHIND
        yield session.say(text, span=span(together, session.language), names=names)
        yield self._after(task)

    def _after(self, holder: Task) -> str:
        starting = [other.name for other in self._line.starting_after(holder)]
        return self._session.say(locking.WHEN_ENDED, name=holder.name, next=starting_word(starting, self._session.language))

    def _lines_to_type(self, task: Task) -> Iterator[str]:
        for offer in offers(self._session, task):
            yield self._session.say(locking.TYPE_THIS, line=offer.line, what=offer.does)

    def _since(self, task: Task, moment: datetime | None) -> dict[str, str]:
        session = self._session
        length = "-" if moment is None else span(session.now() - moment, session.language)
        return {"name": task.name, "namespace": task.namespace, "clock": clock(moment, session.now()), "span": length}
