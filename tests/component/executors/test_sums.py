"""What the attempts of a parallel step take together, however large their answers are: bounded in sum, and none waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.attempts import SECRET_NAME, Secrets, alone, attempt, bench, sql, until, wall_clock
from tests.support.local import LOCAL
from tests.support.strain import strain
from tests.support.website import http, http_bench, website

from obtask.executors.connections.connection import Connection
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.sql.work import SqlWork
from obtask.rules.expressions import Vocabulary

SUBTASKS = 64
MOST_MEBIBYTES = 45
SERVED_MEBIBYTES = 0.9  # the website, which is in the same process, holds what nobody has read yet
ROWS = 120  # of 8,000 characters: nearly a megabyte, of which everything is kept
NUMBERS = "select 1 as n" + " union all select 1" * (ROWS - 1)
LARGE = f"select repeat('x', 8000) as v from ({NUMBERS}) as many"


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """Return an evaluator; its processes end with the test."""
    evaluator = Evaluator()
    yield evaluator
    await evaluator.close()


async def test_a_parallel_step_of_large_results(database: Connection, evaluator: Evaluator) -> None:
    """64 results of a megabyte each, all looked at: the operator needs the memory of a few, and keeps none while it waits for more."""
    assert await evaluator.holds("warm", Vocabulary.SQL, "true", {"rows": [], "affected": 0}) is True
    asleep = 0

    async def sleep(_: float) -> None:
        nonlocal asleep
        asleep += 1
        await asyncio.Event().wait()

    work = SqlWork(Secrets({SECRET_NAME: database}), clock=wall_clock, confirmed=alone, expressions=evaluator, sleep=sleep, hosts=LOCAL)
    on = bench(work, slots=4 * SUBTASKS)
    look = {"query": "select 1 as n", "expect": "false"}
    one = attempt(sql(LARGE, expect="rows.exists(r, r.v.endsWith('xx'))", until=look), seconds=200)
    several = [replace(one, id=replace(one.id, subtask=f"s{number}")) for number in range(SUBTASKS)]

    async with strain() as cost:
        for each in several:
            await on.executor.start(each, on.log)
        await until(lambda: asleep + len(on.bells.rung) == SUBTASKS, seconds=180)

    assert on.bells.rung == []  # every one of them had its turn
    assert cost.mebibytes < MOST_MEBIBYTES
    for each in several:
        await on.executor.cancel(each)
    await until(lambda: len(on.bells.rung) == SUBTASKS, seconds=30)


async def test_a_parallel_step_of_large_bodies(evaluator: Evaluator) -> None:
    """The same for answers of HTTP: 64 of nearly a megabyte of JSON."""
    asleep = 0

    async def sleep(_: float) -> None:
        nonlocal asleep
        asleep += 1
        await asyncio.Event().wait()

    async with website() as site:
        site.answers("/large", json={"items": [{"n": number, "text": "x" * 100} for number in range(7000)]})
        on = http_bench(sleep=sleep, expressions=evaluator, slots=4 * SUBTASKS)
        look = {"url": f"{site.url}/large", "expect": "body.items.exists(i, i.n == 7000)", "message": "body.items.size()"}
        one = attempt(http(f"{site.url}/large", expect="body.items.exists(i, i.n == 6999)", until=look), seconds=200)
        several = [replace(one, id=replace(one.id, subtask=f"s{number}")) for number in range(SUBTASKS)]

        async with strain() as cost:
            for each in several:
                await on.executor.start(each, on.log)
            await until(lambda: asleep + len(on.bells.rung) == SUBTASKS, seconds=180)

        assert on.bells.rung == [], await on.end_of(several[0])
        assert [await on.progress(each) for each in several] == ["7000"] * SUBTASKS
        assert cost.mebibytes < MOST_MEBIBYTES + SUBTASKS * SERVED_MEBIBYTES
        for each in several:
            await on.executor.cancel(each)
        await until(lambda: len(on.bells.rung) == SUBTASKS, seconds=30)
