"""Owns when the API server showed each task in each phase, seen by a watch with this machine's clock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.apiserver import OBTASKS, ApiServer, Body

WATCH_SECONDS = 5.0
LIMIT_SECONDS = 300.0
POLL_SECONDS = 0.02


def phase_of(body: Body) -> str:
    """Return the phase of an OBTask."""
    phase: str = body.get("status", {}).get("phase", "Pending")
    return phase


class Sightings:
    """The tasks of one namespace, by phase; those of another kind with its ``path`` and ``phase``. Times are seconds since the epoch."""

    def __init__(self, api: ApiServer, namespace: str, *, path: str = OBTASKS, phase: Callable[[Body], str] = phase_of) -> None:
        self._api = api
        self._path = path.format(namespace)
        self._phase = phase
        self._seen: dict[str, dict[str, float]] = {}

    @contextmanager
    def running(self) -> Iterator["Sightings"]:
        """Watch as long as the block lasts."""
        ending = threading.Event()
        version = self._api.get(f"{self._path}?limit=1")["metadata"]["resourceVersion"]
        thread = threading.Thread(target=self._watch, args=(version, ending), name="sightings", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ending.set()
            thread.join()

    def _watch(self, version: str, ending: threading.Event) -> None:
        # The API server ends a watch that is read too slowly, and any watch after some minutes.
        while not ending.is_set():
            for _, body in self._api.watch(self._path, version, WATCH_SECONDS):
                version = body["metadata"]["resourceVersion"]
                self._seen.setdefault(body["metadata"]["name"], {}).setdefault(self._phase(body), time.time())

    def at(self, name: str, phase: str) -> float | None:
        """Return when a task was first seen in a phase."""
        return self._seen.get(name, {}).get(phase)

    def count(self, prefix: str, phase: str) -> int:
        """Return how many tasks have been seen in a phase."""
        return sum(name.startswith(prefix) and phase in phases for name, phases in list(self._seen.items()))

    def wait(self, prefix: str, phase: str, count: int = 1) -> float:
        """Wait until that many tasks have been seen in a phase; return when."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.count(prefix, phase) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.count(prefix, phase)} of {count} tasks {prefix}* were seen {phase} in {LIMIT_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        return time.time()
