"""What waits for a live object keeps nothing of it: thousands of attempts may wait for objects of a megabyte."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.component.executors.workplace import patch
from tests.support.attempts import Evaluated, attempt, until
from tests.support.builders import START

from obtask.executors.inprocess import Reporter
from obtask.executors.network.large_answers import SMALL_BYTES
from obtask.executors.resource.change import change
from obtask.executors.resource.objects import Target
from obtask.executors.resource.target import ResourceConversation
from obtask.executors.resource.until import until_holds
from obtask.executors.until import Judge
from obtask.kube.discovery import Served
from obtask.kube.impersonation import ApiAnswer, Change, ServiceAccount
from obtask.logs.text import AttemptLog
from obtask.model.attempt import Failed
from obtask.model.kubernetes_actions import ResourceUntil
from obtask.rules.expressions import Vocabulary
from obtask.shares import Slot, Slots


class Large(dict[str, Any]):
    """An object that tells when nobody has it any more."""


@dataclass
class Server:
    """An API server with one object, which changes once and never again."""

    given: list["weakref.ref[Large]"] = field(default_factory=list)
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    def _object(self) -> Large:
        made = Large(kind="ConfigMap", metadata={"resourceVersion": str(len(self.given) + 1)})
        self.given.append(weakref.ref(made))
        return made

    async def send(self, *_: object, **__: object) -> ApiAnswer:
        """Return the object."""
        return ApiAnswer(self._object(), created=False, warnings=())

    async def watch(self, *_: object, **__: object) -> AsyncGenerator[Change]:
        """Tell of one change."""
        yield Change("MODIFIED", self._object())
        self.silent.set()
        await asyncio.Event().wait()


async def no_turn() -> None:
    """Let everybody go on at once."""


class Never(Evaluated):
    """Says of nothing that it holds, after a while."""

    async def holds(self, *_: object) -> bool:
        """Return that nothing holds."""
        await asyncio.sleep(0.001)
        return False


async def conversing(server: object, slots: Slots, rooms: Slots) -> ResourceConversation:
    """Return the conversation of an attempt with a slot."""
    slot = Slot(slots, "ns")
    await slot.take()
    return ResourceConversation(
        ServiceAccount("ns", "runner"),
        server,  # type: ignore[arg-type]  # of which no more is needed
        None,  # type: ignore[arg-type]  # nothing is looked up
        log=AttemptLog(clock=lambda: START),
        report=Reporter(lambda *_: None, slot, Slot(Slots(64), "ns"), no_turn),
        confirmed=no_turn,
        sleep=asyncio.sleep,
        watch_seconds=60,
        rooms=rooms,
    )


async def waiting(server: Server, slots: Slots, rooms: Slots) -> asyncio.Task[str | Failed]:
    """Return an attempt that waits for an object of the server."""
    conversation = await conversing(server, slots, rooms)
    target = Target(Served("v1", "ConfigMap", "configmaps", namespaced=True), "ns", "large")
    wanted, judge = ResourceUntil(expect="object.x == 1"), Judge(Never(), "ns", Vocabulary.RESOURCE)
    return asyncio.create_task(until_holds(conversation, target, wanted, judge))


async def test_what_is_waited_for_is_not_kept() -> None:
    """Neither the object as it was read nor as it was after a change is in memory while the next change is waited for."""
    server = Server()
    one = await waiting(server, Slots(4), Slots(4))
    await asyncio.wait_for(server.silent.wait(), 5)
    gc.collect()

    assert len(server.given) == 2
    assert [one() for one in server.given] == [None, None]
    one.cancel()


class Busy(Server):
    """An API server with a large object, of which it knows how many of those it gave are still held."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def _object(self) -> Large:
        made = super()._object()
        alive = [one for one in self.given if one() is not None]
        self.most = max(self.most, len(alive))
        return made

    async def watch(self, *_: object, **__: object) -> AsyncGenerator[Change]:
        """Tell everybody at once of three changes."""
        for _number in range(3):
            yield Change("MODIFIED", self._object(), SMALL_BYTES + 1)
        self.silent.set()
        await asyncio.Event().wait()


async def test_many_that_wait_for_large_objects_hold_few_of_them() -> None:
    """However many are woken by the same change, only so many have the object at once; nobody waits for ever."""
    server, rooms = Busy(), Slots(12)
    several = [await waiting(server, Slots(64), rooms) for _ in range(40)]

    await until(lambda: len(server.given) == 40 * (1 + 3 + 3))
    await until(lambda: not any(one() is not None for one in server.given))

    assert server.most <= 12 + 1
    for one in several:
        one.cancel()
    await asyncio.wait(several)


@dataclass
class Slow:
    """An API server with an object of this size, which is slow to change it: only if so many ask at once."""

    octets: int
    together: int
    changing: int = 0
    most: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, _account: object, method: str, _path: str, **_: object) -> ApiAnswer:
        """Answer a GET at once, and a change when enough of them have come."""
        if method == "PATCH":
            self.changing += 1
            self.most = max(self.most, self.changing)
            if self.changing == self.together:
                self.enough.set()
            await self.enough.wait()
            self.changing -= 1
        return ApiAnswer({"kind": "ConfigMap", "metadata": {"resourceVersion": "1"}}, octets=self.octets)


@pytest.mark.parametrize(("octets", "together"), [(SMALL_BYTES, 40), (SMALL_BYTES + 1, 4)])
async def test_only_large_objects_are_changed_a_few_at_once(octets: int, together: int) -> None:
    """A slow webhook holds up nobody who changes a small object; of large ones there are no more than fit into memory."""
    server, rooms, slots = Slow(octets, together), Slots(12), Slots(256)
    action = patch({"data": {"a": "b"}})
    target = Target(Served("v1", "ConfigMap", "configmaps", namespaced=True), "ns", "large")
    asked = [
        change(await conversing(server, slots, rooms), None, attempt(action), action, target)  # type: ignore[arg-type]  # nothing is kept
        for _ in range(40)
    ]

    async with asyncio.timeout(20):
        await asyncio.gather(*asked)

    assert server.most == together
