"""Connecting: what can go wrong becomes ConnectionFailed with a reason, in time, and no password goes astray."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.component.executors.certified import Certified
from tests.component.executors.seekdb import sql_bench
from tests.component.executors.wire import greeter, listening, mute, tls_front
from tests.support.attempts import attempt, sql, until
from tests.support.local import LOCAL

from devcluster.certificates import Authority
from devcluster.ports import free_port
from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import SqlFault, SqlFaultKind
from obtask.executors.sql.session import connect
from obtask.model.attempt import Failed, Lost, Outcome, Succeeded
from obtask.model.reasons import FailureReason

NOWHERE = Connection("127.0.0.1", 1, "root@sys", "hunter2")
OK = b"\0\0\0\x02\0\0\0"


async def run(target: Connection, *, seconds: float = 30) -> Outcome | Lost:
    """Carry out a harmless statement on this server."""
    return await sql_bench(target).run(attempt(sql("select 1"), seconds=seconds))


async def refusal(target: Connection) -> Failed:
    """Return why the server could not be reached."""
    end = await run(target)
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert "hunter2" not in end.message
    return end


def test_the_password_does_not_show() -> None:
    """A connection can be logged."""
    assert "hunter2" not in repr(NOWHERE)


async def test_nobody_listens() -> None:
    """A refused connection names the address."""
    port = free_port()

    end = await refusal(replace(NOWHERE, port=port))

    assert (end.message, end.code) == (f"cannot connect to 127.0.0.1:{port}: connection refused", "2003")


async def test_a_host_that_does_not_exist() -> None:
    """An unknown name names itself."""
    end = await refusal(replace(NOWHERE, host="no-such-host.invalid"))

    assert end.message.startswith("cannot connect to no-such-host.invalid:1: ")


async def test_a_wrong_password(server: Connection) -> None:
    """Access denied names the user and the server's error number."""
    end = await refusal(replace(server, password="hunter2"))  # noqa: S106 - a wrong one

    assert (end.message, end.code) == (f"access denied for user 'root@sys' at 127.0.0.1:{server.port}", "1045")


async def test_an_unknown_database(server: Connection) -> None:
    """The database is part of the connection."""
    end = await refusal(replace(server, database="nosuch"))

    assert (end.message, end.code) == (f"cannot connect to 127.0.0.1:{server.port}: Unknown database 'nosuch'", "1049")


async def test_a_mute_server_costs_no_more_than_the_attempts_time() -> None:
    """A port that accepts and never greets ends at the deadline."""
    async with listening(mute) as port:
        end = await run(replace(NOWHERE, port=port), seconds=0.2)

    assert end == Failed(FailureReason.TIMEOUT, "did not end within 0.2 s: connecting", untouched=True)


async def test_a_mute_server_costs_no_more_than_the_time_to_connect() -> None:
    """With more time, connecting gives up by itself."""
    async with listening(mute) as port:
        found = await connect(replace(NOWHERE, port=port), lambda _: None, seconds=0.1, hosts=LOCAL)

    assert found == SqlFault(SqlFaultKind.CONNECT, f"127.0.0.1:{port} did not let us in within 0.1 s")


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\0\0\0\x0a", b"", b"\0" * 64, b"\xff" * 64])
async def test_something_else_listens(said: bytes) -> None:
    """Whatever a stranger says, it is a failed connection."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    async with listening(talk) as port:
        end = await refusal(replace(NOWHERE, port=port))

    assert f"127.0.0.1:{port}" in end.message


async def test_a_server_that_hangs_up_after_the_login() -> None:
    """A login that leads nowhere is a failed connection."""
    heard: list[bytes] = []

    async with listening(greeter(heard, OK)) as port:
        end = await refusal(replace(NOWHERE, port=port))

    assert b"root@sys" in heard[0]
    assert b"SET @OBTASK_NAMESPACE='prod'" in heard[1]
    assert (end.message, end.code) == ("Lost connection to MySQL server during query", "2013")


async def test_a_password_does_not_travel_in_clear_text() -> None:
    """A server, or whoever is in between, that asks for the clear text over a connection without TLS does not get it."""
    heard: list[bytes] = []

    async with listening(greeter(heard, b"\xfemysql_clear_password\0")) as port:
        end = await refusal(replace(NOWHERE, port=port))

    assert "clear text" in end.message
    assert b"hunter2" not in b"".join(heard)


async def test_a_server_cannot_read_files_of_the_operator() -> None:
    """A server may answer any statement by asking for a file of the client; it gets none."""
    heard: list[bytes] = []

    async with listening(greeter(heard, OK, b"\xfb/etc/passwd")) as port:
        await refusal(replace(NOWHERE, port=port))
        await until(lambda: len(heard) == 3)

    assert heard[2] == b""


async def test_tls_is_verified_and_used(server: Connection, tmp_path: Path) -> None:
    """With ca.crt the session is encrypted, from the login on."""
    certified = Certified(tmp_path, "sql")

    async with tls_front(server, certified.server, certified.ciphers) as port:
        end = await run(replace(server, port=port, ca_cert=certified.ca_cert))

    assert end == Succeeded("1 statement")
    assert len(certified.ciphers) == 1


async def test_a_certificate_of_a_stranger_is_refused(server: Connection, tmp_path: Path) -> None:
    """A server that the given authority does not vouch for gets no login."""
    certified = Certified(tmp_path, "sql")

    async with tls_front(server, certified.server, certified.ciphers) as port:
        end = await refusal(replace(server, port=port, ca_cert=Authority.create("others").certificate.decode()))

    assert end.message.startswith(f"cannot verify the TLS certificate of 127.0.0.1:{port}: ")


async def test_a_certificate_for_another_host_is_refused(server: Connection, tmp_path: Path) -> None:
    """The name in the certificate must be the host of the connection."""
    certified = Certified(tmp_path, "sql")

    async with tls_front(server, certified.server, certified.ciphers) as port:
        end = await refusal(replace(server, host="127.0.0.2", port=port, ca_cert=certified.ca_cert))

    assert "127.0.0.2" in end.message


async def test_ca_crt_means_tls_or_nothing() -> None:
    """A server that offers no TLS, or whoever strips the offer, does not even learn the user."""
    heard: list[bytes] = []

    async with listening(greeter(heard)) as port:
        end = await refusal(replace(NOWHERE, port=port, ca_cert=Authority.create("tests").certificate.decode()))
        await until(lambda: heard)

    assert end.message == f"cannot connect to 127.0.0.1:{port}: ca.crt is given, but the server offers no TLS"
    assert heard == [b""]


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_ca_crt_that_is_none(text: str) -> None:
    """What cannot be read is not taken for "no TLS"."""
    end = await refusal(replace(NOWHERE, ca_cert=text))

    assert end.message.startswith("ca.crt cannot be read")
