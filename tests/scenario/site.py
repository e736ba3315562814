"""Owns a website that runs beside a test, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.executors.website import Website, website

START_SECONDS = 30


@contextmanager
def served() -> Iterator[Website]:
    """Serve until the block ends."""
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Website] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with website() as one:
            found.append(one)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="website", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS), "the website did not start"
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
        loop.close()
