"""Copying a container's log: whose times are believed, and what a stream may be cut into."""

import asyncio
import gzip
import itertools
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from tests.support.attempts import PlainLog, until

from obtask.executors.job.cursor import Cursor
from obtask.executors.job.podlog import LONGEST_LINE, Copy, PodLog, Restraint, weight
from obtask.executors.job.target import secrets_of
from obtask.kube.api import ApiError, ApiUnavailable, Json
from obtask.kube.jobs import Jobs
from obtask.logs.text import AttemptLog

AT = SHOWN = "2026-11-22T22:42:04.123456789Z"
POD: dict[str, Any] = {
    "metadata": {"namespace": "prod", "name": "p"},
    "status": {"containerStatuses": [{"name": "main", "state": {"running": {"startedAt": AT}}}]},
}
KEPT = 16 * 1024 * 1024
FORGED = "2020-01-01T00:00:00Z"


class Stream:
    """An API server that has one log, in these pieces. Implements what ``Jobs`` needs."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self.gone = False

    async def send(self, *_: object, **__: object) -> Json | ApiError:
        """Nothing else is asked for."""
        raise NotImplementedError

    @asynccontextmanager
    async def streaming(
        self,
        path: str,  # noqa: ARG002 - the protocol's argument
        *,
        query: Mapping[str, str] = MappingProxyType({}),  # noqa: ARG002
        seconds: float | None = 0,  # noqa: ARG002
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Give out the log."""

        async def pieces() -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

        yield ApiError(404, "NotFound", "pods p not found") if self.gone else pieces()


async def copied(*pieces: bytes) -> list[str]:
    """Return the lines of the attempt's log."""
    log = PlainLog()
    await PodLog(Jobs(Stream(pieces))).finish(Copy(POD, "main", "", log, Cursor()))
    return log.lines


