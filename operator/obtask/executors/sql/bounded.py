"""Owns how much of what a SQL server sends is read, kept and worked on at once.

A packet has 16 MiB at most (1 MiB if it is no row), an answer 64 MiB, 250,000 packets (rows) and 1,024 results, a result 4,096 columns with
1 MiB of definitions, an error 4 KiB; before the server has let us in, a packet has 16 KiB, and there are 16 of them at most.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Any

import aiomysql
from pymysql import err
from pymysql.constants import CR
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from obtask.executors.network.large_answers import SMALL_BYTES, Share

MEBIBYTE = 1024 * 1024
LONGEST_PACKET = 16 * MEBIBYTE
LONGEST_ANSWER = 64 * MEBIBYTE
MOST_PACKETS = 250_000
LONGEST_COLUMNS = MEBIBYTE
MOST_COLUMNS = 4096
MOST_RESULTS = 1024
LONGEST_ERROR = 4096
LONGEST_LOGIN = 16 * 1024
MOST_LOGIN_PACKETS = 16
TURN_PACKETS = 64
TURN_BYTES = 256 * 1024
PIECE = 64 * 1024
CONTINUED = 0xFFFFFF  # a packet of this length is not the last one
ERROR = 0xFF


class TooLong(Exception):  # noqa: N818 - what the server did
    """The server sends more than anybody should; the text says what."""


@dataclass(slots=True)
class _Answer:
    """How much of an answer has come, in all and of the current result."""

    octets: int = 0
    result_octets: int = 0
    packets: int = 0
    results: int = 0
    columns: int = 0
    column_octets: int = 0
    since_turn: int = 0  # bytes, and so many for each packet that TURN_PACKETS of them make a turn


class _Column(FieldDescriptorPacket):  # type: ignore[misc] # the driver has no types
    """What a server says of a column. A long name may be cut in the middle of a character: it is taken as it comes."""

    def _parse_field_descriptor(self, encoding: str) -> None:
        self.catalog, self.db, *names = [self.read_length_coded_string() for _ in range(6)]
        self.table_name, self.org_table, self.name, self.org_name = [name.decode(encoding, "replace") for name in names]
        self.charsetnr, self.length, self.type_code, self.flags, self.scale = self.read_struct("<xHIBHBxx")


class Bounded(aiomysql.Connection):  # type: ignore[misc] # the driver has no types
    """The driver's connection, with its reading replaced. Reading raises TooLong."""

    _writer: Any

    def __init__(self, *, share: Share, **settings: Any) -> None:
        super().__init__(**settings)
        self._share = share
        self._answer = _Answer()
        self._let_in = False
        self._room = 0  # for the packet that comes next; of a longer one only the beginning is kept
        self._next_seq_id = 0

    def _begin_answer(self) -> None:
        self._answer = _Answer()

    def _next_result(self) -> None:
        answer = self._answer
        answer.results, answer.columns, answer.column_octets, answer.result_octets = answer.results + 1, 0, 0, 0
        if answer.results >= MOST_RESULTS:
            raise TooLong(f"the answer has more than {MOST_RESULTS} results")
        self._share.leave()  # what the next statement does may take any time

    async def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        """Return a packet other than a row; it has a megabyte at most."""
        self._room = MEBIBYTE if self._let_in else LONGEST_LOGIN
        packet, size = await self._read_any(packet_type)
        if size > self._room:
            raise TooLong(f"a part of the answer is longer than {self._room // 1024} KiB")
        return packet

    async def _read_any(self, packet_type: type[MysqlPacket]) -> tuple[MysqlPacket, int]:
        """Return the next packet and how long it is; one that is longer than there is room for is cut, an error in any case."""
        parts, size = [], 0
        try:
            while True:
                length = await self._head(size)
                parts.append(await self._part(length, fits=size + length <= self._room))
                size += length
                if length < CONTINUED:
                    break
        except asyncio.CancelledError:
            self._close_on_cancel()
            raise
        self._count_columns(packet_type, size)
        octets = parts[0] if len(parts) == 1 else b"".join(parts)[: max(self._room, LONGEST_ERROR)]
        if octets[:1] == bytes([ERROR]):
            octets = octets[:LONGEST_ERROR]
        packet = (_Column if packet_type is FieldDescriptorPacket else packet_type)(octets, self._encoding)
        if packet.is_error_packet():
            if self._result is not None:
                self._result.unbuffered_active = False
            packet.raise_for_error()
        return packet, size

    async def _head(self, before: int) -> int:
        """Return how long the next part of a packet is, of which there is something already."""
        low, high, number = struct.unpack("<HBB", await self._next(4))
        if number != self._next_seq_id:
            self.close()
            if number == 0:  # an error of a server that shuts down has this number
                raise err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
            raise err.InternalError(f"Packet sequence number wrong - got {number} expected {self._next_seq_id}")
        self._next_seq_id = (number + 1) % 256
        length: int = low + (high << 16)
        await self._charge(before, length)
        return length

    async def _charge(self, before: int, length: int) -> None:
        answer = self._answer
        answer.octets += length
        answer.result_octets += length
        answer.packets += 1
        answer.since_turn += length + TURN_BYTES // TURN_PACKETS
        if not self._let_in and (before + length > LONGEST_LOGIN or answer.packets > MOST_LOGIN_PACKETS):
            raise TooLong("the server says more than a login needs")
        if before + length > LONGEST_PACKET:
            raise TooLong(f"a row or a packet is longer than {LONGEST_PACKET // MEBIBYTE} MiB")
        if answer.octets > LONGEST_ANSWER:
            raise TooLong(f"the answer is longer than {LONGEST_ANSWER // MEBIBYTE} MiB")
        if answer.packets > MOST_PACKETS:
            raise TooLong(f"the answer has more than {MOST_PACKETS} rows")
        if answer.since_turn >= TURN_BYTES:
            answer.since_turn = 0
            await self._share.turn()
        if answer.result_octets > SMALL_BYTES:
            await self._share.enter()

    async def _part(self, length: int, *, fits: bool) -> bytes:
        """Read a part of a packet; of one that does not fit only the beginning is kept."""
        if fits:
            return await self._next(length)
        kept = await self._next(min(length, LONGEST_ERROR))
        left = length - len(kept)
        while left:
            left -= len(await self._next(min(left, PIECE)))
        return kept

    async def _next(self, length: int) -> bytes:
        """Read so many bytes; a large answer has room for a while only."""
        if self._answer.result_octets <= SMALL_BYTES:
            return bytes(await self._read_bytes(length))
        try:
            async with asyncio.timeout(self._share.seconds_left):
                return bytes(await self._read_bytes(length))
        except TimeoutError as error:
            raise TooLong(f"the answer is large, and takes more than {self._share.seconds:g} s to come") from error

    def _count_columns(self, packet_type: type[MysqlPacket], size: int) -> None:
        if packet_type is FieldDescriptorPacket:
            self._answer.columns += 1
            self._answer.column_octets += size
            if self._answer.columns > MOST_COLUMNS:
                raise TooLong(f"the answer has more than {MOST_COLUMNS} columns")
            if self._answer.column_octets > LONGEST_COLUMNS:
                raise TooLong(f"the columns of the answer have more than {LONGEST_COLUMNS // MEBIBYTE} MiB of definitions")
