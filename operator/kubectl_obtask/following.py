"""Owns watching tasks: what they become, across streams that end, break, or come to an API server that is away for a while."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Final

from kubectl_obtask.cluster import Query, equal, objects_in, parsed, tasks_path
from kubectl_obtask.kubectl import ENDED, Call, Kubectl
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.tasks import Fields, Task

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
# The API server ends the stream then; a stream that hangs unnoticed does not hang for longer.
STREAM_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Gone:
    """A task that is not there, or not any more."""

    name: str


Seen = Task | Gone | Fault
"""What a watch brings. A Fault that is passing: the API server is away, and the watch goes on trying; any other one is the end."""


class Watch:
    """Watches some tasks of a namespace by their names; each is told at first as it is, and then whenever it changes."""

    def __init__(self, kubectl: Kubectl, namespace: str, names: Sequence[str], seconds: Callable[[], float]) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._names = tuple(dict.fromkeys(names))
        self._seconds = seconds
        self._stream: Call | None = None
        self._pause = 0.0
        self._again_at = seconds()
        self._told: dict[str, tuple[str, int]] = {}
        self._begun_at = seconds()

    def seen(self, timeout: float) -> Iterator[Seen]:
        """Yield what has come, waiting for at most so many seconds for the first of it."""
        if self._stream is None:
            wait = self._again_at - self._seconds()
            if wait > 0:
                sleep(max(min(wait, timeout), 0.0))
                return
            yield from self._begin()
            return
        line = self._stream.line(timeout)
        while line is not None:
            if isinstance(line, Fault):
                yield from self._broken(line)
                return
            yield from self._event(line)
            line = self._stream.line(0) if self._stream is not None else None

    def stop(self) -> None:
        """End the watch."""
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _selector(self) -> str:
        return equal("metadata.name", self._names[0]) if len(self._names) == 1 else ""

    def _begin(self) -> Iterator[Seen]:
        """Read how the tasks are, and watch from there on."""
        versions = []
        for name in self._names:
            listed = objects_in(self._kubectl.get(tasks_path(self._namespace, query={"fieldSelector": equal("metadata.name", name)})))
            if isinstance(listed, Fault):
                yield from self._broken(listed)
                return
            versions.append(Fields(listed).at("metadata").text("resourceVersion"))
            found = [Task(each.raw) for each in Fields(listed).all("items")]
            yield from self._fresh(found[0] if found else Gone(name))
        self._pause, self._begun_at = 0.0, self._seconds()
        query: Query = {
            "fieldSelector": self._selector(),
            "watch": "true",
            "resourceVersion": versions[0],
            "timeoutSeconds": STREAM_SECONDS,
        }
        self._stream = self._kubectl.get(tasks_path(self._namespace, query=query))

    def _event(self, line: bytes) -> Iterator[Seen]:
        event = parsed(line)
        if isinstance(event, Fault):
            return
        task = Task(Fields(event).at("object").raw)
        kind = Fields(event).text("type")
        if kind == "ERROR":
            yield from self._broken(Fault(ExitCode.ERROR, task.text("message"), passing=True), said=False)
        elif task.name in self._names:
            yield from self._fresh(Gone(task.name) if kind == "DELETED" else task)

    def _fresh(self, seen: Task | Gone) -> Iterator[Seen]:
        """Yield what was not told before: several lists and a stream may bring the same version, or an older one."""
        uid, version = ("", 0) if isinstance(seen, Gone) else (seen.uid, seen.version)
        before, newest = self._told.get(seen.name, (None, 0))
        if uid != before or version > newest:
            self._told[seen.name] = (uid, version)
            yield seen

    def _broken(self, fault: Fault, *, said: bool = True) -> Iterator[Seen]:
        """Begin again after a pause, or give up for good."""
        self.stop()
        ended = fault.said == ENDED
        orderly = ended and self._seconds() - self._begun_at > LONGEST_PAUSE
        self._pause = 0.0 if orderly else min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
        self._again_at = self._seconds() + self._pause
        if said and not ended:
            yield fault


def deadline(seconds: Callable[[], float], timeout: float | None) -> Callable[[], float]:
    """Return a function that tells how many seconds are left; without a timeout, always some."""
    end = None if timeout is None else seconds() + timeout

    def left() -> float:
        return LONGEST_PAUSE if end is None else end - seconds()

    return left
