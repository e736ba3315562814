"""Logs whose ConfigMaps others make, on a real API server: none is lost, none is forged, and a task has no more of them than it may."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.apiserver import Body
from tests.support.kubectl import Kubectl
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from obtask.engine.log_keeping import NO_ROOM, NOT_KEPT, LogKeeping
from obtask.engine.log_shelf import LogShelf
from obtask.kube.api import ApiError, Json
from obtask.kube.client import Api, connect
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.objects import Objects
from obtask.logs.retention import TASK_BYTES
from obtask.logs.store import log_config_map, log_name, unpacked
from obtask.logs.text import AttemptLog
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId, Failed, Succeeded
from obtask.model.contract import Direction
from obtask.model.reasons import FailureReason
from obtask.rules.nonces import Nonces

FAILED = Failed(FailureReason.SQL_ERROR, "broken", "1146")
ROOM = 2048
PATH = "/api/v1/namespaces/{}/configmaps"


def clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def a_minute_ago() -> datetime:
    """Return when the attempts of these tests began to write."""
    return clock() - timedelta(minutes=1)


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Return the API as the operator's user."""
    connected = await connect(str(control_plane.operator_kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
def one(tasks: TaskClient) -> Attempt:
    """Return an attempt that began a minute ago, of a task that is there."""
    uid = tasks.create("owner", steps=[wait_step("s")])["metadata"]["uid"]
    name = AttemptId(uid, "s", "s", Direction.FORWARD, 1)
    return Attempt(name, tasks.namespace, "owner", WaitAction(seconds=1), None, None, clock() - timedelta(minutes=1), None, None)


def keeper(api: Api, nonces: Nonces) -> LogKeeping:
    """Return a keeper of logs as an operator has one that was just started."""
    return LogKeeping(Objects(api), LogShelf(ConfigMaps(api)), nonces, clock)


def recorded(attempt: Attempt, nonces: Nonces) -> Attempt:
    """Return the attempt as an operator with these nonces has recorded it."""
    return replace(attempt, nonce_digests=(nonces.digest(attempt.id),))


def written(*lines: str) -> AttemptLog:
    """Return a log with these lines."""
    log = AttemptLog(clock=a_minute_ago)
    for line in lines:
        log.write(line)
    return log


def stored(tasks: TaskClient) -> dict[str, Body]:
    """Return the ConfigMaps of logs by name."""
    found = tasks.api.get(PATH.format(tasks.namespace))["items"]
    return {item["metadata"]["name"]: item for item in found if item["metadata"]["name"].startswith("obt-log-")}


def text(item: Body) -> str:
    """Return the log in a ConfigMap."""
    return unpacked(item) or ""


def forged(attempt: Attempt, *, owner: bool, immutable: bool) -> Body:
    """Return a ConfigMap by the name of the attempt's log, as whoever may read the task can make it."""
    log = written("forged")
    body: Body = log_config_map(attempt, log_name(attempt.id), log.packed(), nonce=(attempt.nonce_digests or ("x",))[0], octets=100)
    if not owner:
        del body["metadata"]["ownerReferences"]
    return body | ({"immutable": True} if immutable else {})


@pytest.mark.parametrize("immutable", [True, False])
@pytest.mark.parametrize("owner", [True, False])
async def test_made_beforehand(tasks: TaskClient, kubectl: Kubectl, api: Api, one: Attempt, *, owner: bool, immutable: bool) -> None:
    """The log is in another ConfigMap, to which the status points and the log itself; what is there is left as it is."""
    nonces = Nonces(b"operator")
    attempt, log, keeping = recorded(one, nonces), written("genuine"), keeper(api, nonces)
    kubectl("create", "-n", tasks.namespace, "-f", "-", manifest=forged(attempt, owner=owner, immutable=immutable))

    await keeping.show([(attempt, log)], lambda _: True)
    log.write("the end")
    report = await keeping.ended(attempt, log, FAILED, ROOM)

    name, found = log_name(attempt.id), stored(tasks)
    assert report.log_ref is not None
    assert report.log_ref.config_map != name
    assert found.keys() == {name, report.log_ref.config_map}
    whole = text(found[report.log_ref.config_map])
    assert f"ConfigMap {name} is not the operator's and is left alone: this log is in ConfigMap {report.log_ref.config_map}" in whole
    assert "genuine" in whole
    assert whole.splitlines()[-1].endswith(" the end")
    assert "forged" in text(found[name])


async def test_what_somebody_else_made_is_not_recalled(tasks: TaskClient, kubectl: Kubectl, api: Api, one: Attempt) -> None:
    """The next operator begins the log anew rather than with lines that a stranger wrote."""
    attempt, log = recorded(one, Nonces(b"before")), AttemptLog(clock=a_minute_ago)
    kubectl("create", "-n", tasks.namespace, "-f", "-", manifest=forged(attempt, owner=True, immutable=False))

    await keeper(api, Nonces(b"after")).recall(attempt, log)

    assert not log.written


@pytest.mark.parametrize("by_older", [False, True], ids=["same-version", "older-version"])
async def test_a_log_goes_on_with_the_next_operator(tasks: TaskClient, api: Api, one: Attempt, *, by_older: bool) -> None:
    """It begins with what the one before had shown, and stays in the same ConfigMap; also after an upgrade in the middle."""
    nonces = Nonces(b"before")
    attempt = one if by_older else recorded(one, nonces)
    await keeper(api, nonces).show([(attempt, written("early"))], lambda _: True)
    log, keeping = AttemptLog(clock=a_minute_ago), keeper(api, Nonces(b"after"))
    await keeping.recall(attempt, log)
    log.write("late")
    await keeping.show([(attempt, log)], lambda _: True)
    third = AttemptLog(clock=a_minute_ago)

    await keeper(api, Nonces(b"third")).recall(attempt, third)

    [only] = stored(tasks).values()
    assert [line.partition("Z ")[2] for line in text(only).splitlines()] == ["early", "late"]
    assert third.written == 2


async def test_deleted_and_made_again_while_it_runs(tasks: TaskClient, kubectl: Kubectl, api: Api, one: Attempt) -> None:
    """A ConfigMap that was only deleted is made again; one that somebody put in its place, with the nonce it had, is replaced."""
    nonces = Nonces(b"operator")
    attempt, log, keeping = recorded(one, nonces), written("genuine"), keeper(api, nonces)
    await keeping.show([(attempt, log)], lambda _: True)
    kubectl("delete", "configmap", "-n", tasks.namespace, log_name(attempt.id))
    await keeping.ended(attempt, log, FAILED, ROOM)
    assert "genuine" in text(stored(tasks)[log_name(attempt.id)])

    copy = forged(attempt, owner=True, immutable=False)
    copy["metadata"]["annotations"]["task.oceanbase.com/nonce"] = nonces.of(attempt.id)
    kubectl("delete", "configmap", "-n", tasks.namespace, log_name(attempt.id))
    kubectl("create", "-n", tasks.namespace, "-f", "-", manifest=copy)
    await keeping.ended(attempt, log, FAILED, ROOM)

    [only] = stored(tasks).values()
    assert "genuine" in text(only)


async def test_the_log_of_a_failed_attempt_is_always_in_its_config_map(tasks: TaskClient, api: Api, one: Attempt) -> None:
    """With how it ended; a short one of an attempt that succeeded lives in the status only, a long one does not."""
    nonces = Nonces(b"operator")
    keeping = keeper(api, nonces)
    short, long = written("short"), written(*(f"line {number}" for number in range(100)))
    attempts = [recorded(replace(one, id=replace(one.id, subtask=name)), nonces) for name in ("failed", "good", "long")]
    failed = await keeping.ended(attempts[0], short, FAILED, ROOM)
    good = await keeping.ended(attempts[1], short, Succeeded(), ROOM)
    lengthy = await keeping.ended(attempts[2], long, Succeeded(), ROOM)

    found = stored(tasks)
    assert found.keys() == {log_name(attempts[0].id), log_name(attempts[2].id)}
    assert (failed.log_ref, good.log_ref) == (None, None)
    assert failed.log_tail == good.log_tail == short.tail()
    assert lengthy.log_ref is not None
    notes = {key.rpartition("/")[2]: value for key, value in found[log_name(attempts[0].id)]["metadata"]["annotations"].items()}
    assert (notes["step"], notes["subtask"], notes["direction"], notes["attempt"]) == ("s", "failed", "Forward", "1")
    assert (notes["reason"], notes["code"]) == ("SqlError", "1146")
    assert notes["started-at"] < notes["finished-at"]
    notes = {key.rpartition("/")[2]: value for key, value in found[log_name(attempts[2].id)]["metadata"]["annotations"].items()}
    assert (notes["reason"], "code" in notes) == ("Succeeded", False)


async def test_many_attempts_leave_the_first_and_the_last_two(tasks: TaskClient, api: Api, one: Attempt) -> None:
    """Also over a restart in between; what others have put beside them with the task's label stays."""
    bait = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "bait", "labels": {"task.oceanbase.com/task-uid": one.id.uid}}}
    tasks.api.send("POST", PATH.format(tasks.namespace), bait)
    for number in range(1, 9):
        nonces = Nonces(b"first" if number < 5 else b"second")
        if number in {1, 5}:
            keeping = keeper(api, nonces)
        attempt = recorded(replace(one, id=replace(one.id, number=number), started_at=one.started_at + timedelta(seconds=number)), nonces)
        await keeping.ended(attempt, written(f"attempt {number}"), FAILED, ROOM)
        keeping.forget(attempt.id)
        assert len(stored(tasks)) <= 3

    kept = {item["metadata"]["annotations"]["task.oceanbase.com/attempt"] for item in stored(tasks).values()}
    assert kept == {"1", "7", "8"}
    assert tasks.api.get(f"{PATH.format(tasks.namespace)}/bait")


