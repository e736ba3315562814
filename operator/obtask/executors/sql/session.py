"""Owns a SQL session: connecting, running a statement, stopping it on the server. From here on, failures are values."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

from pymysql import err
from pymysql.constants import CR

from obtask.executors.connections.connection import Connection, Tls
from obtask.executors.network.large_answers import LargeAnswers, Share
from obtask.executors.network.lookup import ANYWHERE, HostPolicy, HostRefused, reachable
from obtask.executors.sql.answers import Result, SqlFault, SqlFaultKind
from obtask.executors.sql.bounded import TooLong
from obtask.executors.sql.login import NotGiven
from obtask.executors.sql.statements import literal_text
from obtask.executors.sql.wire import CONNECT_SECONDS, NoTls, Wire

STOP_SECONDS = 5.0
CLOSE_SECONDS = 1.0
CLIENT_ERRORS = range(2000, 3000)
TOO_LONG = str(CR.CR_NET_PACKET_TOO_LARGE)
# The server's last words before it hangs up: shutdown, killed (MySQL, MariaDB, OceanBase), idle for too long.
LAST_WORDS = frozenset({1053, 1927, 3169, 4031, 5066})


class SqlSession:
    """One connection to a server. No method lets an exception of the server escape."""

    def __init__(self, wire: Wire, target: Connection, tell: Callable[[str], None], hosts: HostPolicy, share: Share) -> None:
        self._wire = wire
        self._share = share
        self._target = target
        self._tell = tell
        self._hosts = hosts

    @property
    def closed(self) -> bool:
        """True when the connection is gone."""
        return bool(self._wire.closed)

    @property
    def in_transaction(self) -> bool:
        """True when what the last statements did is not committed."""
        return self._wire.in_transaction

    @property
    def host(self) -> str:
        """The host as the Secret names it."""
        return self._target.host

    @property
    def security(self) -> str:
        """How the session is protected, for people: nothing if it is not."""
        return self._wire.security

    @property
    def number(self) -> int:
        """The server's number of the session."""
        return int(self._wire.thread_id())

    def escape(self, value: object) -> str:
        """Return the value as a SQL literal, as the session's sql_mode wants it."""
        if isinstance(value, str):
            return literal_text(value, backslash_escapes=self._wire.backslash_escapes)
        if isinstance(value, float):
            return repr(value)  # exact, as it is written; the driver would make a double of it
        return str(self._wire.escape(value))

    async def execute(self, sql: str) -> Result | SqlFault:
        """Run the statement. If the caller is cancelled, it is stopped on the server first."""
        running = asyncio.ensure_future(self.run(sql))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            try:
                await self._stop(running, sql)
            finally:
                running.cancel()
            raise

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        writer = self._wire._writer  # noqa: SLF001 - the driver offers no way to wait until the socket is closed
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._wire.ensure_closed()
                if writer is not None:
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # it is gone either way
        finally:
            self._wire.close()

    def forget(self) -> None:
        """Release the last result."""
        self._share.leave()

    async def run(self, sql: str) -> Result | SqlFault:
        """Run the statement. If the caller is cancelled, the connection is closed and nothing else is done."""
        try:
            return await self._wire.run(sql)
        except TooLong as error:
            self._wire.close()  # the protocol has no way to leave the rest unread
            return SqlFault(SqlFaultKind.STATEMENT, f"{error}; the connection was closed", TOO_LONG)
        except err.Error as error:
            code, message = _code(error), _message(error)
            lost = self.closed or code is None or int(code) in CLIENT_ERRORS or int(code) in LAST_WORDS
            return SqlFault(SqlFaultKind.LOST if lost else SqlFaultKind.STATEMENT, message, code)
        except Exception as error:  # noqa: BLE001 - the driver raises anything on malformed answers
            self._wire.close()  # what the server sends next would be taken for the answer to another statement
            return SqlFault(SqlFaultKind.LOST, f"cannot read the server's answer ({type(error).__name__})")

    async def _stop(self, running: asyncio.Future[Result | SqlFault], sql: str) -> None:
        """Stop the statement within a bounded time, as well as possible: the connection is closed afterwards in any case."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                refused = await self._kill(sql)
                if refused is not None:
                    self._tell(f"cannot stop the statement: {refused}; closing its connection")
                    return
                self._tell(f"sent KILL QUERY {self.number}")
                await asyncio.wait([running])
                ended = running.result()
                self._tell("the server had carried it out" if isinstance(ended, Result) else f"the server stopped it: {ended.message}")
        except TimeoutError:
            self._tell(f"could not stop the statement within {STOP_SECONDS:g} s; closing its connection")

    async def _kill(self, sql: str) -> str | None:
        """Stop the statement from a second connection, if that one really sees it; return why not.

        Behind a load balancer the second connection may reach another server or proxy, where the same number is someone else's session.
        """
        other = await connect(self._target, self._tell, hosts=self._hosts, share=self._share.another())
        if isinstance(other, SqlFault):
            return other.message
        try:
            seen = await other.run(f"SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = {self.number}")  # noqa: S608 - a number
            if isinstance(seen, SqlFault) or not seen.rows or not _same(seen.rows[0][0], sql):
                return "the server does not show it as running"
            killed = await other.run(f"KILL QUERY {self.number}")
            return killed.message if isinstance(killed, SqlFault) else None
        finally:
            other.forget()
            await other.close()


async def connect(
    target: Connection,
    tell: Callable[[str], None],
    *,
    database: str | None = None,
    program: str = "obtask",
    seconds: float = CONNECT_SECONDS,
    hosts: HostPolicy = ANYWHERE,
    share: Share | None = None,
) -> SqlSession | SqlFault:
    """Return a session in autocommit mode. ``tell`` is called about TLS, and about statements that are stopped."""
    part = share or LargeAnswers().of("")
    try:
        context = _tls(target)
    except (ssl.SSLError, ValueError) as error:
        return SqlFault(SqlFaultKind.CONNECT, f"ca.crt cannot be read: {type(error).__name__}")

    def wires(to: Connection, tls: ssl.SSLContext | None) -> list[Wire]:
        return [Wire(address, to, tls, part, db=database, program_name=program[:128]) for address in addresses]

    try:
        async with asyncio.timeout(seconds):
            addresses = [ip for _, ip in await reachable(hosts, target.host, target.port)]
            try:
                wire = await _opened(wires(target, context))
            except NoTls as without:
                tell(f"{_where(target)}: {without}; going on without TLS")
                wire = await _opened(wires(replace(target, tls=Tls.DISABLED), None))
    except Exception as error:  # noqa: BLE001 - the driver raises anything on malformed answers
        return _no_session(error, target, seconds)
    return SqlSession(wire, target, tell, hosts, part)


def _no_session(error: Exception, target: Connection, seconds: float) -> SqlFault:
    """Return why there is no session."""
    match error:
        case HostRefused():
            return SqlFault(SqlFaultKind.FORBIDDEN, str(error))
        case NotGiven() | TooLong():
            return SqlFault(SqlFaultKind.CONNECT, f"cannot connect to {_where(target)}: {error}")
        case TimeoutError():
            return SqlFault(SqlFaultKind.CONNECT, f"{_where(target)} did not let us in within {seconds:g} s")
        case OSError():
            why = (error.strerror or type(error).__name__).lower()
            return SqlFault(SqlFaultKind.CONNECT, f"cannot connect to {_where(target)}: {why}", str(CR.CR_CONN_HOST_ERROR))
        case err.Error():
            return SqlFault(SqlFaultKind.CONNECT, _refusal(error, target), _code(error))
        case _:
            return SqlFault(SqlFaultKind.CONNECT, f"{_where(target)} does not speak the MySQL protocol ({type(error).__name__})")


async def _opened(wires: list[Wire]) -> Wire:
    """Open the first one that accepts a connection; raise the error of the last one."""
    for number, wire in enumerate(wires, 1):
        try:
            await wire.open()
        except err.OperationalError as error:
            if number == len(wires) or not isinstance(error.__cause__, OSError):
                raise
        except BaseException:
            wire.close()
            raise
        else:
            return wire
    raise AssertionError("a host without addresses is not reachable")


def _tls(target: Connection) -> ssl.SSLContext | None:
    """Return how TLS is spoken; raise ValueError or SSLError if ca.crt holds no certificate."""
    if target.ca_cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=target.ca_cert)
        return context
    if target.tls is Tls.DISABLED:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # without a ca.crt there is nothing to verify with: it keeps out who only listens
    context.verify_mode = ssl.CERT_NONE
    return context


def _same(shown: object, sql: str) -> bool:
    """Return whether the process list shows this statement; it may cut long ones, or show one of several."""
    seen = " ".join(str(shown or "").split()).rstrip("; ")
    return bool(seen) and seen in " ".join(sql.split())


def _where(target: Connection) -> str:
    return f"{target.host}:{target.port}"


def _code(error: err.Error) -> str | None:
    code = error.args[0] if error.args else None
    return str(code) if isinstance(code, int) and code > 0 else None


def _message(error: err.Error) -> str:
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(text.split())


def _refusal(error: err.Error, target: Connection) -> str:
    code, cause = _code(error), error.__cause__
    if code == "1045":
        return f"access denied for user {target.user!r} at {_where(target)}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"cannot verify the TLS certificate of {_where(target)}: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        known = cause.strerror if isinstance(cause, socket.gaierror) else os.strerror(cause.errno or 0)
        return f"cannot connect to {_where(target)}: {known.lower()}"
    return f"cannot connect to {_where(target)}: {_message(error)}"
