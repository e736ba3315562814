"""Owns questions that are answered in the background, at most one of each key at a time, so that no reconcile has to wait for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")


class Asking(Generic[K]):
    """The questions that are being answered. ``about`` begins the names of their tasks."""

    def __init__(self, about: str) -> None:
        self._about = about
        self._tasks: dict[K, asyncio.Task[None]] = {}

    def __contains__(self, key: K) -> bool:
        """Return whether a question of this key is being answered."""
        return key in self._tasks

    def begin(self, key: K, answer: Callable[[], Awaitable[None]]) -> None:
        """Have a question answered; there must be none of this key that is."""
        self._tasks[key] = asyncio.create_task(self._carry_out(key, answer), name=f"{self._about} {key}")

    async def wait(self, key: K, seconds: float) -> None:
        """Wait for the answer to the question of this key, but no longer than that."""
        await asyncio.wait([self._tasks[key]], timeout=seconds)

    def forget(self, key: K) -> None:
        """Stop answering the question of this key, if there is one."""
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop answering."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _carry_out(self, key: K, answer: Callable[[], Awaitable[None]]) -> None:
        try:
            await answer()
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]
