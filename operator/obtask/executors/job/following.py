"""Owns which container logs are read while they grow, and having each one complete at the end."""

import asyncio
import logging

from obtask.executors.job.cursor import Cursor
from obtask.executors.job.entry import JobEntry, Json
from obtask.executors.job.podlog import Copy, PodLog, prefix_of, started_containers
from obtask.kube.api import ApiForbidden, ApiUnavailable
from obtask.shares import Pace, Slot, Slots

logger = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
DRAIN_SECONDS = 30.0
# Each one keeps a connection to the API server for as long as a container runs; the operator needs some for itself.
MOST_FOLLOWED = 32
MOST_OF_A_NAMESPACE = 8  # unless a setting says otherwise
# The others are read in turn.
MOST_POLLED = 8
MOST_POLLED_OF_A_NAMESPACE = 4
POLLS_PER_SECOND = 10
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class Following:
    """The logs that are being read."""

    def __init__(self, logs: PodLog, *, most_of_a_namespace: int) -> None:
        self._logs = logs
        self._slots = Slots(MOST_FOLLOWED, most=most_of_a_namespace)
        self._polls = Slots(MOST_POLLED, most=MOST_POLLED_OF_A_NAMESPACE)
        self._pace = Pace(POLLS_PER_SECOND, burst=POLLS_PER_SECOND)
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, entry: JobEntry, pod: Json) -> list[Copy]:
        """Read the logs of the containers that have started for as long as they run; return these logs."""
        copies = [self._copy(entry, pod, name) for name in started_containers(pod)]
        for copy in copies:
            if copy.task is None:
                self._begin(copy)
        return copies

    async def follow(self, entry: JobEntry, pod: Json) -> None:
        """Open the log and read it to its end, which may come at any moment from now on.

        When too many logs are open already, it is read as far as it goes now.
        """
        copies = self.watch(entry, pod)
        for copy in copies:
            copy.urgent = True
            if not copy.following:
                self._begin(copy)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                for copy in copies:
                    await copy.fresh.wait()
        except TimeoutError:
            entry.say(f"the log of pod {pod['metadata']['name']} cannot be opened")

    async def collect(self, entry: JobEntry, pods: list[Json]) -> None:
        """Have all of the log of pods that have ended."""
        for copy in entry.copies.values():
            copy.final = True
            if copy.task is not None and not copy.streaming:
                copy.task.cancel()
        reading = [copy.task for copy in entry.copies.values() if copy.task is not None]
        if reading:
            await asyncio.wait(reading, timeout=DRAIN_SECONDS)
        for task in reading:
            task.cancel()
        for pod in pods:
            for name in started_containers(pod):
                await self._logs.finish(self._copy(entry, pod, name))
        if not pods and not any(copy.opened for copy in entry.copies.values()):
            entry.say("the pod is gone, and its log with it")

    def drop(self, entry: JobEntry) -> None:
        """Stop reading for an attempt that has ended, or is no longer ours."""
        for copy in entry.copies.values():
            copy.final = True
            self._logs.release(copy)
            if copy.task is not None:
                copy.task.cancel()

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _copy(self, entry: JobEntry, pod: Json, name: str) -> Copy:
        key = (str(pod["metadata"]["uid"]), name)
        copy = entry.copies.get(key)
        if copy is None:
            prefix = prefix_of(pod, name)
            # Another operator may have shown some of it: it is in the log already.
            copy = entry.copies[key] = Copy(pod, name, prefix, entry.log, Cursor(entry.log.seam(prefix)))
        return copy

    def _begin(self, copy: Copy) -> None:
        if copy.task is not None:
            copy.task.cancel()
        copy.fresh.clear()
        copy.task = asyncio.create_task(self._read(copy))
        self._tasks.add(copy.task)
        copy.task.add_done_callback(self._tasks.discard)

    async def _read(self, copy: Copy) -> None:
        """Read until the attempt ends; reconnect when cut off, and poll a silent container less and less often."""
        pause = SHORTEST_PAUSE
        while True:
            before = copy.size
            try:
                await self._read_once(copy)
            except (ApiUnavailable, ApiForbidden) as error:
                logger.debug("log of container %s: %s", copy.name, error)
            if copy.final:
                return
            pause = SHORTEST_PAUSE if copy.size > before or copy.urgent else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _read_once(self, copy: Copy) -> None:
        if not (copy.urgent or self._logs.has_room(copy)):
            return
        slot = Slot(self._slots, copy.namespace)
        if slot.take_now():
            copy.following = True
            copy.fresh.clear()
            try:
                await self._logs.follow(copy)
            finally:
                copy.following = False
                slot.give_back()
            return
        if not copy.urgent:
            await self._pace.turn(copy.namespace)
        async with self._polls.of(copy.namespace):
            await self._logs.poll(copy)
