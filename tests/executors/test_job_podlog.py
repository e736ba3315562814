"""Copying a container's log: whose times are believed, and what a stream may be cut into."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest
from tests.executors.attempts import PlainLog

from obtask.executors.job.podlog import LONGEST_LINE, PodLog
from obtask.executors.job.secrets import secrets_of
from obtask.kube.api import Json, Refusal
from obtask.kube.jobs import Jobs

AT, SHOWN = "2026-11-22T22:42:04.123456789Z", "2026-11-22T22:42:04.123Z"
POD: dict[str, Any] = {
    "metadata": {"namespace": "prod", "name": "p"},
    "status": {"containerStatuses": [{"name": "main", "state": {"running": {"startedAt": AT}}}]},
}
FORGED = "2020-01-01T00:00:00Z"


class Stream:
    """An API server that has one log, in these pieces. Implements what ``Jobs`` needs."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def send(self, *_: object, **__: object) -> Json | Refusal:
        """Nothing else is asked for."""
        raise NotImplementedError

    @asynccontextmanager
    async def streaming(
        self,
        path: str,  # noqa: ARG002 - the protocol's argument
        *,
        query: Mapping[str, str] = MappingProxyType({}),  # noqa: ARG002
        seconds: float = 0,  # noqa: ARG002
    ) -> AsyncIterator[AsyncIterator[bytes] | Refusal]:
        """Give out the log."""

        async def pieces() -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

        yield pieces()


async def copied(*pieces: bytes) -> list[str]:
    """Return the lines of the attempt's log."""
    log = PlainLog()
    await PodLog(Jobs(Stream(pieces))).copy(POD, log, set(), follow=False)
    return log.lines


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
