"""A SQL server that means harm costs its own step: little memory, no time of others, and an end with a reason."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.component.executors.seekdb import sql_bench
from tests.support.attempts import attempt, sql
from tests.support.hostile.mysql import SERVERS
from tests.support.hostile.targets import running
from tests.support.strain import strain

from obtask.executors.connections.connection import Connection
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

TARGET = Connection("127.0.0.1", 1, "root@sys", "hunter2")
SLOW = frozenset({"sql-slow-row", "sql-mute"})
REASONS = {
    "sql-many-columns": "columns of the answer have more than 1 MiB",
    "sql-wide-columns": "columns of the answer have more than 1 MiB",
    "sql-one-endless-packet": "a row or a packet is longer than 16 MiB",
    "sql-large-rows": "its first row is longer than 1 MiB",
    "sql-endless-rows": "the answer has more than 250000 rows",
    "sql-endless-results": "the answer has more than 1024 results",
    "sql-endless-oks": "the answer has more than 1024 results",
    "sql-many-cells": "the answer is longer than 64 MiB",
    "sql-huge-error": "error 1064",
    "sql-word-error": "error 1064",
    "sql-slow-row": "did not end within",
    "sql-mute": "did not end within",
    "sql-nonsense": "cannot read the server's answer",
    "sql-huge-greeting": "more than a login needs",
    "sql-slow-greeting": "did not let us in within",
    "sql-cold": "did not let us in within",
    "sql-endless-authentication": "again and again",
    "sql-endless-login": "again and again",
}


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Run the servers in a process of their own."""
    with running() as found:
        yield found


@pytest.mark.parametrize("name", SERVERS)
async def test_every_one_of_them_alone(name: str, ports: dict[str, int]) -> None:
    """The step fails and says why; the loop is held for milliseconds, and a few megabytes are enough."""
    on = sql_bench(Connection("127.0.0.1", ports[name], "root@sys", "hunter2"))

    async with strain() as cost:
        end = await on.run(attempt(sql("select v from t", expect="size(rows) > 0"), seconds=3 if name in SLOW else 60))

    assert isinstance(end, Failed)
    assert REASONS[name] in end.message
    assert end.reason in (FailureReason.SQL_ERROR, FailureReason.CONNECTION_FAILED, FailureReason.TIMEOUT)
    assert len(on.log.text) < 16384
    assert cost.mebibytes < 48
    assert cost.held_seconds < 0.25


async def test_twenty_at_once_have_the_room_of_a_few(ports: dict[str, int]) -> None:
    """Large answers wait for each other: what they take in all does not grow with their number."""
    names = ["sql-large-rows", "sql-many-cells", "sql-one-endless-packet", "sql-wide-columns"] * 5
    on = sql_bench(Connection("127.0.0.1", 1, "root@sys", ""))

    async with strain() as cost:
        ends = await asyncio.gather(
            *(
                sql_bench(Connection("127.0.0.1", ports[name], "root@sys", "")).run(attempt(sql("select v from t"), seconds=60))
                for name in names
            )
        )

    assert all(isinstance(end, Failed) for end in ends)
    assert on.log.text == ""
    assert cost.mebibytes < 150
    assert cost.held_seconds < 0.25
