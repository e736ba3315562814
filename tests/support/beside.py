"""Owns servers written with asyncio that run beside a test, each in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

START_SECONDS = 30

_T = TypeVar("_T")


@contextmanager
def beside(server: AbstractAsyncContextManager[_T]) -> Iterator[_T]:
    """Run the server until the block ends; yield what it yields."""
    ready, stop = threading.Event(), asyncio.Event()
    found: list[_T] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server as one:
            found.append(one)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="server beside a test", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS), "the server did not start"
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
        loop.close()
