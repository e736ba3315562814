"""The administrator's list of hosts binds sql actions, too; a link-local address is never connected to. API.md section 2.1."""

import pytest
from tests.support.attempts import SECRET_NAME, Secrets, alone, attempt, bench, evaluated, sql, wall_clock

from obtask.executors.connections.connection import Connection
from obtask.executors.network.lookup import HostPolicy
from obtask.executors.sql.work import SqlWork
from obtask.model.attempt import Failed, Lost, Outcome, Succeeded
from obtask.model.reasons import FailureReason


async def run(target: Connection, *allowed: str) -> Outcome | Lost:
    """Carry out a harmless statement under this list."""
    work = SqlWork(Secrets({SECRET_NAME: target}), clock=wall_clock, confirmed=alone, expressions=evaluated, hosts=HostPolicy(allowed))
    return await bench(work).run(attempt(sql("select 1")))


@pytest.mark.parametrize("host", ["169.254.169.254", "0xA9FEA9FE", "::ffff:169.254.169.254", "fe80::1"])
async def test_a_link_local_server(host: str) -> None:
    """A link-local address is Forbidden in every spelling, whatever the list says."""
    end = await run(Connection(host, 2881, "root@sys", "hunter2"), host)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert end.message.startswith(f'host "{host}"')
    assert end.message.endswith(" is link-local, which OBTASK_ALLOWED_HOSTS never allows")


async def test_a_server_that_is_not_in_the_list() -> None:
    """The message names the setting."""
    end = await run(Connection("127.0.0.1", 1, "root@sys", "hunter2"), "*.example.com", "10.0.0.0/8")

    assert end == Failed(FailureReason.FORBIDDEN, 'host "127.0.0.1" is not allowed: it is not in OBTASK_ALLOWED_HOSTS', untouched=True)


@pytest.mark.parametrize(("host", "allowed"), [("127.0.0.1", "127.0.0.0/8"), ("localhost", "localhost"), ("localhost", "127.0.0.1")])
async def test_a_server_in_the_list(server: Connection, host: str, allowed: str) -> None:
    """A name is allowed by itself or by its address."""
    target = Connection(host, server.port, server.user, server.password)

    assert isinstance(await run(target, allowed), Succeeded)
