"""Owns SQL servers that mean harm: each lets everybody in, and answers what it is asked in a way of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.hostile.wire import Line, Talk

SALT = b"abcdefghijklmnopqrst"
PLUGIN_AUTH = 1 << 19
CLIENT_SSL = 1 << 11
# Everything that servers offer but TLS: what a target adds, it adds itself.
CAPABILITIES = (0xF7FF & ~CLIENT_SSL) | ((0x8 | 0x10 | 0x20) << 16)
OK = b"\0\0\0\x02\0\0\0"
EOF = b"\xfe\0\0\x02\0"
MORE = b"\xfe\0\0\x0a\0"  # an EOF after which another result follows
LONGEST = 0xFFFFFF
TEXT = 0xFD

Answer = Callable[[Line, int], Awaitable[None]]


def packet(number: int, payload: bytes) -> bytes:
    """Return a packet of the MySQL protocol."""
    return len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload


def greeting(plugin: bytes = b"mysql_native_password", *, capabilities: int = CAPABILITIES, salt: bytes = SALT) -> bytes:
    """Return the first words of a server that names this authentication plugin."""
    return (
        b"\x0a5.7.25\0\x07\0\0\0" + salt[:8] + b"\0" + (capabilities & 0xFFFF).to_bytes(2, "little") + b"\x2d\x02\0"
        + (capabilities >> 16).to_bytes(2, "little") + b"\x15" + b"\0" * 10 + salt[8:] + b"\0" + plugin + b"\0"
    )  # fmt: skip


def column(name: bytes = b"v", *, table: bytes = b"t") -> bytes:
    """Return the definition of a column of text."""
    parts = [b"def", b"d", table, table, name, name]
    return b"".join(_text(part) for part in parts) + b"\x0c\x2d\x00\xff\xff\x00\x00" + bytes([TEXT]) + b"\0\0\0\0\0"


def _text(octets: bytes) -> bytes:
    size = len(octets)
    if size < 0xFB:
        return bytes([size]) + octets
    return (b"\xfc" + size.to_bytes(2, "little") if size < 1 << 16 else b"\xfd" + size.to_bytes(3, "little")) + octets


async def read_packet(line: Line) -> bytes:
    """Return the payload of the next packet."""
    head = await line.exactly(4)
    return await line.exactly(int.from_bytes(head[:3], "little"))


async def endless(line: Line, number: int, payload: bytes) -> None:
    """Send the same payload for ever, in packets with the right numbers."""
    block = b"".join(packet(number + offset, payload) for offset in range(256))
    while True:
        await line.send(block)


def server(answer: Answer) -> Talk:
    """Return a server that takes every login and every SET, and answers everything else like this."""

    async def talk(line: Line) -> None:
        await line.send(packet(0, greeting()))
        await read_packet(line)
        await line.send(packet(2, OK))
        while True:
            asked = await read_packet(line)
            if asked[:1] == b"\x01":
                return
            if asked[1:5].upper() == b"SET ":
                await line.send(packet(1, OK))
            else:
                await answer(line, 1)

    return talk


async def many_columns(line: Line, number: int) -> None:
    """Announce 16 million columns, and define one after the other."""
    await line.send(packet(number, b"\xfd\xff\xff\xff"))
    await endless(line, number + 1, column(b"n" * 200))


async def wide_columns(line: Line, number: int) -> None:
    """Define columns whose names have a megabyte each."""
    await line.send(packet(number, b"\xfc\x00\x10"))
    while True:
        number += 1
        await line.send(packet(number, column(b"n" * (1 << 20))))


async def one_endless_packet(line: Line, number: int) -> None:
    """Send a row that goes on for ever: packets of 16 MiB, each of which says that it goes on."""
    await _begin(line, number)
    piece, number = b"\xfd\0\0\xff" + b"x" * (LONGEST - 4), number + 3
    while True:
        await line.send(packet(number, piece))
        number += 1


async def large_rows(line: Line, number: int) -> None:
    """Send rows of nearly 16 MiB."""
    await _begin(line, number)
    number += 3
    row = _text(b"x" * (LONGEST - 16))
    while True:
        await line.send(packet(number, row))
        number += 1


async def endless_rows(line: Line, number: int) -> None:
    """Send rows of one letter for ever."""
    await _begin(line, number)
    await endless(line, number + 3, _text(b"x"))


async def endless_results(line: Line, number: int) -> None:
    """Send one result after the other."""
    one = [b"\x01", column(), EOF, MORE]
    block = b"".join(packet(number + offset, one[offset % 4]) for offset in range(256))
    while True:
        await line.send(block)


async def endless_oks(line: Line, number: int) -> None:
    """Send one OK after the other, each of which says that there is more."""
    await endless(line, number, b"\0\0\0\x0a\0\0\0")


async def many_cells(line: Line, number: int) -> None:
    """Send rows of 4,000 cells of two letters: small on the wire, large in memory."""
    await line.send(packet(number, b"\xfc" + (4000).to_bytes(2, "little")))
    await line.send(b"".join(packet(number + 1 + at, column(b"c%d" % at)) for at in range(4000)) + packet(number + 4001, EOF))
    await endless(line, number + 4002, b"\x02ab" * 4000)


async def huge_error(line: Line, number: int) -> None:
    """Refuse with 15 MiB of what secrets look like."""
    await line.send(packet(number, b"\xff\x28\x04#42000" + b"PASSWORD" * (15 << 17)))


async def word_error(line: Line, number: int) -> None:
    """Refuse with 3,900 letters of what secrets look like: below every cut."""
    await line.send(packet(number, b"\xff\x28\x04#42000" + b"PASSWORD" * 487))


async def slow_row(line: Line, number: int) -> None:
    """Send a row of 15 MiB, one byte per second."""
    await _begin(line, number)
    await line.drip((LONGEST - 16).to_bytes(3, "little") + bytes([number + 3]) + b"\xfc\xff\xff" + b"x" * 4096)


async def mute(line: Line, number: int) -> None:  # noqa: ARG001 - one of many answers
    """Answer nothing."""
    await line.reader.read()


async def nonsense(line: Line, number: int) -> None:
    """Answer what is no packet of the protocol."""
    await line.send(packet(number, b"\x02") + packet(number + 1, b"\xfd") + packet(number + 2, b""))


async def _begin(line: Line, number: int) -> None:
    """Begin a result of one column."""
    await line.send(packet(number, b"\x01") + packet(number + 1, column()) + packet(number + 2, EOF))


async def huge_greeting(line: Line) -> None:
    """Greet with 15 MiB."""
    await line.send(packet(0, greeting() + b"x" * (15 << 20)))


async def slow_greeting(line: Line) -> None:
    """Greet with one byte per second."""
    await line.drip(packet(0, greeting() + b"x" * 4096))


async def endless_authentication(line: Line) -> None:
    """Ask for another proof of identity again and again."""
    await line.send(packet(0, greeting()))
    number = 2
    while True:
        await read_packet(line)
        await line.send(packet(number, b"\xfemysql_native_password\0" + SALT + b"\0"))
        number += 2


async def endless_login(line: Line) -> None:
    """Answer the login with packets for ever."""
    await line.send(packet(0, greeting(b"caching_sha2_password")))
    await read_packet(line)
    await endless(line, 2, b"\x01\x03" + b"x" * 4096)


async def cold(line: Line) -> None:
    """Accept, and never greet."""
    await asyncio.wait_for(line.reader.read(), 600)


_ANSWERS = (
    many_columns, wide_columns, one_endless_packet, large_rows, endless_rows, endless_results, endless_oks, many_cells,
    huge_error, word_error, slow_row, mute, nonsense,
)  # fmt: skip
_TALKS = (huge_greeting, slow_greeting, endless_authentication, endless_login, cold)

SERVERS: dict[str, Talk] = {
    **{f"sql-{answer.__name__.replace('_', '-')}": server(answer) for answer in _ANSWERS},
    **{f"sql-{talk.__name__.replace('_', '-')}": talk for talk in _TALKS},
}
