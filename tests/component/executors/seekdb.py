"""Looks at a real seekdb from outside of the attempts, and makes executors that reach it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.support.attempts import SECRET_NAME, Bench, Secrets, alone, bench, evaluated, wall_clock
from tests.support.local import LOCAL

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.work import SqlWork


def sql_bench(
    target: Connection,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    values: Mapping[tuple[str, str], str] = {},
) -> Bench:
    """Return an executor of sql actions that reaches this server; ``values`` are those of other Secrets, by name and key."""
    return bench(
        SqlWork(Secrets({SECRET_NAME: target}, values), clock=wall_clock, confirmed=alone, expressions=evaluated, sleep=sleep, hosts=LOCAL)
    )


async def ask(admin: SqlSession, query: str) -> tuple[tuple[Any, ...], ...]:
    """Return the rows of a query."""
    answer = await admin.run(query)
    assert isinstance(answer, Result), answer
    return answer.rows


async def running_statements(admin: SqlSession, marker: str) -> list[str]:
    """Return the statements with this marker that the server is busy with."""
    rows = await ask(admin, "select info from information_schema.processlist where info is not null")
    return [row[0] for row in rows if marker in row[0] and "processlist" not in row[0]]


async def busy_with(admin: SqlSession, marker: str) -> None:
    """Wait until the server is busy with a statement that has this marker."""
    async with asyncio.timeout(10):
        while not await running_statements(admin, marker):  # noqa: ASYNC110 - nothing here can wait for the server
            await asyncio.sleep(0.01)
