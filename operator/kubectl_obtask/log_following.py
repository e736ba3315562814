"""Owns following the logs of a task while it runs: from step to step, across streams that break, until the task rests. API.md section 6."""

from collections.abc import Sequence
from typing import Final

from kubectl_obtask.cluster import objects_in, parsed
from kubectl_obtask.following import Gone, Watch
from kubectl_obtask.kubectl import Call
from kubectl_obtask.logs import Attempt, attempt_of, every_attempt, in_status, is_owned, maps_path, news, read_log, unpacked, working
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.resting import awaits_approval, stands
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FAILED, IN_LINE, Fields, Task
from kubectl_obtask.waiting import Teller
from kubectl_obtask.wording import shared, trees, waiting
from kubectl_obtask.wording.phases import phase_word

LOOK_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0


def follow(session: Session, task: Task, first: Sequence[Attempt], only: tuple[str | None, str | None]) -> int:
    """Print the logs of some attempts and of all that begin later, until the task rests; return the exit code.

    ``only``: nothing but this step and this subtask, where they are named.
    """
    watch = Watch(session.kubectl, task.namespace, [task.name], session.seconds)
    following = _Following(session, task, first, only)
    try:
        return following.until_rest(watch)
    finally:
        watch.stop()
        following.stop()


class _Following:
    def __init__(self, session: Session, task: Task, first: Sequence[Attempt], only: tuple[str | None, str | None]) -> None:
        self._session = session
        self._task = task
        self._not_meant = frozenset(every_attempt(task)) - frozenset(first)
        self._only = only
        self._printed: dict[Attempt, list[str]] = {}
        self._last: Attempt | None = None
        self._maps: Call | None = None
        self._maps_at = session.seconds()
        self._away = False
        self._teller = Teller(session)

    def until_rest(self, watch: Watch) -> int:
        while True:
            for seen in watch.seen(LOOK_SECONDS):
                code = self._take(seen)
                if code is not None:
                    return code
            fault = self._read_maps()
            if fault is not None:
                return self._session.failed(fault)

    def stop(self) -> None:
        if self._maps is not None:
            self._maps.stop()
            self._maps = None

    def _take(self, seen: Task | Gone | Fault) -> int | None:
        session = self._session
        if isinstance(seen, Fault):
            return self._missed(seen)
        if self._away:
            self._away = False
            session.terminal.note(session.say(shared.BACK))
        if isinstance(seen, Gone) or seen.uid != self._task.uid:
            session.terminal.note(session.say(shared.DELETED, name=self._task.name))
            return ExitCode.ERROR
        self._task = seen
        for attempt in self._ended():
            self._print(attempt, in_status(seen, attempt)[1])
        if seen.finished or seen.phase == FAILED:
            return self._finish()
        if awaits_approval(seen):
            line = session.command_line("approve", seen.name)
            self._teller.tell(seen, session.say(waiting.AWAITS_APPROVAL, name=seen.name, line=line))
        elif seen.phase in IN_LINE:
            self._teller.tell(seen, stands(session, seen))
        return None

    def _missed(self, fault: Fault) -> int | None:
        """Return the exit code if there is nothing more to be seen; the API server may be back soon."""
        if not fault.passing:
            return self._session.failed(fault)
        if not self._away:
            self._away = True
            self._session.terminal.note(self._session.say(shared.AWAY, said=fault.said))
        return None

    def _meant(self, attempt: Attempt) -> bool:
        step, subtask = self._only
        return attempt not in self._not_meant and step in {None, attempt.step} and subtask in {None, attempt.subtask}

    def _ended(self) -> list[Attempt]:
        """Return the attempts that have ended, and whose log the status may have."""
        running = set(working(self._task))
        return [attempt for attempt in every_attempt(self._task) if attempt not in running and self._meant(attempt)]

    def _finish(self) -> int:
        """Print what is left of the logs when the task rests."""
        session = self._session
        for attempt in self._ended():
            if in_status(self._task, attempt)[0] or attempt not in self._printed:
                log = read_log(session.kubectl, self._task, attempt)
                if isinstance(log, Fault):
                    return session.failed(log)
                self._print(attempt, log.text if log is not None else "")
        phase = phase_word(self._task.phase, session.language)
        session.terminal.note(session.say(trees.RESTED, name=self._task.name, phase=phase))
        return ExitCode.DONE

    def _read_maps(self) -> Fault | None:
        """Print what is new in the ConfigMaps; return why that is not possible, unless it is worth another try."""
        if self._maps is None:
            return self._begin() if self._session.seconds() >= self._maps_at else None
        line = self._maps.line(0)
        while line is not None:
            if isinstance(line, Fault):
                return self._later(line)
            event = parsed(line)
            if not isinstance(event, Fault):
                kind = Fields(event).text("type")
                if kind == "ERROR":
                    return self._later(Fault(ExitCode.ERROR, kind, passing=True))
                self._map(Fields(event).at("object"))
            line = self._maps.line(0) if self._maps is not None else None
        return None

    def _begin(self) -> Fault | None:
        listed = objects_in(self._session.kubectl.get(maps_path(self._task, page=False)))
        if isinstance(listed, Fault):
            return self._later(listed)
        for each in Fields(listed).all("items"):
            self._map(each)
        version = Fields(listed).at("metadata").text("resourceVersion")
        self._maps = self._session.kubectl.get(maps_path(self._task, watch_from=version))
        return None

    def _later(self, fault: Fault) -> Fault | None:
        self.stop()
        self._maps_at = self._session.seconds() + RETRY_SECONDS
        return None if fault.passing else fault

    def _map(self, config_map: Fields) -> None:
        attempt = attempt_of(config_map)
        if is_owned(config_map, self._task) and self._meant(attempt):
            self._print(attempt, unpacked(config_map.raw))

    def _print(self, attempt: Attempt, text: str) -> None:
        now = text.split("\n") if text else []
        new = news(self._printed.get(attempt, []), now)
        if not new:
            return
        if attempt != self._last:
            self._last = attempt
            self._session.terminal.note(self._session.say(trees.LOG_OF, attempt=attempt.label))
        for line in new:
            self._session.terminal.line(line)
        self._session.terminal.out.flush()
        self._printed[attempt] = list(now)
