"""Owns reading the logs of pods that are about to end, beside everything else, and having them whole at the end."""

import asyncio

from obtask.executors.job.entry import Entry, Json
from obtask.executors.job.podlog import PodLog
from obtask.shares import Slot, Slots

OPEN_SECONDS = 10.0
DRAIN_SECONDS = 30.0
# Each one keeps a connection to the API server for as long as a pod takes to end; the operator needs some for itself.
MOST_FOLLOWED = 32
MOST_OF_A_NAMESPACE = 8


class Following:
    """The logs that are being read."""

    def __init__(self, logs: PodLog) -> None:
        self._logs = logs
        self._slots = Slots(MOST_FOLLOWED, most=MOST_OF_A_NAMESPACE)
        self._copying: set[asyncio.Task[None]] = set()

    async def follow(self, entry: Entry, pod: Json) -> None:
        """Open the log for good, and read it to its end, which may come at any moment from now on.

        When too many logs are open already, it is read as far as it goes now.
        """
        slot = Slot(self._slots, entry.attempt.namespace)
        if not slot.take_now():
            await self._logs.copy(pod, entry.log, entry.copied, follow=False)
            return
        opened = asyncio.Event()
        task = asyncio.create_task(self._logs.copy(pod, entry.log, entry.copied, follow=True, opened=opened.set))
        entry.copying = [*(other for other in entry.copying if not other.done()), task]
        self._copying.add(task)
        task.add_done_callback(self._copying.discard)
        task.add_done_callback(lambda _: slot.give_back())
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await opened.wait()
        except TimeoutError:
            entry.say(f"the log of pod {pod['metadata']['name']} cannot be opened")

    async def collect(self, entry: Entry, pods: list[Json]) -> None:
        """Have all of the log of pods that have ended."""
        if entry.copying:
            await asyncio.wait(entry.copying, timeout=DRAIN_SECONDS)
        for pod in pods:
            await self._logs.copy(pod, entry.log, entry.copied, follow=False)
        if not pods and not entry.copied:
            entry.say("the pod is gone, and its log with it")

    def drop(self, entry: Entry) -> None:
        """Stop reading for an attempt."""
        for task in entry.copying:
            task.cancel()

    async def close(self) -> None:
        """Stop reading."""
        for task in self._copying:
            task.cancel()
        await asyncio.gather(*self._copying, return_exceptions=True)
