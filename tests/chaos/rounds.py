"""Owns one round: random tasks under random faults, then no more faults, and what must be so when everything is quiet."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos import promises
from tests.chaos.faults import Faults, Injected
from tests.chaos.person import Person
from tests.chaos.stories import Author, Story
from tests.support.apiserver import api_server
from tests.support.gateway import Gateway
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

NAMESPACES = "/api/v1/namespaces"
TASKS = 12
RATE = 0.3
FAULTY_SECONDS = 20.0
QUIET_SECONDS = 90.0
DEADLY_SHARE = 0.5  # of the rounds kill the operator; in the others nothing may be Interrupted
FRESH_SHARE = 0.5  # of the rounds that kill end with an operator that was started after the last fault
LOG_LINES = 60
SAYS_BROKEN = ("reconcile failed", "cannot read", "a part of the operator ended", "never retrieved")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in a round."""

    seed: str
    stories: tuple[Story, ...]
    injected: tuple[Injected, ...]
    requests: int
    seconds: float
    problems: tuple[str, ...]
    traces: tuple[str, ...]


class Operator:
    """An operator behind a gateway that is started again whenever it has been killed."""

    def __init__(self, gateway: Gateway, namespace: str, folder: Path) -> None:
        self._process = OperatorProcess(gateway.kubeconfig, namespace, folder / "operator.log", OBTASK_GRACE_SECONDS="1")
        self._ready = False
        self._struck = False
        self.kills = 0
        self.problems: list[str] = []

    def strike(self) -> None:
        """Kill it in the middle of a request. Called by the gateway."""
        self._struck = True
        self.kills += 1
        self._process.strike()

    def keep(self) -> None:
        """Start it again if it has ended. While it starts, it may give up when the API server does not answer."""
        if self._process.alive:
            return
        if self._ready:
            code = self._process.wait()
            self.problems += [] if self._struck else [f"the operator ended by itself with {code}"]
        self._struck, self._ready = False, False
        self._ready = self._process.starts()
        if not self._ready:
            self._process.wait()

    def end(self) -> None:
        """Kill it for good."""
        self._process.kill()
        self.problems += [f"the operator's log says: {line}" for line in self.log() if any(words in line for words in SAYS_BROKEN)]

    def log(self) -> list[str]:
        """Return the lines of its log."""
        return self._process.log.read_text().splitlines()


@dataclass(slots=True)
class Round:
    """One round in a namespace of its own."""

    cluster: ControlPlane
    database: SqlServer
    seed: str
    tasks: int = TASKS
    rate: float = RATE
    _problems: list[str] = field(default_factory=list)

    def play(self) -> Outcome:
        """Play the round."""
        began = time.monotonic()
        with ExitStack() as stack:
            folder = stack.enter_context(_folder())
            client = TaskClient(self.cluster, stack.enter_context(_namespace(self.cluster)))
            journal = Journal(self.database)
            stack.callback(journal.drop)
            history = stack.enter_context(History(client.api, client.namespace).running())
            gateway = stack.enter_context(Gateway(self.cluster, folder).running())
            operator = Operator(gateway, client.namespace, folder)
            deadly = _dice(f"{self.seed} deadly").random() < DEADLY_SHARE
            faults = Faults(self.seed, self.rate, operator.strike if deadly else None)
            gateway.rule, gateway.watches.rule = faults.request, faults.event
            author = Author(_dice(self.seed), promises.note(journal), client.create_connection(self.database))
            stories = author.stories(self.tasks)
            person = Person(client, stories)
            try:
                self._run(client, person, operator, faults, fresh=deadly and _dice(f"{self.seed} fresh").random() < FRESH_SHARE)
            finally:
                operator.end()
            self._judge(stories, person, operator)
            self._problems += promises.broken(history, journal, person.commands)
            problems = tuple(dict.fromkeys(self._problems))
            concerned = [story.name for story in stories if any(story.name in problem for problem in problems)]
            traces = [line for name in concerned for line in promises.trace(history, name)]
            traces += operator.log()[-LOG_LINES:]
        return Outcome(
            self.seed, tuple(stories), tuple(faults.injected), faults.requests, time.monotonic() - began, problems, tuple(traces)
        )

    def _run(self, client: TaskClient, person: Person, operator: Operator, faults: Faults, *, fresh: bool) -> None:
        operator.keep()
        person.create()

        def ended() -> bool:
            operator.keep()
            return len(person.ends()) == self.tasks

        def quiet() -> bool:
            return ended() and not client.holders()

        person.attend(ended, FAULTY_SECONDS)
        faults.on = False
        if fresh:
            operator.strike()
        if not person.attend(quiet, QUIET_SECONDS):
            self._problems.append(f"not quiet {QUIET_SECONDS:g} s after the last fault")
            self._problems += _unfinished(client, person)

    def _judge(self, stories: Sequence[Story], person: Person, operator: Operator) -> None:
        ends = person.ends()
        for story in stories:
            if story.name in ends and ends[story.name] not in story.ends:
                self._problems.append(f"{story.name} ended {ends[story.name]} instead of {' or '.join(sorted(story.ends))}")
        if person.interrupted and not operator.kills:
            self._problems.append(f"{person.interrupted} attempts were Interrupted although nobody killed the operator")
        self._problems += operator.problems


def _dice(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - chance, not secrecy


def _unfinished(client: TaskClient, person: Person) -> Iterator[str]:
    ends = person.ends()
    for lease in client.leases().values():
        if lease["spec"].get("holderIdentity"):
            yield f"Lease {lease['metadata']['name']} names {lease['spec']['holderIdentity']}"
    for body in client.api.get(f"/apis/task.oceanbase.com/v1alpha1/namespaces/{client.namespace}/obtasks")["items"]:
        if body["metadata"]["name"] not in ends:
            body["metadata"].pop("managedFields", None)
            yield f"{body['metadata']['name']} has not ended: {json.dumps(body)}"


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="obtask-chaos-"))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def _namespace(cluster: ControlPlane) -> Iterator[str]:
    api = api_server(cluster)
    name: str = api.send("POST", NAMESPACES, {"metadata": {"generateName": "chaos-"}})["metadata"]["name"]
    yield name
    api.send("DELETE", f"{NAMESPACES}/{name}")
