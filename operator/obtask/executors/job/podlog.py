"""Owns copying the logs of a pod's containers into the log of an attempt: streamed, never held as a whole."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from obtask.executors.base import Log
from obtask.executors.job.ending import container_statuses
from obtask.kube.api import Refusal, Unavailable
from obtask.kube.jobs import LOG_BYTES, Jobs

Json = dict[str, Any]

LONGEST_LINE = 256 * 1024
TRIES = 3
PAUSE_SECONDS = 0.5
READ_SECONDS = 120.0
FOLLOW_SECONDS = 3600.0
# 2026-11-22T22:42:04.123456789Z, in UTC whatever the node's clock shows.
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z ?")


class PodLog:
    """Copies what the containers of a pod write; it never fails, it says in the log what could not be had."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def copy(self, pod: Json, log: Log, copied: set[str], *, follow: bool, opened: Callable[[], None] = lambda: None) -> None:
        """Copy until now or, following, until the containers end. Containers in ``copied`` are left out; those taken on join it.

        ``opened`` is called when nothing that was written until now can get lost any more.
        """
        statuses = container_statuses(pod.get("status") or {})
        started = [status["name"] for status in statuses if _has_started(status) and status["name"] not in copied]
        copied.update(started)
        waiting = set(started)

        def opened_one(name: str) -> None:
            waiting.discard(name)
            if not waiting:
                opened()

        if not started:
            opened()
        copies = [self._container(pod, name, f"[{name}] " if len(statuses) > 1 else "", log, opened_one, follow=follow) for name in started]
        if follow:  # they run side by side
            await asyncio.gather(*copies)
        else:
            for copy in copies:
                await copy

    async def _container(self, pod: Json, name: str, prefix: str, log: Log, opened: Callable[[str], None], *, follow: bool) -> None:
        seconds = FOLLOW_SECONDS if follow else READ_SECONDS
        count = 0
        for left in reversed(range(TRIES)):
            try:
                async with self._jobs.log(pod, name, follow=follow, seconds=seconds) as answer:
                    opened(name)
                    if isinstance(answer, Refusal):
                        log.write(f"{prefix}the log of container {name} cannot be read: {answer.message}")
                        return
                    async for size in _copy(answer, log, prefix):
                        count += size
                break
            except Unavailable as error:
                if count or not left:
                    log.write(f"{prefix}the log of container {name} breaks off: {error}")
                    opened(name)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
        if count >= LOG_BYTES:
            await self._end(pod, name, prefix, log)

    async def _end(self, pod: Json, name: str, prefix: str, log: Log) -> None:
        log.write(f"{prefix}the log of container {name} is longer than {LOG_BYTES} bytes: its last lines follow")
        try:
            async with self._jobs.log_end(pod, name, seconds=READ_SECONDS) as answer:
                if not isinstance(answer, Refusal):
                    async for _ in _copy(answer, log, prefix):
                        pass
        except Unavailable as error:
            log.write(f"{prefix}the log of container {name} breaks off: {error}")


def _has_started(container: Mapping[str, Any]) -> bool:
    state = container.get("state") or {}
    return bool(state.get("running") or (state.get("terminated") or {}).get("containerID"))


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the lines, and whether each begins where the kubelet began it: one without end comes in parts."""
    rest, begins = bytearray(), True
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        rest += first
        for other in others:
            yield bytes(rest), begins
            rest, begins = bytearray(other), True
        if len(rest) > LONGEST_LINE:
            yield bytes(rest), begins
            rest, begins = bytearray(), False
    if rest:
        yield bytes(rest), begins


async def _copy(pieces: AsyncIterator[bytes], log: Log, prefix: str) -> AsyncIterator[int]:
    """Write the lines, and yield how many bytes each had.

    Only the kubelet's own time, at the beginning of a line, is believed: what follows is the container's, whatever it looks like.
    """
    at: str | None = None
    async for octets, begins in _lines(pieces):
        line = octets.decode(errors="surrogateescape").removesuffix("\r")
        if begins:
            time = _TIME.match(line)
            at = f"{time[1]}.{(time[2] or '')[:3]:0<3}Z" if time else None
            line = line[time.end() :] if time else line
        log.write(prefix + line, at=at)
        yield len(octets) + 1
