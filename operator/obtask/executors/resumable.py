"""Owns attempts inside the operator that may be done twice: whoever finds one that nobody carries out any more goes on with it."""

from dataclasses import replace

from obtask.executors.base import Log
from obtask.executors.inprocess import InProcess
from obtask.executors.records import Records
from obtask.model.attempt import Attempt, AttemptId, Lost, Running, Seen


class Resumable:
    """Starts an attempt again whose operator is gone, instead of calling it lost. Implements ``Executor``.

    An operator that stops cuts its attempts at once: they stay Running, and the next operator goes on with them.
    """

    def __init__(self, inner: InProcess, records: Records) -> None:
        self._inner = inner
        self._records = records
        self._stopping = False

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt, unless it was started before or the operator is stopping."""
        await self._inner.start(attempt, log)

    async def observe(self, attempt: Attempt, log: Log) -> Seen:
        """Return what became of the attempt; one that nobody carries out is started again."""
        wanted = self._records.look(attempt)
        seen = await self._inner.observe(attempt, log)
        if isinstance(seen, Running):
            return replace(seen, kept=wanted)
        if not isinstance(seen, Lost):
            return seen
        if not self._stopping:
            log.write("going on: the operator that began this attempt is gone, and doing it again does no harm")
            self._inner.forget(attempt.id)
            await self._inner.start(attempt, log, resumed=True)
        return Running()

    async def cancel(self, attempt: Attempt) -> None:
        """Stop the attempt if it still runs."""
        await self._inner.cancel(attempt)

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt; one that still runs is stopped."""
        self._inner.forget(attempt)
        self._records.forget(attempt)

    async def stop(self) -> None:
        """Start nothing any more, and leave what runs to the next operator."""
        self._stopping = True
        await self._inner.stop(0)
