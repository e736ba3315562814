"""What the operator says of itself, and when."""

import asyncio
import urllib.request
from dataclasses import dataclass
from urllib.error import HTTPError

import pytest
from prometheus_client import CollectorRegistry

from devcluster.ports import free_port
from obtask.environment import SettingsError
from obtask.runtime.evidence import SILENT_SECONDS, Evidence
from obtask.runtime.health import Health
from obtask.runtime.ports import listening
from obtask.runtime.watching import watched_paths

HOST = "127.0.0.1"
PATHS = ("/healthz", "/readyz")


@dataclass(frozen=True)
class Watching:
    """Watches that are up, or not."""

    said: str = ""

    def fault(self) -> str:
        """Return what they do not tell of."""
        return self.said


async def get(port: int, path: str) -> tuple[int, str]:
    """Return status and text of an answer."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()

    return await asyncio.to_thread(ask)


async def test_an_operator_is_ready_from_when_it_knows_its_tasks_until_it_is_told_to_end() -> None:
    """And while it hears of changes. It is live all the time: a restart would not help an operator that loads or ends."""
    health, port = Health(None), free_port()
    part = asyncio.create_task(asyncio.Event().wait())
    seen = []
    async with listening((HOST, port), None, health, CollectorRegistry()):
        seen.append([await get(port, path) for path in PATHS])
        health.loaded([part])
        seen.append([await get(port, path) for path in PATHS])
        health.watching = Watching()
        seen.append([await get(port, path) for path in PATHS])
        health.watching = Watching("nothing heard for 121 s of pods")
        seen.append([await get(port, path) for path in PATHS])
        health.stopping()
        seen.append([await get(port, path) for path in PATHS])
    part.cancel()

    alive = (200, "alive")
    blind, deaf = (503, "not watching: not begun"), (503, "not watching: nothing heard for 121 s of pods")
    assert seen == [[alive, said] for said in ((503, "loading"), blind, (200, "leader"), deaf, (503, "stopping"))]


async def test_an_operator_that_lost_a_part_is_dead() -> None:
    """Neither live nor ready, and it says why."""
    health, port = Health(None), free_port()
    part = asyncio.create_task(asyncio.sleep(0))
    await part
    health.loaded([part])

    async with listening((HOST, port), None, health, CollectorRegistry()):
        answers = [await get(port, path) for path in PATHS]

    assert answers == [(503, "a part of the operator ended; the log says which")] * 2


async def test_an_address_in_use_is_a_bad_setting() -> None:
    """The error names the variable and the address."""
    health, port = Health(None), free_port()

    async with listening((HOST, port), None, health, CollectorRegistry()):
        with pytest.raises(SettingsError, match=f"OBTASK_HEALTH_ADDRESS={HOST}:{port}: "):
            async with listening((HOST, port), None, health, CollectorRegistry()):
                pytest.fail("two servers at one address")


async def test_without_an_address_there_is_no_server() -> None:
    """The default is to listen nowhere."""
    async with listening(None, None, Health(None), CollectorRegistry()):
        health = Health(None).ready()

    assert health == (False, "loading")


def test_evidence_is_a_list_of_everything_and_news_since() -> None:
    """One list that is missing, or one watch that is silent, is enough: what it would tell of would not be done."""
    now, complete = [1000.0], []
    evidence = Evidence(watched_paths(("a", "b")), lambda: complete.append(True), lambda: now[0])
    paths = watched_paths(("a", "b"))

    assert "no list yet of obtasks in namespace a, obtasks in namespace b, leases in namespace a and 5 more" in evidence.fault()
    for path in paths[:-1]:
        evidence.listed(path)
    assert (evidence.fault(), complete) == ("no list yet of pods in namespace b", [])
    evidence.listed(paths[-1])
    assert (evidence.fault(), complete) == ("", [True])

    now[0] += SILENT_SECONDS + 1
    for path in paths[1:]:
        evidence.heard(path)
    assert evidence.fault() == "nothing heard for 121 s of obtasks in namespace a"
    evidence.heard(paths[0])
    assert evidence.fault() == ""
    assert Evidence(watched_paths(()), complete.clear, lambda: now[0]).fault().endswith("obtasks, leases, jobs and 1 more")
