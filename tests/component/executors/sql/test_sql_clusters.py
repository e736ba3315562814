"""SQL for real clusters: several hosts, OceanBase's users and statements, errors that may pass. The servers are scripted, not real."""

from collections.abc import Callable

import pytest
from mysql_mimic.errors import MysqlError
from tests.component.executors.seekdb import sql_bench
from tests.support.attempts import attempt, sql
from tests.support.scripted_server import NOTHING, Answer, Script, scripted_server

from devcluster.ports import free_port
from obtask.executors.connections.connection import Connection
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason


def target(port: int, hosts: str = "127.0.0.1", user: str = "root@sys#obdemo") -> Connection:
    """Return the connection of a Secret."""
    return Connection(hosts, port, user, "s3cret-word")


def failing(code: int, message: str) -> Callable[[str], Answer | MysqlError]:
    """Return a script that refuses ALTER SYSTEM."""
    return lambda text: MysqlError(message, code) if text.startswith("ALTER SYSTEM") else NOTHING


async def test_the_first_host_that_answers_is_taken() -> None:
    """Hosts are tried in the order of the Secret; those that nobody listens on are named in the log."""
    script = Script()
    async with scripted_server(script) as port:
        on = sql_bench(target(port, "127.0.0.2, 127.0.0.1,127.0.0.3"))
        assert await on.run(attempt(sql("ALTER SYSTEM START SERVER '10.0.0.5:2882'"))) == Succeeded("1 statement")

    assert script.statements == ["ALTER SYSTEM START SERVER '10.0.0.5:2882'"]
    assert f"cannot connect to 127.0.0.2:{port}: connection refused" in on.log.text
    assert f"connected to 127.0.0.1:{port} as root@sys#obdemo" in on.log.text
    assert "127.0.0.3" not in on.log.text


async def test_when_no_host_answers_all_of_them_are_named() -> None:
    """The message says of each host why it did not let us in."""
    port = free_port()
    ended = await sql_bench(target(port, "127.0.0.2,127.0.0.1")).run(attempt(sql()))

    assert isinstance(ended, Failed)
    assert ended.reason is FailureReason.CONNECTION_FAILED
    assert ended.message.startswith(f"none of 2 hosts let us in: cannot connect to 127.0.0.2:{port}: connection refused; ")


async def test_a_wrong_password_is_not_tried_on_every_host() -> None:
    """What one server says of a user the others say too; and accounts get locked by too many tries."""
    script = Script()
    async with scripted_server(script) as port:
        wrong = Connection("127.0.0.1,localhost", port, "root@sys#obdemo", "another")
        ended = await sql_bench(wrong).run(attempt(sql()))

    assert isinstance(ended, Failed)
    assert (ended.code, ended.permanent) == ("1045", True)
    assert "access denied for user 'root@sys#obdemo'" in ended.message
    assert script.users == [""]  # one try, and nobody was let in


@pytest.mark.parametrize("user", ["root@sys", "root@sys#obdemo", "obdemo:sys:root", "proxyro@sys"])
async def test_users_are_sent_as_written(user: str) -> None:
    """OBProxy takes the tenant and the cluster from the user's name."""
    script = Script()
    async with scripted_server(script) as port:
        assert isinstance(await sql_bench(target(port, user=user)).run(attempt(sql())), Succeeded)

    assert script.users == [user]


@pytest.mark.parametrize(
    ("code", "message", "permanent"),
    [
        (1205, "Lock wait timeout exceeded; try restarting transaction", False),
        (4038, "The server is not master", False),
        (4012, "Timeout", False),
        (1146, "Table 'a.b' doesn't exist", False),
        (1064, "You have an error in your SQL syntax", True),
        (1142, "SELECT command denied to user", True),
        (1227, "Access denied; you need SUPER privilege", True),
    ],
)
async def test_errors_that_may_pass_are_told_from_those_that_will_not(code: int, message: str, permanent: bool) -> None:
    """A lock wait or a leader switch is worth an automatic retry; syntax and missing rights are not."""
    async with scripted_server(Script(failing(code, message))) as port:
        ended = await sql_bench(target(port)).run(attempt(sql("ALTER SYSTEM ADD ZONE 'z4'")))

    assert isinstance(ended, Failed)
    assert (ended.reason, ended.code, ended.permanent) == (FailureReason.SQL_ERROR, str(code), permanent)
    assert message in ended.message


async def test_tenants_zones_and_servers() -> None:
    """Statements that only a cluster knows arrive as written, in order, and expressions see what it answers."""
    zones: Answer = ((("z1", "ACTIVE"), ("z2", "INACTIVE")), ("ZONE", "STATUS"))
    script = Script(lambda text: zones if "DBA_OB_ZONES" in text else NOTHING)
    statements = ("ALTER SYSTEM STOP ZONE 'z2'", "SELECT ZONE, STATUS FROM oceanbase.DBA_OB_ZONES")
    async with scripted_server(script) as port:
        ended = await sql_bench(target(port)).run(
            attempt(sql(*statements, expect='rows.exists(row, row.ZONE == "z2" && row.STATUS == "INACTIVE")'))
        )

    assert ended == Succeeded("2 statements")
    assert tuple(script.statements) == statements
