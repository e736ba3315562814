"""Owns how fast what an HTTP server sends is parsed: a little at once, and of all large answers only one at a time.

The library parses whatever the socket has in one go: 256 KiB of tiny chunks or of interim answers hold the event loop for tens of
milliseconds, over and over, for each connection.
"""

import asyncio
from collections import deque

from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.client_proto import ResponseHandler

from obtask.executors.network.large_answers import Share

FREE_BYTES = 16 * 1024  # what most answers have in all, parsed at once
PIECE_BYTES = 16 * 1024


class PacedHandler(ResponseHandler):
    """The library's handler of one connection; what comes after the first bytes waits for its turn, and there is an end to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, share: Share, longest: int) -> None:
        super().__init__(loop)
        self._share = share
        self._left = longest
        self._free = FREE_BYTES
        self._pending: deque[bytes] = deque()
        self._draining: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Parse the data now if they are few, later otherwise."""
        self._left -= len(data)
        self._free -= len(data)
        if self._left < 0:
            self._pending.clear()
            self.set_exception(ClientPayloadError("the answer is too long as it was sent"))
            if self.transport is not None:
                self.transport.close()
        elif not data or (self._free >= 0 and not self._pending):
            super().data_received(data)
        else:
            self._pending.extend(data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES))
            self._pause_transport_reading()
            self._drain()

    def eof_received(self) -> None:
        """Parse what is left: nothing else will come."""
        self._flush()
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Parse what is left, unless we closed the connection ourselves: then it is not needed, and would be parsed all at once."""
        if exc is None:
            self._pending.clear()
        self._flush()
        super().connection_lost(exc)

    def _resume_transport_reading(self) -> None:
        """Go on with what was read before, if there is any."""
        if self._pending:
            self._drain()
        else:
            super()._resume_transport_reading()

    def _drain(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drained())

    async def _drained(self) -> None:
        try:
            while self._pending and not self._reading_paused:
                await self._share.turn()
                if self._pending:
                    super().data_received(self._pending.popleft())
        finally:
            self._draining = None
        if not self._pending and not self._reading_paused and not self._buffer_paused:
            super()._resume_transport_reading()

    def _flush(self) -> None:
        while self._pending:
            super().data_received(self._pending.popleft())
