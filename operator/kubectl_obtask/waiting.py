"""Owns waiting for tasks: telling what they do meanwhile, until each has come to rest, or time is up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kubectl_obtask.following import Gone, Watch, deadline
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.resting import still
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import Task
from kubectl_obtask.times import span
from kubectl_obtask.wording import shared, waiting

LOOK_SECONDS: Final = 1.0

Judge = Callable[[Task], int | None]
"""Gives the exit code of a task that has come to rest; None: go on waiting."""


@dataclass(frozen=True, slots=True)
class Waited:
    """What became of a wait: an exit code for each task, and the tasks as they were seen last."""

    codes: Mapping[str, int]
    latest: Mapping[str, Task]

    @property
    def late(self) -> tuple[str, ...]:
        """The names of those that did not come to rest in time."""
        return tuple(name for name, code in self.codes.items() if code == ExitCode.TIMEOUT)


def wait_for(session: Session, namespace: str, names: Sequence[str], judge: Judge, timeout: float | None) -> Waited:
    """Wait until all tasks have come to rest, or time is up, or nothing can be seen any more."""
    watch = Watch(session.kubectl, namespace, names, session.seconds)
    try:
        return _Waiting(session, namespace, judge, timeout).over(watch, names)
    finally:
        watch.stop()


class _Waiting:
    def __init__(self, session: Session, namespace: str, judge: Judge, timeout: float | None) -> None:
        self._session = session
        self._namespace = namespace
        self._judge = judge
        self._timeout = timeout
        self._latest: dict[str, Task] = {}
        self._codes: dict[str, int] = {}
        self._away = False

    def over(self, watch: Watch, names: Sequence[str]) -> Waited:
        left = deadline(self._session.seconds, self._timeout)
        while any(name not in self._codes for name in names) and left() > 0:
            for seen in watch.seen(min(LOOK_SECONDS, left())):
                if isinstance(seen, Fault) and not seen.passing:
                    return self._result(names, self._session.failed(seen))
                self._take(seen)
        return self._result(names, ExitCode.TIMEOUT)

    def _result(self, names: Sequence[str], other: int) -> Waited:
        return Waited({name: self._codes.get(name, other) for name in names}, self._latest)

    def _take(self, seen: Task | Gone | Fault) -> None:
        session = self._session
        if isinstance(seen, Fault):
            if not self._away:
                session.terminal.note(session.say(shared.AWAY, said=seen.said))
            self._away = True
            return
        if self._away:
            self._away = False
            session.terminal.note(session.say(shared.BACK))
        if seen.name in self._codes:
            return
        if isinstance(seen, Gone):
            text = shared.DELETED if seen.name in self._latest else shared.NOT_THERE
            session.terminal.note(session.say(text, name=seen.name, namespace=self._namespace))
            self._codes[seen.name] = ExitCode.ERROR
            return
        self._latest[seen.name] = seen
        code = self._judge(seen)
        if code is not None:
            self._codes[seen.name] = code


def tell_late(session: Session, waited: Waited, timeout: float) -> None:
    """Say of each task that did not come to rest in time what it was still waited for."""
    length = span(timedelta(seconds=timeout), session.language)
    for name in waited.late:
        what = still(session, waited.latest[name]) if name in waited.latest else ""
        session.terminal.note(session.say(waiting.TIMED_OUT, name=name, span=length, what=what))


class Teller:
    """Tells where tasks stand, each time that changes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[str, str] = {}

    def tell(self, task: Task, line: str) -> None:
        """Print a line about a task unless it is the one that was printed last."""
        if self._told.get(task.name) != line:
            self._told[task.name] = line
            self._session.terminal.note(line)
