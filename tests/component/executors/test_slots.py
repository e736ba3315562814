"""Slots of attempts inside the operator: shared by namespaces, and not held by what sleeps between two polls."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.attempts import Bells, PlainLog, attempt, sql, until, wall_clock
from tests.support.website import Website, http, http_work, website

from obtask.executors.base import Log
from obtask.executors.inprocess import InProcess, Reporter
from obtask.model.actions import Action
from obtask.model.attempt import Attempt, Failed, Outcome, Running, Succeeded
from obtask.model.reasons import FailureReason
from obtask.shares import Pace, Slots


def of(namespace: str, number: int, action: Action, seconds: float | None = 60) -> Attempt:
    """Return an attempt of a namespace."""
    one = attempt(action, seconds=seconds)
    return replace(one, namespace=namespace, id=replace(one.id, uid=f"{namespace}-{number}"))


class Holding:
    """Work that holds its slot until it is told to go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:
        """Wait."""
        log.write("begun")
        report("waiting for its cue")
        self.begun.append(attempt.namespace)
        await self.go.wait()
        return Succeeded("done")


def executor(work: Holding, slots: int) -> tuple[InProcess, Bells]:
    """Return an executor with so many slots."""
    bells = Bells()
    return InProcess(work, clock=wall_clock, slots=Slots(slots), idle=Slots(slots), pace=Pace(1000, burst=1000), on_end=bells), bells


async def test_a_greedy_namespace_leaves_slots() -> None:
    """However many attempts one namespace starts, its neighbour's begins at once."""
    work = Holding()
    on, _ = executor(work, 8)
    for number in range(500):
        await on.start(of("greedy", number, sql()), PlainLog())
    await until(lambda: "greedy" in work.begun)

    await on.start(of("neighbour", 1, sql()), PlainLog())

    await until(lambda: "neighbour" in work.begun)
    assert work.begun.count("greedy") < 8
    work.go.set()
    await on.stop(10)
    assert len(work.begun) == 501


async def test_a_timeout_in_the_line_says_so() -> None:
    """An attempt that never had a slot ends by its deadline, and the message tells why."""
    work = Holding()
    on, bells = executor(work, 1)
    await on.start(of("greedy", 1, sql()), PlainLog())
    late = of("neighbour", 1, sql(), seconds=0.1)
    await until(lambda: work.begun)

    await on.start(late, PlainLog())
    await until(lambda: on._entries[late.id].progress)
    assert await on.observe(late, PlainLog()) == Running("waiting for a free slot in the operator")
    await bells.wait()

    end = await on.observe(late, PlainLog())
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert end.message.endswith("it waited for a free slot in the operator all the time")
    work.go.set()
    await on.stop(10)


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Return a server."""
    async with website() as serving:
        yield serving


async def test_what_polls_holds_no_slot_in_between(site: Website) -> None:
    """100 attempts that wait for a week, with one slot, keep nobody from it: neither a neighbour nor each other."""
    site.answers("/never")
    site.answers("/now")
    bells = Bells()
    on = InProcess(http_work(), clock=wall_clock, slots=Slots(1), idle=Slots(1), pace=Pace(1000, burst=1000), on_end=bells)
    waiting = {"expect": "false", "intervalSeconds": 3600, "url": f"{site.url}/never"}
    for number in range(100):
        await on.start(of("greedy", number, http(f"{site.url}/never", until=waiting), 604800), PlainLog())
    await until(lambda: sum(request.path == "/never" for request in site.heard) == 200)

    one = of("neighbour", 1, http(f"{site.url}/now"))
    await on.start(one, PlainLog())
    await bells.wait()

    assert await on.observe(one, PlainLog()) == Succeeded("HTTP 200")
    await on.stop(0)
