"""Owns what must be in the status before an attempt may go on: the work asks for it, a later reconcile of the task answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from obtask.model.attempt import NOTHING_KEPT, Attempt, AttemptId


@dataclass(frozen=True, slots=True)
class _Request:
    digest: str
    answer: asyncio.Future[str]


class Records:
    """Has the digests of kept objects recorded. ``on_news`` enqueues the task of an attempt."""

    def __init__(self, on_news: Callable[[AttemptId], None]) -> None:
        self._on_news = on_news
        self._requests: dict[AttemptId, _Request] = {}

    async def record(self, attempt: Attempt, digest: str) -> str:
        """Wait until the status has a digest, and return it: this one, unless another operator was faster."""
        request = self._requests[attempt.id] = _Request(digest, asyncio.get_running_loop().create_future())
        self._on_news(attempt.id)
        return await request.answer

    def look(self, attempt: Attempt) -> str | None:
        """Compare with the attempt as the status has it; return the digest that has to be recorded, if there is one."""
        request = self._requests.get(attempt.id)
        if request is None:
            return None
        if attempt.kept in {None, NOTHING_KEPT}:
            return request.digest
        if not request.answer.done():
            request.answer.set_result(attempt.kept or "")
        self.forget(attempt.id)
        return None

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        self._requests.pop(attempt, None)
