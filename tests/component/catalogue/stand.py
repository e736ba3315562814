"""Owns an operator under test that plays one task: the real operator, an API server in memory, a clock that jumps over every pause."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, cast

from tests.component.catalogue.agent import PlayedAgent
from tests.component.catalogue.objects import GROUP, PlayedObjects
from tests.component.catalogue.stage import Stage
from tests.support.attempts import SetClock
from tests.support.local import ALLOWED_HOSTS
from tests.support.memory_api import MemoryApi, create, merged, new_version

from devcluster.ports import LOOPBACK
from obtask import names
from obtask.engine.outcome import Again
from obtask.executors.dependencies import Dependencies, FromOperator, slots_of
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.network.lookup import LOOKUP_THREADS, Reach
from obtask.executors.registry import Executors, build_executors
from obtask.executors.secret_connections import SecretConnections
from obtask.kube.api import ApiError, Json
from obtask.kube.client import Api
from obtask.model.contract import Phase, SubtaskPhase
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.task import Key, Task, read_task
from obtask.runtime.assembly import Operator, assemble
from obtask.settings import Settings
from obtask.shares import Pace, Threads

SECRET: Final = "obdemo-sys"  # noqa: S105 - a name
OBSHELL_SECRET: Final = "obdemo-obshell"  # noqa: S105 - a name
PASSWORD: Final = "s3cret-word"  # noqa: S105 - every test uses it
OBSHELL_SECONDS: Final = 0.02
RESTING: Final = frozenset({Phase.FAILED, Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.REJECTED, Phase.SKIPPED, Phase.CANCELLED})
SETTINGS: Final = Settings(kubeconfig="", namespaces=(), runner="test", grace_seconds=1, allowed_hosts=ALLOWED_HOSTS)


class CatalogueApi(MemoryApi):
    """The API server in memory, with templates, which belong to no namespace; objects of ob-operator are on a real one."""

    def __init__(self, clock: SetClock, templates: Mapping[str, Json], objects: PlayedObjects) -> None:
        super().__init__(clock)
        self._templates = templates
        self._objects = objects

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Answer from what is stored."""
        kind, _, name = path.rpartition("/")
        if method == "GET" and kind.endswith("/clusterobtasktemplates"):
            return self._templates.get(name) or ApiError(404, "NotFound", path)
        if path.startswith(f"/apis/{GROUP}/"):
            return await self._objects.send(method, path)
        return await super().send(method, path, query=query, body=body)

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Answer with the whole objects, which have their metadata."""
        return await self.send("GET", path, query=query)

    def apart(self) -> PlayedObjects:
        """Return the client of what is on the real API server."""
        return self._objects

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class House:
    """What the operators of all rehearsals share: it takes time to make. Needs a running event loop."""

    stage: Stage
    evaluator: Evaluator
    port: int
    agent: PlayedAgent
    objects: PlayedObjects
    namespace: str
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    threads: Threads = field(default_factory=lambda: Threads(LOOKUP_THREADS, most=LOOKUP_THREADS))


class Stand:
    """One task and its operator, which can be killed."""

    news_seconds: ClassVar[float] = 60.0  # longest time between two signs of life; one that hangs is ended by this

    def __init__(self, house: House, template: Json) -> None:
        self._house = house
        self.stage = stage = house.stage
        self.clock = SetClock()
        self.api = CatalogueApi(
            self.clock,
            {template["metadata"]["name"]: template | {"metadata": template["metadata"] | {"uid": "uid-t", "generation": 1}}},
            house.objects,
        )
        self._operator: Operator | None = None
        self._read: tuple[str, Task] | None = None
        self._key = Key(house.namespace, "")
        self._uids = 0
        self.secret(SECRET, host=LOOPBACK, port=str(house.port), password=PASSWORD, tls="disabled")
        self.secret(OBSHELL_SECRET, url=house.agent.url, password=house.agent.password)
        house.agent.time = self.clock
        stage.locate = self._where

    def secret(self, name: str, **data: str) -> None:
        """Add a connection Secret."""
        packed = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "type": names.CONNECTION_SECRET_TYPE, "metadata": {"name": name}, "data": packed}
        self.api.stored, _ = create(self.api.stored, "secrets", body, self.api.now)

    async def begin(self, name: str, spec: Json) -> None:
        """Create a task, and play it until it rests."""
        self._uids += 1
        self._key = Key(self._house.namespace, name)
        meta = {"name": name, "namespace": self._house.namespace, "uid": f"uid-{self._uids}", "generation": 1}
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": spec}
        self.api.stored, _ = create(self.api.stored, names.PLURAL, body, self.api.now)
        self._see("ADDED")
        await self.play()

    async def command(self, verb: str) -> None:
        """Give a command, and play until the task rests."""
        change = {"metadata": {"annotations": {"action": verb}}}
        self.api.stored, _ = new_version(self.api.stored, self._place, merged(self.body, change))
        self._see("MODIFIED")
        await self.play()

    async def play(self) -> None:
        """Reconcile until the task rests, waits for an approval, replacing the operator whenever a planned fault kills it."""
        while True:
            playing, killed = asyncio.create_task(self._play()), asyncio.create_task(self.stage.killed.wait())
            await asyncio.wait({playing, killed}, return_when=asyncio.FIRST_COMPLETED)
            if not killed.done():
                killed.cancel()
                return playing.result()
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            self.stage.killed.clear()
            await self.kill()
            self._see("ADDED")

    async def kill(self) -> None:
        """Let the operator die: nothing of what it knows or does is left, and nothing is written any more."""
        operator, self._operator = self._operator, None
        if operator is None:
            return
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("attempt ")]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def operator(self) -> Operator:
        """The operator that works now."""
        if self._operator is None:
            api = cast(Api, self.api)
            self._operator = assemble(SETTINGS.model_copy(update={"namespaces": (self._house.namespace,)}), api, self.clock, self._build)
        return self._operator

    @property
    def _place(self) -> str:
        return f"{names.PLURAL}/{self._key.name}"

    @property
    def body(self) -> Json:
        """The task as it is stored."""
        body = self.api.stored.body(self._place)
        assert body is not None, "the task is gone"
        return body

    @property
    def task(self) -> Task:
        """The task, read once for each of its versions: it is asked for at every statement."""
        body = self.body
        version = body["metadata"]["resourceVersion"]
        if self._read is None or self._read[0] != version:
            self._read = (version, read_task(body))
        return self._read[1]

    @property
    def status(self) -> TaskStatus:
        """Its status."""
        return self.task.status

    def _where(self) -> tuple[str, str]:
        """Return the step at which the task is, and the direction."""
        status = self.status
        return status.current_step or "", status.direction.value

    def _build(self, given: FromOperator) -> Executors:
        def share(operator: FromOperator) -> Dependencies:
            slots = slots_of(operator.settings)
            secrets, hosts = SecretConnections(operator.objects), Reach(operator.settings.allowed_hosts, threads=self._house.threads)
            pace = Pace(10_000, burst=10_000)
            return Dependencies(operator, secrets, hosts, self._house.evaluator, LargeAnswers(), self._house.tls, pace, slots, slots)

        return build_executors(replace(given, sleep=self._sleep, obshell_seconds=OBSHELL_SECONDS), share)

    async def _sleep(self, seconds: float) -> None:
        """Let the time pass that somebody waits for."""
        self.clock.forward(seconds)
        await self.stage.pause()

    def _see(self, change: str) -> None:
        self.operator.handlers.see(names.PLURAL, change, self.body)

    async def _play(self) -> None:
        queue = self.operator.queue
        while True:
            outcome = await self.operator.engine.reconcile(self._key)
            status = self.status
            if status.phase in RESTING or status.reason == "AwaitingApproval":
                return
            if isinstance(outcome, Again) and not self._works(status):
                self.clock.forward(max(outcome.after.total_seconds(), 0.1))
                continue
            async with asyncio.timeout(self.news_seconds):
                queue.done(await queue.next())

    def _works(self, status: TaskStatus) -> bool:
        """Return whether something goes on whose end will be heard of."""
        spec = self.task.spec
        assert isinstance(spec, TaskSpec), spec
        current = next((step for step in spec.steps if step.name == status.current_step), None)
        if current is None or any(getattr(each, "wait", None) is not None for each in (current, current.rollback) if each is not None):
            return False
        return any(sub.phase in (SubtaskPhase.RUNNING, SubtaskPhase.ROLLING_BACK) for step in status.steps for sub in step.subtasks)


@asynccontextmanager
async def evaluation() -> AsyncIterator[Evaluator]:
    """Yield evaluation processes for the operators of a test."""
    evaluator = Evaluator()
    try:
        yield evaluator
    finally:
        await evaluator.close()


def shown(status: TaskStatus) -> Any:
    """Return what a failing test says of a task."""
    failed = status.failed_subtask
    return status.phase, status.reason, status.message, failed and (failed.step, failed.reason, failed.message)
