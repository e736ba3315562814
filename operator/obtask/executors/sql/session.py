"""Owns the MySQL wire: connecting, running a statement, stopping it on the server. The only module that knows the driver."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiomysql
from pymysql import err
from pymysql.constants import CLIENT, CR

from obtask.executors.connections import Connection
from obtask.executors.hosts import ANYWHERE, HostPolicy, HostRefused, reachable
from obtask.executors.sql.answers import Fault, FaultKind, Result

CONNECT_SECONDS = 10.0
STOP_SECONDS = 5.0
CLOSE_SECONDS = 1.0
KEPT_ROWS = 1000
KEPT_BYTES = 8 * 1024 * 1024
CLIENT_ERRORS = range(2000, 3000)
# The server's last words before it hangs up: shutdown, killed (MySQL, MariaDB, OceanBase), idle for too long.
LAST_WORDS = frozenset({1053, 1927, 3169, 4031, 5066})


class _Wire(aiomysql.Connection):  # type: ignore[misc] # the driver has no types
    """The driver's connection: to one address, with bounded memory, and a password that leaves only as the Secret allows."""

    def __init__(self, address: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._name, self._host = settings["host"], address

    async def open(self) -> None:
        await self._connect()

    async def run(self, sql: str) -> Result:
        """Run the text; it may hold several statements: the rows are those of the last one that has rows."""
        await self.query(sql, unbuffered=True)
        columns, rows, total, affected = (), (), 0, 0  # type: tuple[str, ...], tuple[tuple[Any, ...], ...], int, int
        while True:
            if self._result.unbuffered_active:
                columns = _names(self._result.fields)
                rows, total = await self._collect()
                affected = total
            else:
                affected = self._result.affected_rows
            if not self._result.has_next:
                return Result(columns, rows, total, affected)
            await self._read_query_result(unbuffered=True)

    async def _collect(self) -> tuple[tuple[tuple[Any, ...], ...], int]:
        """Read all rows, keep the first ones: the protocol has no way to leave the rest unread."""
        rows: list[tuple[Any, ...]] = []
        result, total, room = self._result, 0, KEPT_BYTES
        while True:
            packet = await self._read_packet()
            if result._check_packet_is_eof(packet):  # noqa: SLF001
                result.unbuffered_active, result.connection = False, None
                return tuple(rows), total
            total += 1
            if len(rows) < KEPT_ROWS and room > 0:
                room -= len(packet.get_all_data())
                rows.append(_row(packet, result.converters))

    async def _request_authentication(self) -> None:
        self._host = self._name  # whom TLS verifies
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "ca.crt is given, but the server offers no TLS")
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> None:
        if plugin_name == b"mysql_clear_password" and not self._secure:
            raise err.OperationalError(CR.CR_AUTH_PLUGIN_ERR, "the server wants the password in clear text over a connection without TLS")
        await super()._process_auth(plugin_name, auth_packet)


class Session:
    """One connection to a server. No method lets an exception of the server escape."""

    def __init__(self, wire: _Wire, target: Connection, tell: Callable[[str], None], hosts: HostPolicy) -> None:
        self._wire = wire
        self._target = target
        self._tell = tell
        self._hosts = hosts

    @property
    def closed(self) -> bool:
        """True when the connection is gone."""
        return bool(self._wire.closed)

    @property
    def host(self) -> str:
        """The host as the Secret names it."""
        return self._target.host

    @property
    def number(self) -> int:
        """The server's number of the session."""
        return int(self._wire.thread_id())

    def escape(self, value: object) -> str:
        """Return the value as a SQL literal, as the session's sql_mode wants it."""
        return str(self._wire.escape(value))

    async def execute(self, sql: str) -> Result | Fault:
        """Run the text. If the caller is cancelled meanwhile, it is stopped on the server first."""
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

    async def run(self, sql: str) -> Result | Fault:
        """Run the text. If the caller is cancelled meanwhile, the connection is closed and nothing else is done."""
        try:
            result: Result = await self._wire.run(sql)
        except err.Error as error:
            code, message = _code(error), _message(error)
            lost = self.closed or code is None or int(code) in CLIENT_ERRORS or int(code) in LAST_WORDS
            return Fault(FaultKind.LOST if lost else FaultKind.STATEMENT, message, code)
        except Exception as error:  # noqa: BLE001 - the driver trips over odd answers in any way it likes
            self._wire.close()  # what the server sends next would be taken for the answer to another statement
            return Fault(FaultKind.LOST, f"cannot read the server's answer ({type(error).__name__})")
        return result

    async def _stop(self, running: asyncio.Future[Result | Fault], sql: str) -> None:
        """Best effort within a bounded time: whatever happens, closing the connection comes next."""
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
        other = await connect(self._target, self._tell, hosts=self._hosts)
        if isinstance(other, Fault):
            return other.message
        try:
            seen = await other.run(f"SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = {self.number}")  # noqa: S608 - a number
            if isinstance(seen, Fault) or not seen.rows or not _same(seen.rows[0][0], sql):
                return "the server does not show it as running"
            killed = await other.run(f"KILL QUERY {self.number}")
            return killed.message if isinstance(killed, Fault) else None
        finally:
            await other.close()


