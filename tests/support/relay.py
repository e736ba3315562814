"""Owns a relay between a browser and a server: it passes bytes on until its connections are cut, or lost without a word."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

PIECE_BYTES = 64 * 1024

_T = TypeVar("_T")


class Relay:
    """Passes what comes to its own port on to another one of this machine, and the answers back."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._open: dict[asyncio.Task[None], asyncio.Event] = {}  # each is set while its connection passes bytes on
        self._server: asyncio.Server | None = None
        self.port = 0

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        """Pass bytes on as long as the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        thread.start()
        try:
            self.mend()
            yield self
        finally:
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._wait(self._cut())

    def lose(self) -> None:
        """Pass nothing on any more over the connections that are open, and tell neither side; new ones are as good as before."""
        self._wait(self._lose())

    def mend(self) -> None:
        """Let new connections through."""
        self._wait(self._listen())

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        open_now = list(self._open)
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)

    async def _lose(self) -> None:
        for passes in self._open.values():
            passes.clear()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passes = asyncio.Event()
        passes.set()
        task = asyncio.create_task(self._serve(reader, writer, passes))
        self._open[task] = passes
        task.add_done_callback(self._open.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event) -> None:
        ends, pumps = [writer], []
        try:
            with contextlib.suppress(OSError):
                answers, requests = await asyncio.open_connection("127.0.0.1", self._upstream)
                ends.append(requests)
                pumps += [asyncio.create_task(_pass(reader, requests, passes)), asyncio.create_task(_pass(answers, writer, passes))]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in ends:
                end.transport.abort()


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter, passes: asyncio.Event) -> None:
    """Pass bytes on until there are no more, and they have arrived."""
    with contextlib.suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            await passes.wait()
            sink.write(piece)
            await sink.drain()
        sink.close()
        await sink.wait_closed()
