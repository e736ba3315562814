"""Owns how long the task of one namespace takes while another namespace does all it can to be in its way."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web
from tests.bench.figures import Figure, percentile
from tests.bench.operators import MeasuredOperator, measured_operator
from tests.support.apiserver import Body
from tests.support.beside import beside
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.ports import LOOPBACK
from devcluster.sqlserver import SqlServer, sql_server
from obtask.kube.api import ApiError
from obtask.kube.client import Api, connect

GREEDY, NEIGHBOUR = "greedy", "neighbour"
CONCURRENT_CREATES = 8
POLL_SECONDS = 0.02
PAUSE_SECONDS = 0.3
LIMIT_SECONDS = 120.0


class Greedy:
    """Servers that answer at once, never, or with an error."""

    def __init__(self) -> None:
        self.url = ""
        self.hanging = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Serve."""
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        self.url = site.name
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        self.hanging.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/never":
            await self.hanging.wait()
        return web.json_response({"ready": False}, status=500 if request.path == "/error" else 200)


def steps(number: int, subtasks: int, url: str) -> list[Body]:
    """Return the one step of a greedy task: polls without end, requests that hang, or failures that are repeated at once."""
    polls = {"http": {"url": f"{url}/poll", "until": {"url": f"{url}/poll", "expect": "body.ready", "intervalSeconds": 1}}}
    hangs = {"http": {"url": f"{url}/never"}}
    fails = {"http": {"url": f"{url}/error"}, "autoRetry": {"limit": 100, "backoffSeconds": 0}}
    kind = (polls, polls, hangs, fails)[number % 4]
    if kind is fails:
        return [{"name": "s", **fails}]
    return [{"name": "s", "timeoutSeconds": 604800, "parallel": [{"name": f"x{place}", **kind} for place in range(subtasks)]}]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Measures a one-statement task beside a greedy namespace."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]
    prefix: str = ""

    def measure(self, tasks: int, subtasks: int, probes: int, database: SqlServer | None = None) -> list[Figure]:
        """Return how long the neighbour's task takes alone, and how much longer beside so many greedy tasks."""
        names = self.prefix + GREEDY, self.prefix + NEIGHBOUR
        for namespace in names:
            self.cluster.kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
        with ExitStack() as stack:
            server = database or stack.enter_context(sql_server(self.folder / "neighbour-seekdb"))
            greedy = stack.enter_context(beside(Greedy()))
            operator = stack.enter_context(
                measured_operator(self.cluster.operator_kubeconfig, self.folder / "neighbour.log", namespace=",".join(names))
            )
            connection = TaskClient(self.cluster, names[1]).create_connection(server)
            return asyncio.run(self._compare(operator, connection, greedy.url, tasks=tasks, subtasks=subtasks, probes=probes))

    async def _compare(
        self, operator: MeasuredOperator, connection: str, url: str, *, tasks: int, subtasks: int, probes: int
    ) -> list[Figure]:
        api = await connect(str(self.cluster.kubeconfig))
        try:
            self.say(f"a neighbour's task, alone, {probes} times")
            alone = [await self._probe(api, f"alone-{number}", connection) for number in range(probes)]
            self.say(f"the same beside {tasks} greedy tasks")
            flood = asyncio.create_task(self._flood(api, url, tasks, subtasks))
            beside_them: list[float] = []
            while len(beside_them) < probes or not flood.done():
                beside_them.append(await self._probe(api, f"beside-{len(beside_them)}", connection))
                await asyncio.sleep(PAUSE_SECONDS)
            await flood
            after = [await self._probe(api, f"after-{number}", connection) for number in range(probes)]
        finally:
            await api.close()
        usual = percentile(alone, 50)
        late = [seconds - usual for seconds in (*beside_them, *after)]
        what = f"a neighbour's task beside {tasks} greedy tasks"
        return [
            Figure("a neighbour's task alone, p50", usual, "s"),
            Figure(f"{what}: delay, p50", percentile(late, 50), "s"),
            Figure(f"{what}: delay, p99", percentile(late, 99), "s", "< 1"),
            Figure(f"{what}: operator memory", operator.usage().memory_mib, "MiB"),
        ]

    async def _flood(self, api: Api, url: str, tasks: int, subtasks: int) -> None:
        slots = asyncio.Semaphore(CONCURRENT_CREATES)

        async def create(number: int) -> None:
            async with slots:
                await _create(api, self.prefix + GREEDY, f"g-{number:05d}", steps(number, subtasks, url))

        await asyncio.gather(*(create(number) for number in range(tasks)))

    async def _probe(self, api: Api, name: str, connection: str) -> float:
        """Return the seconds from the creation of a one-statement task until it is seen to have succeeded."""
        step = {"name": "s", "sql": {"connection": {"secretName": connection}, "statements": ["select 1"]}}
        began = time.monotonic()
        await _create(api, self.prefix + NEIGHBOUR, name, [step])
        while time.monotonic() - began < LIMIT_SECONDS:
            found = await api.send("GET", f"{_path(self.prefix + NEIGHBOUR)}/{name}")
            phase = None if isinstance(found, ApiError) else found.get("status", {}).get("phase")
            if phase == "Succeeded":
                return time.monotonic() - began
            if phase == "Failed":
                raise AssertionError(found)
            await asyncio.sleep(POLL_SECONDS)
        return LIMIT_SECONDS


async def _create(api: Api, namespace: str, name: str, steps: list[Body]) -> None:
    spec = {"type": "Cluster", "cluster": name, "maintenance": "None", "steps": steps}
    body = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": spec}
    answer = await api.send("POST", _path(namespace), body=body)
    if isinstance(answer, ApiError):
        raise ConnectionError(answer.message)


def _path(namespace: str) -> str:
    return f"/apis/task.oceanbase.com/v1alpha1/namespaces/{namespace}/obtasks"
