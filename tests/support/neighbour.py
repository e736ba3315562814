"""Owns the neighbour: somebody in another namespace who runs one small sql task after the other, and how long each took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.apiserver import ServerError
from tests.support.tasks import TaskClient, sql_step

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

PATIENCE = 60.0
PAUSE = 0.02


@dataclass
class Neighbour:
    """Creates a task, waits until it has succeeded, deletes it; again and again."""

    tasks: TaskClient
    took: list[tuple[float, float]] = field(default_factory=list)  # (when it began, seconds)
    current: float | None = None
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def latencies(self, since: float) -> list[float]:
        """Return the latencies of the tasks that were not yet finished at that time; one that still runs counts with its age."""
        now, current = time.monotonic(), self.current
        done = [seconds for began, seconds in self.took if began + seconds >= since]
        return [*done, now - current] if current is not None and now - current > 1 else done

    def run(self) -> None:
        """Go on until told to stop."""
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self._one(f"nightly-{number}")
            except (ServerError, AssertionError, OSError) as error:
                self.failures.append(str(error)[:200])
            self._stop.wait(PAUSE)

    def _one(self, name: str) -> None:
        began = self.current = time.monotonic()
        try:
            self.tasks.create(name, connection={"secretName": "seekdb"}, steps=[sql_step("a", "select 1")])
            status = self.tasks.wait_phase(name, "Succeeded", "Failed", "Rejected", seconds=PATIENCE)
            if status["phase"] != "Succeeded":
                self.failures.append(f"{name} {status['phase']}: {status.get('message')}")
        finally:
            self.took.append((began, time.monotonic() - began))
            self.current = None
        self.tasks.delete(name)

    @contextmanager
    def running(self) -> Iterator["Neighbour"]:
        """Run in a thread as long as the block lasts."""
        thread = threading.Thread(target=self.run, name="neighbour", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(PATIENCE)


def move_in(cluster: ControlPlane, namespace: str, seekdb: SqlServer) -> Neighbour:
    """Return a neighbour in a namespace that exists."""
    tasks = TaskClient(cluster, namespace)
    tasks.create_connection(seekdb)
    return Neighbour(tasks)
