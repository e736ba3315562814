"""Logs of attempts in ConfigMaps: what was written last is what stays, whoever is slow."""

import asyncio
import base64
import gzip
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from obtask.engine.log_keeping import LogKeeping
from obtask.engine.log_shelf import LogShelf
from obtask.kube.api import ApiError, ApiUnavailable, Json
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.objects import Objects
from obtask.logs.text import AttemptLog
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId, Succeeded
from obtask.model.contract import Direction
from obtask.rules.nonces import Nonces

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
ID = AttemptId("4f0c", "one", "one", Direction.FORWARD, 1)
ATTEMPT = Attempt(ID, "prod", "x", WaitAction(seconds=1), None, None, BEGIN, None, None)


@dataclass
class SlowServer:
    """An API server that keeps one ConfigMap, and takes its time for the first write."""

    first: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    stored: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Store the log in a body."""
        assert body is not None, (method, path, query)
        text = gzip.decompress(base64.b64decode(body["binaryData"]["log.gz"])).decode()
        if not self.begun.is_set():
            self.begun.set()
            await self.first.wait()
        self.stored.append(text)
        return body

    async def metadata(self, path: str, *, query: object = None) -> Json | ApiError:
        """Return that no log is stored."""
        return {"items": [], "path": path, "query": query}


def keeper_of(server: SlowServer) -> LogKeeping:
    """Return a keeper of logs that stores them there."""
    return LogKeeping(Objects(server), LogShelf(ConfigMaps(server)), Nonces(b"test"), clock)


def clock() -> datetime:
    """Return a time long after the attempt began."""
    return BEGIN + timedelta(minutes=1)


def beginning() -> datetime:
    """Return when the attempt began."""
    return BEGIN


async def test_an_attempt_that_begins_late_is_not_shown_early() -> None:
    """On a busy day an attempt begins long after it was recorded: what takes a second is not stored because of that."""
    server = SlowServer()
    keeping, log = keeper_of(server), AttemptLog(clock=clock)
    log.write("begun")

    await keeping.show([(ATTEMPT, log)], lambda _: True)

    assert not server.stored


async def test_the_whole_log_comes_after_what_was_shown() -> None:
    """A store of a running attempt's log that takes long does not land on top of the final one."""
    server = SlowServer()
    keeping, log = keeper_of(server), AttemptLog(clock=beginning)
    log.write("begun")
    showing = asyncio.create_task(keeping.show([(ATTEMPT, log)], lambda _: True))
    await server.begun.wait()

    log.write("done")
    ending = asyncio.create_task(keeping.ended(ATTEMPT, log, Succeeded(), 2048))
    await asyncio.sleep(0)
    server.first.set()
    await showing
    report = await ending

    assert server.stored[-1].splitlines()[-1].endswith(" done")
    assert report.log_ref is not None


async def test_an_attempt_that_has_ended_is_not_shown_any_more() -> None:
    """Whoever comes late with what an attempt had written leaves the whole log alone."""
    server = SlowServer()
    keeping, log = keeper_of(server), AttemptLog(clock=beginning)
    log.write("begun")

    await keeping.show([(ATTEMPT, log)], lambda _: False)

    assert not server.stored


async def test_nobody_waits_for_the_logs_of_others() -> None:
    """While a store takes long, those that are due later are shown all the same, and none is stored twice at once."""
    server = SlowServer()
    keeping, slow, quick = keeper_of(server), AttemptLog(clock=beginning), AttemptLog(clock=beginning)
    neighbour = replace(ATTEMPT, id=replace(ID, uid="another"), namespace="team-b")
    slow.write("slow")
    first = asyncio.create_task(keeping.show([(ATTEMPT, slow)], lambda _: True))
    await server.begun.wait()

    quick.write("quick")
    await asyncio.wait_for(keeping.show([(ATTEMPT, slow), (neighbour, quick)], lambda _: True), 5)

    assert [text.split()[-1] for text in server.stored] == ["quick"]
    server.first.set()
    await first


async def test_an_attempt_that_is_forgotten_while_it_is_shown_leaves_nothing() -> None:
    """Its store may end after its task has gone."""
    server = SlowServer()
    keeping, log = keeper_of(server), AttemptLog(clock=beginning)
    log.write("begun")
    showing = asyncio.create_task(keeping.show([(ATTEMPT, log)], lambda _: True))
    await server.begun.wait()

    keeping.forget(ID)
    server.first.set()
    await showing

    assert not keeping._maps
    assert not keeping._showing
    assert not keeping._under_way
    assert not keeping._shelf._tasks


@dataclass
class FullServer:
    """An API server with a quota of ConfigMaps that is used up, or one that does not answer at all."""

    away: bool = False
    asked: int = 0

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:  # noqa: ARG002
        """Refuse."""
        self.asked += 1
        if self.away:
            raise ApiUnavailable(f"{method} {path}: nobody answers")
        return ApiError(403, "Forbidden", 'configmaps "obt-log-1" is forbidden: exceeded quota: few')

    async def metadata(self, path: str, *, query: object = None) -> Json | ApiError:
        """Return that no log is stored."""
        return {"items": [], "path": path, "query": query}


def refused(server: FullServer) -> LogKeeping:
    """Return a keeper of logs that cannot keep them there."""
    return LogKeeping(Objects(server), LogShelf(ConfigMaps(server)), Nonces(b"test"), clock)


@pytest.mark.parametrize(("away", "why"), [(False, "exceeded quota: few"), (True, "nobody answers")])
async def test_a_log_that_cannot_be_kept_says_so(away: bool, why: str) -> None:
    """The tail does not look like the whole: it ends with why there is no more."""
    log = AttemptLog(clock=clock)
    for number in range(64):
        log.write(f"line {number}")

    report = await refused(FullServer(away=away)).ended(ATTEMPT, log, Succeeded(), 2048)

    last = (report.log_tail or "").splitlines()[-1]
    assert "the whole log could not be kept: " in last
    assert why in last
    assert report.log_ref is None


async def test_a_log_that_is_refused_is_not_offered_each_second() -> None:
    """What a quota refuses while an attempt runs is tried again after a while."""
    server, log = FullServer(), AttemptLog(clock=beginning)
    keeping = refused(server)

    for number in range(5):
        log.write(f"line {number}")
        await keeping.show([(ATTEMPT, log)], lambda _: True)

    assert server.asked == 1


@dataclass
class Absent(SlowServer):
    """An API server that does not answer the first request."""

    asked: int = 0

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Answer all but the first."""
        self.asked += 1
        if self.asked == 1:
            raise ApiUnavailable(f"{method} {path}: nobody answers")
        return await super().send(method, path, query=query, body=body)


async def test_a_log_that_got_no_answer_is_offered_again_soon() -> None:
    """One request that is lost leaves a log of a running attempt stale for a second, whether or not it has more lines by then."""
    server, log, now = Absent(), AttemptLog(clock=beginning), [clock()]
    server.first.set()
    keeping = LogKeeping(Objects(server), LogShelf(ConfigMaps(server)), Nonces(b"test"), lambda: now[0])
    log.write("begun")

    await keeping.show([(ATTEMPT, log)], lambda _: True)
    assert not server.stored
    now[0] += timedelta(seconds=1)
    await keeping.show([(ATTEMPT, log)], lambda _: True)

    assert [text.split()[-1] for text in server.stored] == ["begun"]
