"""Owns one connection of the driver to one address: TLS, the login, and which rows of a result are kept.

Rows are kept for expressions up to 1,000 of them, 1 MiB and 65,536 values; the others are counted as they pass.
"""

import asyncio
import ssl
import struct
from typing import Any

from pymysql import err
from pymysql.charset import charset_by_name
from pymysql.constants import CLIENT, CR, SERVER_STATUS
from pymysql.protocol import EOFPacketWrapper, MysqlPacket

from obtask.executors.connections.connection import Connection, Tls
from obtask.executors.network.large_answers import Share
from obtask.executors.sql.answers import Result
from obtask.executors.sql.bounded import CONTINUED, LONGEST_ERROR, MEBIBYTE, Bounded, TooLong
from obtask.executors.sql.login import CACHING, NATIVE, Keeper, NotGiven

KEPT_ROWS = 1000
KEPT_BYTES = MEBIBYTE
KEPT_VALUES = 65_536
KNOWN, WHOLE = b"\x03", b"\x04"  # caching_sha2_password: the hash was enough, or the whole password is wanted
SHORT_PROOF = 0xFB  # the length of a longer one takes more bytes
CONNECT_SECONDS = 10.0

Rows = tuple[tuple[Any, ...], ...]


class NoTls(Exception):  # noqa: N818 - what the server did
    """The server offers TLS and cannot do it."""


