"""Owns listening: whoever connects is talked to, at most so much is sent to each, and everything is closed in the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

MOST_BYTES = 512 * 1024 * 1024  # what one connection is sent at most: an attack on this machine stays bounded
PIECE = 256 * 1024


class Line:
    """One connection, with everything that came over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard = bytearray()
        self.sent = 0

    async def exactly(self, size: int) -> bytes:
        """Return the next bytes."""
        octets = await self.reader.readexactly(size)
        self.heard += octets
        return octets

    async def until(self, mark: bytes) -> bytes:
        """Return the next bytes up to a mark."""
        octets = await self.reader.readuntil(mark)
        self.heard += octets
        return octets

    async def send(self, octets: bytes) -> None:
        """Send, as fast as the other side reads."""
        for at in range(0, len(octets), PIECE):
            piece = octets[at : at + PIECE]
            self.sent += len(piece)
            if self.sent > MOST_BYTES:
                raise EOFError
            self.writer.write(piece)
            await self.writer.drain()

    async def drip(self, octets: bytes, seconds: float = 1.0) -> None:
        """Send one byte at a time."""
        for at in range(len(octets)):
            await self.send(octets[at : at + 1])
            await asyncio.sleep(seconds)


Talk = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """Listen on a free port of 127.0.0.1 until the block ends; yield the port."""
    talks: set[asyncio.Task[None]] = set()

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(Line(reader, writer))
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the other side left, or had enough
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talked(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
