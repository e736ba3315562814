"""An attempt gives back the room that a large answer takes, however the attempt ends: others wait for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.component.executors.obshell_bench import STOP, ObshellBench, bench_for, operation, stages
from tests.support.agent.agent import DAG_PATH, Answered, FakeAgent, Operation
from tests.support.agent.dags import Step
from tests.support.attempts import attempt, until

from obtask.executors.obshell.afterwards import Afterwards
from obtask.executors.obshell.context import Context, context_of
from obtask.executors.obshell.executor import _Followed
from obtask.model.attempt import Failed, Succeeded

PARAMETERS = "/api/v1/obcluster/parameters"
LARGE = [{"name": f"p{number}", "value": "v" * 100} for number in range(1500)]
UNREADABLE = b"[" + b" " * 200_000


def rooms_taken(on: ObshellBench) -> int:
    """Return how many rooms the attempts of the test have."""
    return on.large.rooms.held("prod")


@pytest.mark.parametrize(
    "answer",
    [
        Answered(data=LARGE),
        Answered(raw=UNREADABLE),
        Answered(400, data=LARGE, error="Request.Invalid"),
        Answered(200, raw=b"[" + b"0," * 3_000_000),
    ],
    ids=["accepted", "unreadable", "refused", "too long"],
)
async def test_an_attempt_that_has_ended_has_no_room(answer: Answered) -> None:
    """Whatever the answer was."""
    with FakeAgent(operations={("GET", PARAMETERS): answer}).running() as agent:
        on = bench_for(agent)
        end = await on.run(attempt(operation(PARAMETERS, method="GET")))

    assert isinstance(end, Succeeded | Failed)
    assert rooms_taken(on) == 0


async def test_an_attempt_that_is_cut_has_no_room() -> None:
    """The agent sends half of a large answer, then nothing; the operator stops."""
    with FakeAgent().running() as agent:
        on = bench_for(agent)
        async with halfway() as agent.port:
            one = attempt(operation(PARAMETERS, method="GET"))
            await on.executor.start(one, on.log)
            await until(lambda: rooms_taken(on) == 1)

            await on.executor.stop(0)

    assert rooms_taken(on) == 0


@asynccontextmanager
async def halfway() -> AsyncGenerator[int]:
    """Send the beginning of a large answer, and nothing more; the port is returned."""
    ended = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b" " * 200_000)
            await writer.drain()
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in ended if task is not None))


def words(on: ObshellBench, **fields: Any) -> Context:
    """Return the means of an attempt."""
    context = context_of(attempt(operation(**fields)), on.log, _Followed(lambda: None), on.executor._tools)
    assert isinstance(context, Context)
    return context


async def test_each_question_gives_its_room_back() -> None:
    """Between two questions an attempt may wait for a long time."""
    dags = {"contents": [{"id": f"1{number}", "state": "SUCCEED", "operator": "RUN", "stage": 1} for number in range(2000)]}
    with FakeAgent().running() as agent:
        agent.faults += [("GET", path, Answered(data=dags)) for path in (f"{DAG_PATH}unfinish",) * 2]
        agent.faults.append(("GET", f"{DAG_PATH}maintain/agent", Answered(data=dags)))
        agent.faults.append(("GET", "/api/v1/status", Answered(data=dags)))
        on = bench_for(agent)
        conversation, held = words(on).conversation, []
        for asked in (
            conversation.dags("dag/unfinish"),
            conversation.owner_of("17"),
            conversation.last_maintenance(),
            conversation.under_maintenance(),
        ):
            await asked
            held.append(rooms_taken(on))

    assert held == [0, 0, 0, 0]
    assert agent.faults == []


async def test_a_question_that_takes_too_long_gives_its_room_back() -> None:
    """Half of an answer has come, and the rest does not."""
    with FakeAgent().running() as agent:
        on = bench_for(agent)
        conversation = words(on).conversation
        await conversation.open()
        async with halfway() as port:
            assert conversation._login is not None
            conversation._login = replace(conversation._login, target=replace(conversation._login.target, url=f"http://127.0.0.1:{port}"))
            asking = asyncio.ensure_future(conversation.ask("/api/v1/status", {}, 0.5))
            await until(lambda: rooms_taken(on) == 1)
            await asking

    assert rooms_taken(on) == 0


async def test_looking_after_a_failed_attempt_takes_no_room_for_good() -> None:
    """What is answered is large, and cannot be read."""
    with FakeAgent().running() as agent:
        agent.faults.append(("GET", f"{DAG_PATH}11", Answered(raw=UNREADABLE)))
        on = bench_for(agent)
        looks, one = Afterwards(on.executor._tools), replace(attempt(operation()), external="11")
        looks.remark(one)
        await until(lambda: agent.faults == [])
        await until(lambda: looks._entries[one.id].looking is None)

    assert rooms_taken(on) == 0


async def test_between_two_looks_nothing_is_kept() -> None:
    """What ``expect`` sees is the task at its end: until then nobody needs the whole answer."""
    with FakeAgent(operations={("POST", STOP): stages(Step("kill", logs=("x" * 10_000,) * 20))}).running() as agent:
        agent.operations["POST", STOP] = Operation(stages(Step("prepare", logs=("x" * 10_000,) * 20), Step("kill", held=True)), "Stop OB")
        on = bench_for(agent)
        one = attempt(operation(expect="data.state == 'SUCCEED'"))
        context = words(on, expect="data.state == 'SUCCEED'")
        await on.executor.start(one, on.log)
        await on.until_running(one, 'is running: 2/2 "Stage kill"')

        await context.conversation.look("11")
        meanwhile = (context.conversation.last_data, context.conversation._client.last_size > 64 * 1024)
        agent.release()
        end = await on.end_of(one)
        await context.conversation.look("11")

    assert meanwhile == (None, True)
    assert isinstance(end, Succeeded)
    assert context.conversation.last_data["state"] == "SUCCEED"
    context.conversation.forget()
    assert rooms_taken(on) == 0
