"""The relay between a port and a unix socket: every byte, both ends, nothing left open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from devcluster.ports import LOOPBACK, free_port
from devcluster.relay import relay

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def relayed(folder: Path) -> AsyncIterator[tuple[asyncio.Queue[Connection], int]]:
    """Run a relay; yield the connections that arrive at its far side, and the port of its near side."""
    arrived: asyncio.Queue[Connection] = asyncio.Queue()

    async def far(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await arrived.put((reader, writer))

    port = free_port()
    server = await asyncio.start_unix_server(far, folder / "far.sock")
    try:
        async with relay(port, folder / "far.sock"):
            yield arrived, port
    finally:
        server.close()


async def test_bytes_go_both_ways(tmp_path: Path) -> None:
    """What one side writes the other one reads, also more than fits into the buffers on the way."""
    async with relayed(tmp_path) as (arrived, port), asyncio.timeout(10):
        near_reader, near_writer = await asyncio.open_connection(LOOPBACK, port)
        far_reader, far_writer = await arrived.get()
        much = bytes(range(256)) * 40_000

        async with asyncio.TaskGroup() as group:
            near_writer.write(much)
            group.create_task(near_writer.drain())
            received = group.create_task(far_reader.readexactly(len(much)))
        far_writer.write(b"answer")

        assert received.result() == much
        assert await near_reader.readexactly(6) == b"answer"
        near_writer.close()
        far_writer.close()


async def test_the_answer_still_comes_after_the_last_word(tmp_path: Path) -> None:
    """A client that says that it sends no more is understood so at the far side, and still gets its answer."""
    async with relayed(tmp_path) as (arrived, port), asyncio.timeout(10):
        near_reader, near_writer = await asyncio.open_connection(LOOPBACK, port)
        far_reader, far_writer = await arrived.get()
        near_writer.write(b"question")
        near_writer.write_eof()

        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.close()
        assert await near_reader.read() == b"answer"
        near_writer.close()


async def test_a_server_that_ends_the_conversation_ends_it_for_the_client(tmp_path: Path) -> None:
    """A client does not wait for ever on a server that went away, and the server's last words arrive."""
    async with relayed(tmp_path) as (arrived, port), asyncio.timeout(10):
        near_reader, near_writer = await asyncio.open_connection(LOOPBACK, port)
        _, far_writer = await arrived.get()
        far_writer.write(b"bye")
        far_writer.close()

        assert await near_reader.read() == b"bye"
        near_writer.close()


async def test_a_client_that_goes_away_is_told_to_the_server(tmp_path: Path) -> None:
    """A client that is killed does not leave its session open on the server."""
    async with relayed(tmp_path) as (arrived, port), asyncio.timeout(10):
        _, near_writer = await asyncio.open_connection(LOOPBACK, port)
        far_reader, far_writer = await arrived.get()
        near_writer.transport.abort()

        assert await far_reader.read() == b""
        far_writer.close()


async def test_without_a_server_the_client_is_turned_away(tmp_path: Path) -> None:
    """A client is not kept waiting while there is no server."""
    port = free_port()
    async with relay(port, tmp_path / "nobody.sock"), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_the_end_of_the_relay_is_the_end_of_its_connections(tmp_path: Path) -> None:
    """When the relay stops, nobody is left waiting at either side."""
    async with asyncio.timeout(10):
        async with relayed(tmp_path) as (arrived, port):
            near_reader, near_writer = await asyncio.open_connection(LOOPBACK, port)
            far_reader, far_writer = await arrived.get()

        assert await far_reader.read() == b""
        with suppress(ConnectionResetError):
            assert await near_reader.read() == b""
        near_writer.close()
        far_writer.close()
