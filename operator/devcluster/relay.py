"""Make a unix socket reachable on a port of 127.0.0.1: bytes in, bytes out, and no side outlives the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from devcluster.ports import LOOPBACK

CHUNK = 1 << 16

# How long the far side may go on answering somebody who said that nothing more will come, or has gone.
LINGER = 5.0


@asynccontextmanager
async def relay(port: int, target: Path) -> AsyncIterator[None]:
    """Pass each connection to the port on to the unix socket, as long as the block lasts."""
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(_pass_on(reader, writer, target))
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    server = await asyncio.start_server(connected, LOOPBACK, port)
    try:
        yield
    finally:
        server.close()
        await _cancel(connections)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Path) -> None:
    try:
        far_reader, far_writer = await asyncio.open_unix_connection(target)
    except OSError:
        writer.transport.abort()
        return
    up = asyncio.create_task(_pump(reader, far_writer))
    down = asyncio.create_task(_pump(far_reader, writer))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        # Who sends nothing more may still want the answer to what was sent; a server that ended a conversation wants nothing.
        await asyncio.wait({down}, timeout=LINGER)
        with suppress(TimeoutError):
            await asyncio.wait_for(_closed(writer, far_writer), LINGER)
    finally:
        await _cancel({up, down})
        for end in (writer, far_writer):
            end.transport.abort()
        await _closed(writer, far_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender has no more to say, and tell the receiver so."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _closed(*writers: asyncio.StreamWriter) -> None:
    """Close, and return when everything written before has been sent."""
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
