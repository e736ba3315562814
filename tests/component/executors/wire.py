"""Servers for tests of connecting: mute, rude, scripted, and a TLS front of a real server that has none."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from obtask.executors.connections.connection import Connection

CLIENT_SSL = 0x0800
GREETING = (
    b"\x0a5.7.25\0\x07\0\0\0abcdefgh\0" + (0xF7FF & ~CLIENT_SSL).to_bytes(2, "little") + b"\x2d\x02\0" + (0x8).to_bytes(2, "little")
    + b"\x15" + b"\0" * 10 + b"ijklmnopqrst\0" + b"mysql_native_password\0"
)  # fmt: skip

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """Listen on a free port of 127.0.0.1; whoever comes is talked to, and everything is closed in the end."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def talked() -> None:
            try:
                await talk(reader, writer)
            except (OSError, EOFError):
                pass  # the other side left
            finally:
                writer.close()

        talks.add(asyncio.create_task(talked()))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def packet(number: int, payload: bytes) -> bytes:
    """Return a packet of the MySQL protocol."""
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the number and the payload of the next packet."""
    head = await reader.readexactly(4)
    return head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001 - it does not even speak
    """Accept, and never greet."""
    await reader.read()


def greeter(heard: list[bytes], *answers: bytes) -> Talk:
    """Greet like a server without TLS, answer each packet in turn, hang up, and remember what was heard."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, GREETING))
        for answer in answers:
            number, payload = await read_packet(reader)
            heard.append(payload)
            writer.write(packet(number + 1, answer))
        heard.append(await reader.read(65536))

    return talk


@asynccontextmanager
async def tls_front(behind: Connection, context: ssl.SSLContext, ciphers: list[str]) -> AsyncIterator[int]:
    """Put TLS before a server without it, for one connection; yield the port, and note the ciphers that were agreed on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        talk = asyncio.create_task(_front(listener, behind, context, ciphers))
        try:
            yield listener.getsockname()[1]
        finally:
            talk.cancel()
            await asyncio.gather(talk, return_exceptions=True)


async def _front(listener: socket.socket, behind: Connection, context: ssl.SSLContext, ciphers: list[str]) -> None:
    """Offer TLS in the greeting, and keep the numbers of the packets right."""
    loop = asyncio.get_running_loop()
    near, _ = await loop.sock_accept(listener)
    far_reader, far_writer = await asyncio.open_connection(behind.host, behind.port)
    try:
        _, greeting = await read_packet(far_reader)
        flags = greeting.index(b"\0") + 1 + 4 + 8 + 1
        offered = int.from_bytes(greeting[flags : flags + 2], "little") | CLIENT_SSL
        await loop.sock_sendall(near, packet(0, greeting[:flags] + offered.to_bytes(2, "little") + greeting[flags + 2 :]))
        await loop.sock_recv(near, 4 + 32)  # not one byte more: what follows is for the TLS layer
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, near, ssl=context)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        ciphers.append(writer.get_extra_info("cipher")[0])
        number, login = await read_packet(reader)
        plain = int.from_bytes(login[:4], "little") & ~CLIENT_SSL
        far_writer.write(packet(number - 1, plain.to_bytes(4, "little") + login[4:]))
        number, answer = await read_packet(far_reader)
        writer.write(packet(number + 1, answer))
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        near.close()
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.close()