async def connect(
    target: Connection,
    tell: Callable[[str], None],
    *,
    database: str | None = None,
    program: str = "obtask",
    seconds: float = CONNECT_SECONDS,
    hosts: HostPolicy = ANYWHERE,
) -> Session | Fault:
    """Return a session in autocommit mode. ``tell`` hears what becomes of statements that are stopped."""
    try:
        tls = _tls(target.ca_cert)
    except (ssl.SSLError, ValueError) as error:
        return Fault(FaultKind.CONNECT, f"ca.crt cannot be read: {type(error).__name__}")
    try:
        async with asyncio.timeout(seconds):
            addresses = [ip for _, ip in await reachable(hosts, target.host, target.port)]
            wire = await _opened([_wire(target, address, tls, database, program) for address in addresses])
    except HostRefused as refused:
        return Fault(FaultKind.FORBIDDEN, str(refused))
    except TimeoutError:
        return Fault(FaultKind.CONNECT, f"{_where(target)} did not let us in within {seconds:g} s")
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        return Fault(FaultKind.CONNECT, f"cannot connect to {_where(target)}: {why}", str(CR.CR_CONN_HOST_ERROR))
    except err.Error as error:
        return Fault(FaultKind.CONNECT, _refusal(error, target), _code(error))
    except Exception as error:  # noqa: BLE001 - the driver trips over odd answers in any way it likes
        return Fault(FaultKind.CONNECT, f"{_where(target)} does not speak the MySQL protocol ({type(error).__name__})")
    return Session(wire, target, tell, hosts)


async def _opened(wires: list[_Wire]) -> _Wire:
    """Open the first one that somebody listens on; raise what the last one met."""
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


def _wire(target: Connection, address: str, tls: ssl.SSLContext | None, database: str | None, program: str) -> _Wire:
    return _Wire(
        address,
        host=target.host,
        port=target.port,
        user=target.user,
        password=target.password.encode().decode("latin-1"),  # the driver sends Latin-1; servers compare bytes of UTF-8
        db=database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        program_name=program[:128],
        ssl=tls,
    )


def _tls(ca_cert: str | None) -> ssl.SSLContext | None:
    """Return what verifies the server; raise ValueError or SSLError if the text holds no certificate."""
    if ca_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca_cert)
    return context


def _names(fields: list[Any]) -> tuple[str, ...]:
    names: list[str] = []
    for field in fields:
        names.append(f"{field.table_name}.{field.name}" if field.name in names and field.table_name else field.name)
    return tuple(names)


def _row(packet: Any, converters: list[Any]) -> tuple[Any, ...]:
    """Read one row; unlike the driver, take text that is no text in its character set as it comes."""
    values = []
    for encoding, converter in converters:
        data = packet.read_length_coded_string()
        if data is not None and encoding is not None:
            data = data.decode(encoding, "replace")
        values.append(data if data is None or converter is None else converter(data))
    return tuple(values)


def _same(shown: object, sql: str) -> bool:
    """Tell whether the process list, which may cut long statements or show a part of several, shows this one."""
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
