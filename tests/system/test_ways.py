"""All that the operator asks and hears goes one way, with credentials that are renewed; it is ready when it hears of everything."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
import yaml
from tests.support.chart.installed import eventually
from tests.support.gateway import Gateway
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import TaskClient, wait_step
from tests.support.verdicts import Fate, Refuse, Verdict

from devcluster.controlplane import ControlPlane
from devcluster.ports import free_port
from obtask.settings import Settings

SERVER = "https://apiserver.invalid:6443"  # nobody can resolve it
CHUNK = 1 << 16


class Proxy:
    """An HTTP proxy that leads every CONNECT to one server, whatever it names."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.new_event_loop()
        self.port = 0
        self.asked: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listen as long as the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._connected, "127.0.0.1", 0), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n", 1)[0].decode())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


def configured(cluster: ControlPlane, path: Path, changes: Mapping[str, str], user: Mapping[str, Any] | None = None) -> str:
    """Write the operator's kubeconfig with changes of its cluster, and another user."""
    config = yaml.safe_load(cluster.operator_kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= changes
    if user is not None:
        config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_the_watches_go_through_the_proxy(tasks: TaskClient, settings: Settings, tmp_path: Path) -> None:
    """proxy-url and tls-server-name count for what kopf asks as for all else: a new task is heard of at once."""
    here = yaml.safe_load(tasks.cluster.operator_kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    port = urlsplit(here).port
    assert port is not None
    with Proxy(port).running() as proxy:
        way = {"server": SERVER, "proxy-url": f"http://127.0.0.1:{proxy.port}", "tls-server-name": "localhost"}
        kubeconfig = configured(tasks.cluster, tmp_path / "kubeconfig", way)
        with operator_thread(settings.model_copy(update={"kubeconfig": kubeconfig})):
            tasks.create("x", steps=[wait_step("a")])
            tasks.wait_phase("x", "Succeeded")

    assert set(proxy.asked) == {"CONNECT apiserver.invalid:6443 HTTP/1.1"}


def test_a_token_of_a_plugin_that_is_withdrawn(tasks: TaskClient, settings: Settings, tmp_path: Path) -> None:
    """The plugin is asked for another one, and everything goes on: requests at once, watches when they are begun again."""
    accounts = [f"{tasks.namespace}-{name}" for name in ("first", "second")]
    for account in accounts:
        tasks.kubectl("create", "serviceaccount", account)
        words = ["--clusterrole=cluster-admin", f"--serviceaccount={tasks.namespace}:{account}"]
        tasks.kubectl("create", "clusterrolebinding", account, *words)

    def give(account: str) -> None:
        token = tasks.kubectl("create", "token", account).strip()
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
        (tmp_path / "answer").write_text(json.dumps(answer))

    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\necho >> {tmp_path}/runs\nexec cat {tmp_path}/answer\n")
    script.chmod(0o700)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}
    give(accounts[0])
    kubeconfig = configured(tasks.cluster, tmp_path / "kubeconfig", {}, {"exec": plugin})
    try:
        with operator_thread(settings.model_copy(update={"kubeconfig": kubeconfig})):
            tasks.create("before", steps=[wait_step("a")])
            tasks.wait_phase("before", "Succeeded")
            give(accounts[1])
            tasks.kubectl("delete", "serviceaccount", accounts[0])
            # The API server believes a token for some seconds more.
            eventually(lambda: len((tmp_path / "runs").read_text()) > 1, "the second run of the plugin")
            tasks.create("after", steps=[wait_step("a")])
            tasks.wait_phase("after", "Succeeded")
    finally:
        for account in accounts:
            tasks.kubectl("delete", "clusterrolebinding", account)


@pytest.mark.parametrize("kind", ["pods", "obtasks"])
def test_ready_is_who_hears_of_everything(tasks: TaskClient, gateway: Gateway, tmp_path: Path, kind: str) -> None:
    """As long as there is no list of one kind, the operator is alive, but not ready, and says what it misses."""
    address = f"127.0.0.1:{free_port()}"

    def rule(_: str, path: str) -> Verdict:
        listing = urlsplit(path).path.endswith(f"/{kind}") and "fieldSelector" not in path
        return Refuse(503) if listing else Fate.PASS

    def asked(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError:
            return 0, ""

    gateway.rule = rule
    operator = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "log", OBTASK_HEALTH_ADDRESS=address)
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(operator.starts)
        try:
            said = f"not watching: no list yet of {kind} in namespace {tasks.namespace}"
            eventually(lambda: asked("/readyz") == (503, said), "what is missing")
            eventually(lambda: said.removeprefix("not watching: ") in operator.log.read_text(), "the line in the log")
            assert asked("/healthz") == (200, "alive")
            assert not started.done()

            gateway.rule = lambda _, __: Fate.PASS
            assert started.result(60)
            assert asked("/readyz") == (200, "leader")
        finally:
            operator.kill()