class Wire(Bounded):
    """The driver's connection, with its login and its way of keeping rows replaced."""

    def __init__(self, address: str, target: Connection, context: ssl.SSLContext | None, share: Share, **settings: Any) -> None:
        super().__init__(
            host=target.host,
            port=target.port,
            user=target.user,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            share=share,
            **settings,
        )
        self._name, self._host = target.host, address
        self._target = target
        self._context = context

    @property
    def security(self) -> str:
        """How the session is protected, for people: nothing if it is not."""
        if not self._secure:
            return ""
        return " over TLS, verified" if self._target.ca_cert else " over TLS, not verified"

    @property
    def backslash_escapes(self) -> bool:
        """True unless the session's sql_mode has NO_BACKSLASH_ESCAPES, as the server told last."""
        return not self.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES

    @property
    def in_transaction(self) -> bool:
        """True when the server told, with the last statement that returned no rows, that a transaction is open.

        Without autocommit a query opens one, too, but changes nothing: the end of a result with rows is not looked at.
        """
        return bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    async def open(self) -> None:
        """Connect and log in."""
        await self._connect()
        self._let_in = True

    async def run(self, sql: str) -> Result:
        """Run the text; it may hold several statements: the rows are those of the last one that has rows. Raises TooLong."""
        self._begin_answer()
        await self.query(sql, unbuffered=True)
        columns, rows, total, affected = (), (), 0, 0  # type: tuple[str, ...], Rows, int, int
        while True:
            if self._result.unbuffered_active:
                columns = _names(self._result.fields)
                rows, total = await self._collect()
                affected = total
            else:
                affected = self._result.affected_rows
            if not self._result.has_next:
                return Result(columns, rows, total, affected)
            self._next_result()
            await self._read_query_result(unbuffered=True)

    async def _collect(self) -> tuple[Rows, int]:
        """Read all rows, keep the first ones: the protocol has no way to leave the rest unread."""
        rows: list[tuple[Any, ...]] = []
        result, total, room, values = self._result, 0, KEPT_BYTES, KEPT_VALUES
        while True:
            keeping = len(rows) == total < KEPT_ROWS and values >= len(result.converters)
            self._room = room if keeping else LONGEST_ERROR
            packet, size = await self._read_any(MysqlPacket)
            if size == len(packet.get_all_data()) and packet.is_eof_packet():
                result.unbuffered_active, result.connection, result.has_next = False, None, EOFPacketWrapper(packet).has_next
                return tuple(rows), total
            total += 1
            if keeping and size <= room:
                room, values = room - size, values - len(result.converters)
                rows.append(_row(packet, result.converters))
            elif total == 1:
                raise TooLong(f"its first row is longer than {KEPT_BYTES // MEBIBYTE} MiB")

    async def _request_authentication(self) -> None:
        """Log in: under TLS where it is wanted, with the password only as ``login`` has it."""
        self._host = self._name  # whom TLS verifies
        self.client_flag |= CLIENT.MULTI_RESULTS
        if not self.server_capabilities & CLIENT.SECURE_CONNECTION:
            raise NotGiven("the server is too old: it hashes passwords in a way that anybody can undo")
        begin = await self._encrypt()
        key = self._target.server_public_key
        keeper = Keeper(
            self._target.password.encode(), self._secure, self._secure and bool(self._target.ca_cert), key.encode() if key else None
        )
        plugin, salt = self._server_auth_plugin or NATIVE, self.salt
        self.write_packet(begin + self._login(plugin, keeper.first(plugin, salt)))
        answer = await self._read_packet()
        if answer.is_auth_switch_request():
            plugin, salt = _switched(answer)
            self.write_packet(keeper.first(plugin, salt))
            answer = await self._read_packet()
        if answer.is_extra_auth_data() and plugin == CACHING and answer.get_bytes(1) in (KNOWN, WHOLE):
            if answer.get_bytes(1) == WHOLE:
                self.write_packet(keeper.whole(plugin, salt))
            answer = await self._read_packet()
        if not answer.is_ok_packet():
            raise NotGiven("the server asks for the password again and again, or in a way of its own")
        self._auth_plugin_used = plugin

    async def _encrypt(self) -> bytes:
        """Begin TLS if it is wanted and offered; return the words that begin a login. Raises NoTls."""
        offered = bool(self.server_capabilities & CLIENT.SSL)
        if self._context is not None and not offered and (self._target.ca_cert or self._target.tls is Tls.REQUIRED):
            wanted = "ca.crt is given" if self._target.ca_cert else "tls is required"
            raise err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"{wanted}, but the server offers no TLS")
        use = self._context is not None and offered
        self.client_flag |= CLIENT.SSL if use else 0
        begin = struct.pack("<iIB23s", self.client_flag, CONTINUED, charset_by_name(self.charset).id, b"")
        if use:
            self.write_packet(begin)
            try:
                await self._handshake()
            except OSError as error:
                if self._target.tls is Tls.PREFERRED and not self._target.ca_cert:
                    raise NoTls(f"the server offers TLS, but cannot do it ({type(error).__name__})") from error
                raise
            self._secure = True
        return begin

    async def _handshake(self) -> None:
        """Speak TLS from here on. The socket gets another transport: nothing that came before is taken for what was said inside."""
        old = self._writer.transport
        old.pause_reading()
        raw = old.get_extra_info("socket").dup()
        old.close()
        self._reader, self._writer = await asyncio.open_connection(sock=raw, ssl=self._context, server_hostname=self._host)

    def _login(self, plugin: str, proof: bytes) -> bytes:
        """Return the words of a login after its beginning."""
        flags = self.server_capabilities
        if len(proof) >= SHORT_PROOF and not flags & CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA:
            raise NotGiven("the server is too old for what it asks for")
        size = bytes([len(proof)]) if len(proof) < SHORT_PROOF else b"\xfc" + struct.pack("<H", len(proof))
        words: bytes = self.user.encode() + b"\0" + size + proof
        if self._db and flags & CLIENT.CONNECT_WITH_DB:
            words += self._db.encode() + b"\0"
        if flags & CLIENT.PLUGIN_AUTH:
            words += plugin.encode() + b"\0"
        if flags & CLIENT.CONNECT_ATTRS:
            texts = [text.encode()[:128] for pair in self._connect_attrs.items() for text in pair]
            attributes = b"".join(bytes([len(text)]) + text for text in texts)
            words += bytes([len(attributes)]) + attributes
        return words


def _switched(packet: MysqlPacket) -> tuple[str, bytes]:
    """Return the plugin that a server asks for instead, and its salt."""
    packet.advance(1)
    name = packet.read_string()
    if not name:
        return "mysql_old_password", b""
    return name.decode("latin-1"), packet.read_all()


def _names(fields: list[Any]) -> tuple[str, ...]:
    """Return what the columns are called; a second one of a name has its table's before it."""
    names: list[str] = []
    taken: set[str] = set()
    for field in fields:
        names.append(f"{field.table_name}.{field.name}" if field.name in taken and field.table_name else field.name)
        taken.add(names[-1])
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
