"""Owns the bundle of what most scenario tests work with."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support import patience
from tests.support.apiserver import Body
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.tasks import WAIT_SECONDS, TaskClient

from obtask.settings import Settings


@dataclass(frozen=True, slots=True)
class Scene:
    """Tasks, what the API server and the SQL server saw of them, and what an operator needs."""

    tasks: TaskClient
    history: History
    journal: Journal
    connection: str
    settings: Settings

    def create(self, name: str, *steps: Body, **spec: object) -> Body:
        """Create a task that may speak SQL; it locks the whole cluster unless told otherwise."""
        full = {"maintenance": "Global", "connection": {"secretName": self.connection}, **spec}
        return self.tasks.create(name, **full, steps=list(steps))

    def written(self, attempt: int = 1) -> None:
        """Wait until an attempt with this number has written into the journal."""
        happens(lambda: attempt in {entry.attempt for entry in self.journal.entries()}, f"attempt {attempt}")


def happens(condition: Callable[[], object], what: str) -> None:
    """Wait until something can be seen that the API server does not tell."""
    patience.happens(condition, what, WAIT_SECONDS, pause=0.02)
