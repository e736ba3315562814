"""Owns a relay in front of a real SQL server: it speaks the MySQL protocol, and asks a script about every statement first.

What the script passes on is answered by the server behind, byte for byte. So an answer has the server's own types, and a statement that the
server cannot read is refused by its own parser.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from pymysql._auth import scramble_native_password

from devcluster.ports import LOOPBACK
from devcluster.sqlserver import SqlServer

CHUNK: Final = 1 << 16
COM_QUERY: Final = 0x03
DENIED: Final = 1045
IDENTITY: Final = re.compile(r"@OBTASK_(\w+)='?([^',]*)'?")
_HEADER: Final = struct.Struct("<I")


@dataclass(slots=True)
class Session:
    """Who speaks: the user, and what its attempt said of itself."""

    user: str
    identity: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PassOn:
    """The server behind is to answer this statement."""

    sql: str


@dataclass(frozen=True, slots=True)
class Done:
    """The statement was carried out here."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The statement is refused with this error."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection breaks: nobody learns what became of the statement."""


Verdict = PassOn | Done | Refuse | HangUp


class Script(Protocol):
    """Decides about statements."""

    def password(self, user: str) -> str | None:
        """Return the password of a user, or None if there is no such user."""

    async def said(self, session: Session, sql: str) -> Verdict:
        """Decide about a statement."""


class Relay:
    """Accepts connections on a port of 127.0.0.1, each with one to the server behind."""

    def __init__(self, server: SqlServer, script: Script) -> None:
        self._server = server
        self._script = script

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until one side has gone."""
        far_reader, far_writer = await asyncio.open_connection(self._server.host, self._server.port)
        try:
            session = await self._let_in(reader, writer, far_reader, far_writer)
            if session is not None:
                down = asyncio.create_task(_pump(far_reader, writer))
                try:
                    await self._relay(session, reader, writer, far_writer)
                finally:
                    down.cancel()
                    await asyncio.gather(down, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side has gone
        finally:
            for end in (writer, far_writer):
                end.transport.abort()

    async def _let_in(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> Session | None:
        """Check the user's password, and log in at the server behind as the one user that it has."""
        _, greeting = await _packet(far_reader)
        writer.write(_framed(0, greeting))
        number, login = await _packet(reader)
        salt, (user, proof, rest) = _salt(greeting), _login(login)
        expected = self._script.password(user)
        if expected is None or proof != scramble_native_password(expected.encode(), salt):
            writer.write(_framed(number + 1, _error(Refuse(DENIED, f"Access denied for user '{user}'"))))
            await writer.drain()
            return None
        own = scramble_native_password(self._server.password.encode(), salt)
        far_writer.write(_framed(number, login[:32] + self._server.user.encode() + b"\0" + bytes([len(own)]) + own + rest))
        number, answer = await _packet(far_reader)
        writer.write(_framed(number, answer))
        return Session(user) if answer[0] == 0 else None

    async def _relay(
        self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far_writer: asyncio.StreamWriter
    ) -> None:
        while True:
            number, payload = await _packet(reader)
            if payload[0] != COM_QUERY:
                far_writer.write(_framed(number, payload))
                continue
            sql = payload[1:].decode()
            if "@OBTASK_STEP=" in sql:
                session.identity = dict(IDENTITY.findall(sql))
            verdict = await self._script.said(session, sql)
            match verdict:
                case PassOn(sql=text):
                    far_writer.write(_framed(number, bytes([COM_QUERY]) + text.encode()))
                case Done():
                    writer.write(_framed(number + 1, b"\0\0\0\x02\0\0\0"))
                case Refuse():
                    writer.write(_framed(number + 1, _error(verdict)))
                case HangUp():
                    return


@asynccontextmanager
async def relay(server: SqlServer, script: Script) -> AsyncIterator[int]:
    """Run a relay until the block ends; yield its port."""
    served: set[asyncio.Task[None]] = set()
    one = Relay(server, script)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one.serve(reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)

    listening = await asyncio.start_server(connected, LOOPBACK, 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the number and payload of the next packet; none of a test is as long as 16 MiB."""
    (header,) = _HEADER.unpack(await reader.readexactly(4))
    return header >> 24, await reader.readexactly(header & 0xFFFFFF)


def _framed(number: int, payload: bytes) -> bytes:
    return _HEADER.pack(len(payload) | (number & 0xFF) << 24) + payload


def _error(refused: Refuse) -> bytes:
    return b"\xff" + struct.pack("<H", refused.code) + b"#HY000" + refused.message.encode()


def _salt(greeting: bytes) -> bytes:
    """Return the 20 bytes that the password is hashed with: 8 after the version and the number of the session, 12 after the rest."""
    after = greeting.index(b"\0") + 5
    return greeting[after : after + 8] + greeting[after + 27 : after + 39]


def _login(packet: bytes) -> tuple[str, bytes, bytes]:
    """Return the user, the hashed password, and what follows: the database, and what else the client says of itself."""
    end = packet.index(b"\0", 32)
    length = packet[end + 1]
    return packet[32:end].decode(), packet[end + 2 : end + 2 + length], packet[end + 2 + length :]
