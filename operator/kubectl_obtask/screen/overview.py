"""Owns what `watch` reads and does: all tasks of a namespace as they change, logs, commands. A test can stand in for it."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Final, Protocol

from kubectl_obtask.acting import give
from kubectl_obtask.bundle import collect, write
from kubectl_obtask.cluster import PAGE, UNFINISHED, Query, first_page, objects_in, pages, parsed, tasks_path
from kubectl_obtask.evidence import filename, packed
from kubectl_obtask.kubectl import ENDED, Call
from kubectl_obtask.logs import Attempt, Log, read_log
from kubectl_obtask.outcome import Fault
from kubectl_obtask.rows import in_order
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import RESOURCE, Fields, Task

MOST_UNFINISHED: Final = 2000
MOST_TASKS: Final = MOST_UNFINISHED + PAGE
STREAM_SECONDS: Final = 300
PAUSE: Final = 2.0


class Source(Protocol):
    """Where the screen gets what it shows, and what it gives commands to. Every call may take long: none is for the thread that draws."""

    def changes(self, timeout: float) -> Iterator["dict[str, Task] | Fault"]:
        """Yield all tasks by their uid, each time that some have changed; a Fault while they cannot be read."""

    def log(self, task: Task, attempt: Attempt) -> Log | Fault | None:
        """Return the log of an attempt; None if there is none."""

    def give(self, task: Task, verb: str, reason: str) -> int | Fault:
        """Give a command; return the version of the task that bears it."""

    def manifest(self, task: Task) -> str | Fault:
        """Return a task as YAML."""

    def download(self, task: Task) -> str | Fault:
        """Write the evidence bundle of a task; return the name of the file."""

    def stop(self) -> None:
        """Read no more."""


class Overview:
    """The tasks of a namespace, or of all namespaces, through kubectl. ``first``: a list that was begun before.

    Of very many tasks it has the unfinished ones up to a bound, the first page of all, and those named ``wanted``. ``pause``: seconds
    before a broken stream is begun again.
    """

    def __init__(self, session: Session, namespace: str | None, first: Call, wanted: str | None = None, pause: float = PAUSE) -> None:
        self._session = session
        self._namespace = namespace
        self._first: Call | None = first
        self._wanted = wanted
        self._pause = pause
        self._stream: Call | None = None
        self._tasks: dict[str, Task] = {}
        self._begun_at = session.seconds()
        self._stopped = False

    def changes(self, timeout: float) -> Iterator[dict[str, Task] | Fault]:
        """Yield all tasks each time that some have changed, waiting for at most so many seconds for the first change."""
        if self._stopped:
            return
        if self._stream is None:
            yield self._begun()
            return
        changed = False
        line = self._stream.line(timeout)
        while line is not None:
            if isinstance(line, Fault):
                yield from self._ended(line, changed=changed)
                return
            changed = self._taken(Fields(found)) or changed if not isinstance(found := parsed(line), Fault) else changed
            line = self._stream.line(0) if self._stream is not None else None
        if changed:
            yield dict(self._tasks)

    def _ended(self, fault: Fault, *, changed: bool) -> Iterator[dict[str, Task] | Fault]:
        """Take note of the end of a stream: the API server ends each after a while, and nothing need be said of that."""
        self._stream = None
        if changed:
            yield dict(self._tasks)
        if fault.said != ENDED:
            yield fault
        if fault.said != ENDED or self._session.seconds() - self._begun_at < self._pause:
            self._rest()

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        for call in (self._first, self._stream):
            if call is not None:
                call.stop()

    def log(self, task: Task, attempt: Attempt) -> Log | Fault | None:
        """Return the log of an attempt; None if there is none."""
        return read_log(self._within(task).kubectl, task, attempt)

    def give(self, task: Task, verb: str, reason: str) -> int | Fault:
        """Give a command; return the version of the task that bears it."""
        return give(self._within(task), task.name, verb, reason=reason or None)

    def manifest(self, task: Task) -> str | Fault:
        """Return a task as YAML."""
        said = self._within(task).kubectl.read(["get", RESOURCE, task.name, "--output=yaml"])
        return said if isinstance(said, Fault) else said.decode(errors="replace")

    def download(self, task: Task) -> str | Fault:
        """Write the evidence bundle of a task; return the name of the file."""
        found = collect(self._within(task).kubectl, task.namespace, task.name)
        if isinstance(found, Fault):
            return found
        moment = self._session.now()
        file = Path(filename(found, moment))
        return write(file, packed(found, moment)) or str(file)

    def _within(self, task: Task) -> Session:
        return self._session.within(task.namespace)

    def _begun(self) -> dict[str, Task] | Fault:
        """List the tasks, and begin to watch them."""
        listed = objects_in(self._first or self._session.kubectl.get(self._path({"limit": PAGE})))
        self._first = None
        if isinstance(listed, Fault):
            self._rest()
            return listed
        found = {task.uid: task for each in Fields(listed).all("items") if (task := Task(each.raw))}
        beyond = [UNFINISHED, *([f"metadata.name={self._wanted}"] if self._wanted else [])]
        for fields in beyond if Fields(listed).at("metadata").text("continue") else ():
            read = 0
            for page in pages(self._session.kubectl, self._namespace, first_page(self._session.kubectl, self._namespace, fields), fields):
                if isinstance(page, Fault):
                    self._rest()
                    return page
                found |= {task.uid: task for task in page.tasks}
                read += len(page.tasks)
                if read >= MOST_UNFINISHED:
                    break
        self._tasks, self._begun_at = found, self._session.seconds()
        # From the first list on: what has changed while the others were read is told again.
        version = Fields(listed).at("metadata").text("resourceVersion")
        self._stream = self._session.kubectl.get(
            self._path({"watch": "true", "resourceVersion": version, "timeoutSeconds": STREAM_SECONDS})
        )
        return dict(found)

    def _path(self, query: Query) -> str:
        return tasks_path(self._namespace, query=query)

    def _taken(self, event: Fields) -> bool:
        if event.text("type") == "ERROR":
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.stop()
            return False
        task = Task(event.at("object").raw)
        known = self._tasks.get(task.uid)
        if known is not None and known.version > task.version:
            return False
        if event.text("type") == "DELETED":
            self._tasks.pop(task.uid, None)
        elif task.uid:
            self._tasks[task.uid] = task
            if len(self._tasks) > MOST_TASKS + PAGE:
                ordered = enumerate(in_order([*self._tasks.values()]))
                # Without the one that was asked for, keys would act on another.
                self._tasks = {each.uid: each for index, each in ordered if index < MOST_TASKS or each.name == self._wanted}
        return bool(task.uid)

    def _rest(self) -> None:
        if not self._stopped:
            sleep(self._pause)