async def test_a_task_has_16_mib_of_logs(tasks: TaskClient, api: Api, one: Attempt) -> None:
    """Whatever its subtasks write, over a restart too: the oldest are given up first."""
    nonces, noise = Nonces(b"operator"), random.Random(7)  # noqa: S311 - it packs badly, that is all
    big = written(*(noise.randbytes(2000).hex() for _ in range(400)))
    keeping = keeper(api, nonces)
    for number in range(40):
        if number == 20:
            keeping = keeper(api, nonces)
        place = replace(one.id, subtask=f"s{number:02}")
        attempt = recorded(replace(one, id=place, started_at=one.started_at + timedelta(seconds=number)), nonces)
        await keeping.ended(attempt, big, FAILED, ROOM)

    found = stored(tasks)
    size = sum(len(json.dumps(item)) for item in found.values())
    assert TASK_BYTES * 3 // 4 < size <= TASK_BYTES
    kept = sorted(item["metadata"]["annotations"]["task.oceanbase.com/subtask"] for item in found.values())
    assert kept == [f"s{number:02}" for number in range(40)][-len(kept) :]


async def test_what_runs_takes_half_of_it_at_most(tasks: TaskClient, api: Api, one: Attempt) -> None:
    """Many subtasks at once show less of their logs each: the newest lines of what does not fit."""
    nonces, noise = Nonces(b"operator"), random.Random(7)  # noqa: S311 - it packs badly, that is all
    running: list[tuple[Attempt, AttemptLog]] = []
    for number in range(24):
        log = written(*(noise.randbytes(2000).hex() for _ in range(250)), f"newest of {number}")
        running.append((recorded(replace(one, id=replace(one.id, subtask=f"s{number:02}")), nonces), log))

    await keeper(api, nonces).show(running, lambda _: True)

    found = stored(tasks)
    assert len(found) == 24
    assert sum(len(json.dumps(item)) for item in found.values()) <= TASK_BYTES // 2 + 24 * 4096
    assert all("newest of" in text(item).splitlines()[-1] for item in found.values())


class Undeletable(ConfigMaps):
    """ConfigMaps that the operator may not delete."""

    async def delete(self, namespace: str, name: str, uid: str) -> Json | ApiError:
        """Be refused."""
        return ApiError(403, "Forbidden", f"cannot delete {namespace}/{name} {uid}")


async def test_without_the_right_to_delete_the_budget_holds_all_the_same(tasks: TaskClient, one: Attempt, api: Api) -> None:
    """What cannot be given up leaves no room: newer logs are cut to their tails, and say so."""
    nonces, noise = Nonces(b"operator"), random.Random(7)  # noqa: S311 - it packs badly, that is all
    keeping = LogKeeping(Objects(api), LogShelf(Undeletable(api)), nonces, clock)
    for number in range(30):
        big = written(*(noise.randbytes(2000).hex() for _ in range(400)))
        attempt = recorded(replace(one, id=replace(one.id, subtask=f"s{number:02}")), nonces)
        report = await keeping.ended(attempt, big, FAILED, ROOM)

    assert sum(len(json.dumps(item)) for item in stored(tasks).values()) <= TASK_BYTES
    assert report.log_ref is None
    assert (report.log_tail or "").endswith(NOT_KEPT + NO_ROOM)