class Kubelet:
    """Has a growing log, gives out what was written since a whole second, and breaks off anywhere. Implements what ``Jobs`` needs."""

    def __init__(self, written: Sequence[tuple[str, str]], chance: random.Random) -> None:
        self._written = written
        self._chance = chance
        self.there = 0
        self.breaks = True

    async def send(self, *_: object, **__: object) -> Json | ApiError:
        """Nothing else is asked for."""
        raise NotImplementedError

    @asynccontextmanager
    async def streaming(
        self, path: str, *, query: Mapping[str, str] = MappingProxyType({}), seconds: float | None = 0
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Give out some of the log."""
        assert path.endswith("/log")
        assert seconds
        self.there = (
            min(len(self._written), self.there + self._chance.randrange(len(self._written) // 8)) if self.breaks else len(self._written)
        )
        since = query.get("sinceTime", "").removesuffix("Z")
        assert len(since) in {0, 19}
        text = "".join(f"{at} {line}\n" for at, line in self._written[: self.there] if at >= since).encode()
        end = self._chance.randrange(len(text) + 1) if self.breaks else len(text)

        async def pieces() -> AsyncIterator[bytes]:
            size = self._chance.choice([7, 100, 5000])
            for start in range(0, end, size):
                yield text[start : min(end, start + size)]
            if self._chance.random() < 0.5 and self.breaks:
                raise ApiUnavailable("cut")

        yield pieces()


def written_by_a_container(chance: random.Random) -> list[tuple[str, str]]:
    """Return lines with their times: some at the same nanosecond, some the same, some overtaken by a little, some after a long pause."""
    now = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)
    written: list[tuple[str, str]] = []
    pauses = chance.choice([(0, 0, 1e-6, 1e-3, 0.3, 0, 20), (0, 1e-6, 1e-3)])
    for _ in range(chance.choice([40, 2000])):
        now += timedelta(seconds=chance.choice(pauses))
        at = now - timedelta(seconds=chance.choice([0, 0, 0, 0.0005]))
        written.append(
            (at.strftime("%Y-%m-%dT%H:%M:%S.%f") + f"{chance.randrange(2)}00Z", chance.choice(["a", "b", f"line {len(written)}"]))
        )
    return written


@pytest.mark.parametrize("seed", range(12))
async def test_a_log_that_is_cut_again_and_again_is_copied_once(seed: int) -> None:
    """Wherever streams end, in whatever pieces, each line is there, whole, in order, once."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    written, log = written_by_a_container(chance), PlainLog()
    kubelet = Kubelet(written, chance)
    logs, copy = PodLog(Jobs(kubelet)), Copy(POD, "main", "", log, Cursor(), urgent=True)

    for _ in range(30):
        try:
            await (logs.follow(copy) if chance.random() < 0.5 else logs.poll(copy))
        except ApiUnavailable:
            continue
    kubelet.breaks = False
    await logs.finish(copy)

    assert log.lines == [f"{at} {line}" for at, line in written]


@pytest.mark.parametrize("seed", range(6))
async def test_another_operator_goes_on_where_the_log_ends(seed: int) -> None:
    """What was recalled from the log is not copied again, what was not shown yet is; the operator's own lines tell nothing."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    written = sorted(written_by_a_container(chance))
    shown = chance.randrange(len(written))
    log = AttemptLog(clock=lambda: datetime(2027, 1, 1, tzinfo=UTC))
    log.write("Job x created", at="2026-11-22T23:59:49.000Z")
    for at, line in written[:shown]:
        log.write(line, at=at)
    log.write("stopping Job x", at="2026-12-31T00:00:00.000Z")
    kubelet = Kubelet(written, chance)
    kubelet.breaks = False

    await PodLog(Jobs(kubelet)).finish(Copy(POD, "main", "", log, Cursor(log.seam(""))))

    lines = gzip.decompress(log.packed()).decode().splitlines()
    expected = [f"{at} {line}" for at, line in written]
    assert [line for line in lines if not line.endswith(("Job x created", "stopping Job x"))] == expected


class Chatterbox:
    """Writes short lines without end, a container that keeps a kubelet busy. Implements what ``Jobs`` needs."""

    async def send(self, *_: object, **__: object) -> Json | ApiError:
        """Nothing else is asked for."""
        raise NotImplementedError

    @asynccontextmanager
    async def streaming(
        self,
        path: str,  # noqa: ARG002 - the protocol's argument
        *,
        query: Mapping[str, str] = MappingProxyType({}),  # noqa: ARG002
        seconds: float | None = 0,  # noqa: ARG002
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Give out a log without end."""

        async def pieces() -> AsyncIterator[bytes]:
            for number in itertools.count():
                yield f"{AT} y {number}\n".encode() * 1000
                await asyncio.sleep(0)

        yield pieces()


def following(log: PlainLog, namespace: str = "prod") -> Copy:
    """Return a log that is being followed."""
    meta = {"namespace": namespace, "name": "p"}
    return Copy({"metadata": meta}, "main", "", log, Cursor(), following=True)


async def test_whoever_writes_without_end_takes_little_of_the_loop_and_of_the_memory() -> None:
    """Of one namespace so many lines a second are read, as many as there is room for; the next one finds room."""
    log, restraint = PlainLog(), Restraint(kept=KEPT)
    chatter = following(log)
    reading = asyncio.create_task(PodLog(Jobs(Chatterbox()), restraint).follow(chatter))
    begun = time.monotonic()
    await until(lambda: not restraint.has_room("prod"), seconds=20)
    lines, most = len(log.lines), (64 + 32 * (time.monotonic() - begun) + 1) * 256 + 1000
    assert lines <= most

    await until(lambda: time.monotonic() > begun + 2)
    assert len(log.lines) <= lines + 1000  # what was under way
    assert weight(chatter.size, chatter.lines) < KEPT // 2
    assert restraint.has_room("neighbour")
    chatter.urgent = True
    await until(lambda: len(log.lines) > lines + 20_000)
    reading.cancel()


@pytest.mark.parametrize("ended", [True, False])
async def test_the_last_words_of_a_pod_that_is_gone(*, ended: bool) -> None:
    """A last line without an end is kept, once, whether the log can be read again after the container's end or not."""
    log, stream = PlainLog(), Stream([f"{AT} one\n{AT} half".encode()])
    logs, copy = PodLog(Jobs(stream)), following(log)
    await logs.follow(copy)
    assert log.lines == [f"{AT} one"]
    stream.gone = ended

    await logs.finish(copy)

    assert log.lines == [f"{AT} one", f"{AT} half"]


async def test_the_time_of_the_kubelet_is_that_of_the_line() -> None:
    """What the container writes after it stays as it is, a time as well."""
    text = f"{AT} one\n{AT} {FORGED} two\n{AT} \n".encode()

    assert await copied(text) == [f"{SHOWN} one", f"{SHOWN} {FORGED} two", f"{SHOWN} "]


@pytest.mark.parametrize("size", [1000, 4096, 64 * 1024, LONGEST_LINE, LONGEST_LINE + 1, 10 * LONGEST_LINE])
async def test_the_rest_of_a_line_that_is_too_long_has_the_time_of_its_beginning(size: int) -> None:
    """Wherever the parts are cut, a time in the middle of a line is the container's and no line's time."""
    line = f"{AT} ".encode() + f"{FORGED} forged ".encode() * (3 * LONGEST_LINE // 28) + b"\n"
    stream = line + f"{AT} next\n".encode()

    lines = await copied(*(stream[start : start + size] for start in range(0, len(stream), size)))

    assert {text.split(" ", 1)[0] for text in lines} == {SHOWN}
    assert "".join(text.split(" ", 1)[1] for text in lines[:-1]) == line.decode().removeprefix(f"{AT} ").rstrip("\n")
    assert lines[-1] == f"{SHOWN} next"


@pytest.mark.parametrize("letter", ["é", "租", "𠀀"])
@pytest.mark.parametrize("size", [997, LONGEST_LINE + 1])
async def test_a_long_line_is_cut_between_letters(letter: str, size: int) -> None:
    """Wherever the kubelet's pieces end, no letter is taken to pieces."""
    text = letter * (3 * LONGEST_LINE // len(letter.encode()))
    stream = f"{AT} x{text}\n".encode()

    lines = await copied(*(stream[start : start + size] for start in range(0, len(stream), size)))

    assert len(lines) > 1
    assert "".join(line.split(" ", 1)[1] for line in lines) == f"x{text}"


@pytest.mark.parametrize("time", ["\u0662\u0660\u0662\u0666-11-22T22:42:04Z", "2026-11-22 22:42:04Z", "2026-11-22T22:42:04+08:00"])
async def test_what_is_no_time_of_the_kubelet_is_text(time: str) -> None:
    """Such a line has no time of its own."""
    assert await copied(f"{time} x\n".encode()) == [f"{time} x"]


def test_secrets_of_volumes_are_masked_like_those_of_variables() -> None:
    """Whole Secrets, single keys, and those of projected volumes; what only the kubelet reads is left out."""
    pod = {
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "one", "key": "a"}}}]}],
        "volumes": [
            {"name": "v", "secret": {"secretName": "whole", "optional": True}},
            {"name": "w", "secret": {"secretName": "one", "items": [{"key": "b", "path": "x"}, {"key": "c", "path": "y"}]}},
            {"name": "x", "projected": {"sources": [{"secret": {"name": "two", "items": [{"key": "d", "path": "z"}]}}, {"configMap": {}}]}},
            {"name": "y", "projected": {"sources": [{"secret": {"name": "three"}}, {"serviceAccountToken": {"path": "t"}}]}},
            {"name": "z", "emptyDir": {}},
        ],
    }

    assert secrets_of({"spec": {"template": {"spec": pod}}}) == {"one": {"a", "b", "c"}, "whole": None, "two": {"d"}, "three": None}
