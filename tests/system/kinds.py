"""Owns what the conformance suite asks of every kind of action, and the kinds whose attempts live in the operator."""

# ruff: noqa: D102 - what a method is for is said once, by the kind in general

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from tests.support.apiserver import Body
from tests.support.journal import Journal
from tests.support.tasks import TaskClient
from tests.support.website import Website
from tests.system.scene import happens

from devcluster.sqlserver import SqlServer


class Kind(ABC):
    """One kind of action with a real target. A test tells the target what to do, and looks at what it did."""

    outlives: frozenset[str] = frozenset()  # after "recorded" or "started" an attempt goes on without its operator
    seconds = 2  # a timeout in which the lasting action has begun
    spec: Body
    trace: str  # what the log of a lasting action has

    @abstractmethod
    def lasting(self) -> Body:
        """Return an action that ends well once ``finish`` was called, and otherwise never."""

    @abstractmethod
    def finish(self) -> None:
        """Let lasting actions end."""

    @abstractmethod
    def brief(self) -> Body:
        """Return an action that changes something and ends well at once."""

    def begun(self) -> int:
        """Return how often the target began the lasting action."""
        return 1

    def works(self) -> bool:
        """Return whether the target is busy with a lasting action, or the operator with its target."""
        return False

    def under_way(self, tasks: TaskClient, name: str) -> None:
        """Wait until the task is busy with its lasting action."""
        tasks.wait_phase(name, "Running")


class TargetKind(Kind):
    """A kind that changes something, which can fail, be undone and have secrets."""

    failure: tuple[str, str | None]  # reason and code of the broken action
    secret: str

    @abstractmethod
    def broken(self) -> Body:
        """Return an action that fails until ``mend`` was called."""

    @abstractmethod
    def mend(self) -> None:
        """Remove what makes the broken action fail."""

    @abstractmethod
    def refused(self) -> Body:
        """Return an action that fails before anything of it reaches the target."""

    @abstractmethod
    def undo(self) -> Body:
        """Return the rollback of a lasting action."""

    @abstractmethod
    def undone(self) -> int:
        """Return how often the target undid it."""

    @abstractmethod
    def telling(self) -> Body:
        """Return an action that fails because of what its target says, and that has the secret in it."""

    def settled(self, task: Body) -> bool:  # noqa: ARG002 - for kinds that need it
        """Return whether the operator has stored what it needs to go on with a started action."""
        return True

    def under_way(self, tasks: TaskClient, name: str) -> None:
        super().under_way(tasks, name)
        happens(self.works, "the work")
        tasks.wait(name, self.settled)


class Sql(TargetKind):
    """Statements on a real SQL server."""

    failure = ("SqlError", "1146")
    trace = "sleep("

    def __init__(self, tasks: TaskClient, server: SqlServer, journal: Journal) -> None:
        self._journal = journal
        self._gate, self._missing = f"{journal.table}_gate", f"{journal.table}_missing"
        self.spec = {"connection": {"secretName": tasks.create_connection(server)}}
        self.secret = server.password
        journal.run(f"create table {self._gate} (seconds int)")
        journal.run(f"insert into {self._gate} values (300)")

    def lasting(self) -> Body:
        return {"sql": {"statements": [self._journal.note, f"select sleep(seconds) from {self._gate}"]}}

    def finish(self) -> None:
        self._journal.run(f"update {self._gate} set seconds = 0")

    def broken(self) -> Body:
        return {"sql": {"statements": [f"select * from {self._missing}"]}}

    def mend(self) -> None:
        self._journal.run(f"create table {self._missing} (a int)")

    def refused(self) -> Body:
        return {"sql": {"connection": {"secretName": "missing"}, "statements": [self._journal.note]}}

    def undo(self) -> Body:
        return {"sql": {"statements": [self._journal.note]}}

    brief = undo

    def telling(self) -> Body:
        return {"sql": {"statements": [f"select '{self.secret}' as told"], "expect": "rows.size() == 0"}}

    def begun(self) -> int:
        return sum(entry.direction == "Forward" for entry in self._journal.entries())

    def undone(self) -> int:
        return sum(entry.direction == "Rollback" for entry in self._journal.entries())

    def works(self) -> bool:
        query = f"select sleep(seconds) from {self._gate}"
        return bool(self._journal.run(f"select id from information_schema.processlist where info = '{query}'"))


class Http(TargetKind):
    """Requests to a real HTTP server."""

    failure = ("HttpStatus", "409")
    trace = "POST "
    secret = "s3cr3t-7788"  # noqa: S105 - of a test

    def __init__(self, tasks: TaskClient, site: Website) -> None:
        self._site = site
        self._open = threading.Event()
        self._inside = 0
        self.spec: Body = {}
        site.handlers |= {"/run": self._run, "/tell": _tell}
        site.answers("/undo", 204)
        site.answers("/busy", 409, json={"error": "busy"})
        tasks.create_secret("api", "task.oceanbase.com/http", token=self.secret, hosts="127.0.0.1")

    async def _run(self, _: web.BaseRequest) -> web.StreamResponse:
        self._inside += 1
        try:
            while not self._open.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.02)
        finally:
            self._inside -= 1
        return web.Response(text="done")

    def lasting(self) -> Body:
        return {"http": {"method": "POST", "url": f"{self._site.url}/run"}}

    def finish(self) -> None:
        self._open.set()

    def broken(self) -> Body:
        return {"http": {"method": "PUT", "url": f"{self._site.url}/busy"}}

    def mend(self) -> None:
        self._site.answers("/busy", 200)

    def refused(self) -> Body:
        return {"http": {"method": "POST", "url": "http://127.0.0.1:9/run"}}

    def undo(self) -> Body:
        return {"http": {"method": "DELETE", "url": f"{self._site.url}/undo"}}

    brief = undo

    def telling(self) -> Body:
        headers = [{"name": "X-Token", "secretKeyRef": {"name": "api", "key": "token"}}]
        return {"http": {"url": f"{self._site.url}/tell", "headersFrom": headers}}

    def begun(self) -> int:
        return self._asked("/run")

    def undone(self) -> int:
        return self._asked("/undo")

    def works(self) -> bool:
        return self._inside > 0

    def _asked(self, path: str) -> int:
        return sum(heard.path == path for heard in self._site.heard)


async def _tell(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=403, text=f"{request.headers['X-Token']} may not")


class Wait(Kind):
    """Time, which nobody can hold, undo or repeat."""

    trace = "wait"

    def __init__(self) -> None:
        self.spec = {}
        self._left = 3600

    def lasting(self) -> Body:
        return {"wait": {"seconds": self._left}}

    def finish(self) -> None:
        self._left = 0

    def brief(self) -> Body:
        return {"wait": {"seconds": 0}}


@contextmanager
def of_sql(tasks: TaskClient, server: SqlServer) -> Iterator[Sql]:
    """Make the surroundings of sql actions."""
    journal = Journal(server)
    yield Sql(tasks, server, journal)
    journal.drop()
