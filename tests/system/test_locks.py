"""Mutual exclusion end to end: who runs, who waits and for whom, in which order. API.md section 4."""

import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from tests.support.apiserver import Body
from tests.support.audit import tally, writes
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.kubectl import Kubectl
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, sql_step, wait_step

from obtask.settings import Settings

LONG: list[dict[str, Any]] = [wait_step("long", 3600)]
SHORT: list[dict[str, Any]] = [wait_step("go")]
# A step that fails at once, and needs no SQL server for it.
BROKEN: list[dict[str, Any]] = [sql_step("break", "select 1")]
NOWHERE = {"secretName": "missing"}

SCOPES: dict[str, dict[str, Any]] = {
    "None": {"maintenance": "None"},
    "Global": {"maintenance": "Global"},
    "Tenant t": {"maintenance": "Tenant", "tenant": "t"},
    "Tenant u": {"maintenance": "Tenant", "tenant": "u"},
    "OBProxy": {"maintenance": "OBProxy"},
}
TABLE = {
    ("Cluster", "None"): {"None": "Running", "Global": "Running", "Tenant t": "Running"},
    ("Cluster", "Global"): {"None": "Running", "Global": "Waiting", "Tenant t": "Waiting"},
    ("Cluster", "Tenant t"): {"None": "Running", "Global": "Waiting", "Tenant t": "Waiting", "Tenant u": "Running"},
    ("Local", "None"): {"None": "Running", "Global": "Running", "OBProxy": "Running"},
    ("Local", "Global"): {"None": "Running", "Global": "Waiting", "OBProxy": "Running"},
    ("Local", "OBProxy"): {"None": "Running", "Global": "Running", "OBProxy": "Waiting"},
}


@pytest.mark.usefixtures("operator")
def test_the_table_of_exclusion(tasks: TaskClient, history: History) -> None:
    """Every pair of the table runs or waits as written; a waiting task names the one in its way."""
    cells = [(type_, held, wanted, phase) for (type_, held), row in TABLE.items() for wanted, phase in row.items()]
    for number, (type_, held, _, _) in enumerate(cells):
        tasks.create(f"held-{number}", type=type_, **_target(type_, number), **SCOPES[held], steps=LONG)
    for number in range(len(cells)):
        tasks.wait_phase(f"held-{number}", "Running")
    for number, (type_, _, wanted, _) in enumerate(cells):
        tasks.create(f"wanted-{number}", type=type_, **_target(type_, number), **SCOPES[wanted], steps=LONG)

    for number, (_, held, _, phase) in enumerate(cells):
        status = tasks.wait_phase(f"wanted-{number}", "Running", "Waiting")
        assert status["phase"] == phase, cells[number]
        blockers = [(blocker["name"], blocker["phase"], blocker["scope"]) for blocker in status.get("blockedBy", [])]
        assert blockers == ([(f"held-{number}", "Running", held.split()[0])] if phase == "Waiting" else []), cells[number]
    assert not history.problems()


def _target(type_: str, number: int) -> dict[str, str]:
    return {"cluster": f"cluster-{number}"} if type_ == "Cluster" else {"agent": f"10.0.0.{number}:2886"}


@pytest.fixture
def other(tasks: TaskClient, kubectl: Kubectl) -> Iterator[TaskClient]:
    """Return the tasks of a second namespace."""
    name = f"{tasks.namespace}-other"
    kubectl("create", "namespace", name)
    yield TaskClient(tasks.cluster, name)
    kubectl("delete", "namespace", name, "--wait=false")


def test_domains_do_not_see_each_other(tasks: TaskClient, other: TaskClient, settings: Settings) -> None:
    """Namespaces, clusters and hosts are domains of their own, even if all are called the same."""
    with operator_thread(settings.model_copy(update={"namespaces": (tasks.namespace, other.namespace)})):
        for client in (tasks, other):
            client.create("cluster", cluster="same", maintenance="Global", steps=LONG)
            client.create("second", cluster="another", maintenance="Global", steps=LONG)
            client.create("host", type="Local", agent="same", cluster="same", maintenance="Global", steps=LONG)
            for name in ("cluster", "second", "host"):
                client.wait_phase(name, "Running")
            assert len(client.leases()) == 3


@pytest.mark.usefixtures("operator")
def test_waiters_of_a_failed_holder_go_first_come_first_served(tasks: TaskClient, history: History) -> None:
    """Fifty tasks wait for a Failed one, each names it and what to type; after skip they run in order, handed over in under a second."""
    tasks.create("holder", maintenance="Global", connection=NOWHERE, steps=BROKEN)
    tasks.wait_phase("holder", "Failed")
    names = [f"w{number:02}" for number in range(50)]
    for name in names:
        tasks.create(name, maintenance="Global", steps=SHORT)
    for name in names:
        status = tasks.wait_phase(name, "Waiting")
        assert [(blocker["name"], blocker["phase"]) for blocker in status["blockedBy"]] == [("holder", "Failed")]
        assert "kubectl annotate obtask holder" in status["message"]
    [lease] = tasks.leases()

    tasks.command("holder", "skip")
    for name in names:
        tasks.wait_let_go(name, "Succeeded")

    assert history.starts() == ["holder", *names]
    assert not history.problems()
    spec = [change.body["spec"] for change in history.changes() if change.name == lease and change.body is not None]
    pauses = [
        (datetime.fromisoformat(after["acquireTime"]) - datetime.fromisoformat(before["renewTime"])).total_seconds()
        for before, after in pairwise(spec)
        if not before.get("holderIdentity") and after.get("holderIdentity")
    ]
    assert len(pauses) == len(names)
    assert max(pauses) < 1


@pytest.mark.usefixtures("operator")
def test_a_waiting_global_task_keeps_its_place(tasks: TaskClient, history: History) -> None:
    """Tenants that come after a waiting Global task wait behind it, though nobody holds what they want."""
    for tenant in ("a", "b"):
        tasks.create(f"tenant-{tenant}", maintenance="Tenant", tenant=tenant, steps=LONG)
        tasks.wait_phase(f"tenant-{tenant}", "Running")
    tasks.create("whole", maintenance="Global", steps=SHORT)
    blockers = tasks.wait_phase("whole", "Waiting")["blockedBy"]
    assert {blocker["name"] for blocker in blockers} == {"tenant-a", "tenant-b"}
    tasks.create("x-later", maintenance="Tenant", tenant="c", steps=SHORT)
    assert [blocker["name"] for blocker in tasks.wait_phase("x-later", "Waiting")["blockedBy"]] == ["whole"]

    for tenant in ("a", "b"):
        tasks.delete(f"tenant-{tenant}")

    tasks.wait_let_go("whole", "Succeeded")
    tasks.wait_let_go("x-later", "Succeeded")
    assert history.starts() == ["tenant-a", "tenant-b", "whole", "x-later"]
    assert not history.problems()


@pytest.mark.usefixtures("operator")
def test_a_waiter_behind_a_failed_task_may_be_passed(tasks: TaskClient, connection: str, history: History) -> None:
    """Nobody knows when a person acts on a Failed task: who does not conflict with a holder passes its waiters, until it works again."""
    tasks.create("a-failed", maintenance="Tenant", tenant="a", connection=NOWHERE, steps=[sql_step("s", "select sleep(300)")])
    tasks.wait_phase("a-failed", "Failed")
    tasks.create("b-stuck", maintenance="Global", steps=SHORT)
    tasks.wait_phase("b-stuck", "Waiting")
    tasks.create("c-passes", maintenance="Tenant", tenant="c", steps=SHORT)
    tasks.wait_let_go("c-passes", "Succeeded")
    tasks.create("d-same-tenant", maintenance="Tenant", tenant="a", steps=SHORT)
    assert [blocker["name"] for blocker in tasks.wait_phase("d-same-tenant", "Waiting")["blockedBy"]] == ["a-failed"]

    secret = tasks.api.get(f"/api/v1/namespaces/{tasks.namespace}/secrets/{connection}")
    copy = {"metadata": {"name": "missing"}, "type": secret["type"], "data": secret["data"]}
    tasks.api.send("POST", f"/api/v1/namespaces/{tasks.namespace}/secrets", copy)
    tasks.command("a-failed", "retry")
    tasks.wait_phase("a-failed", "Running")
    tasks.create("e-later", maintenance="Tenant", tenant="c", steps=SHORT)
    assert [blocker["name"] for blocker in tasks.wait_phase("e-later", "Waiting")["blockedBy"]] == ["b-stuck"]

    tasks.delete("a-failed")
    for name in ("b-stuck", "d-same-tenant", "e-later"):
        tasks.wait_let_go(name, "Succeeded")
    assert history.starts()[:3] == ["a-failed", "c-passes", "b-stuck"]
    assert not history.problems()


@pytest.mark.usefixtures("operator")
def test_reject_ends_at_once_and_names_the_holder(tasks: TaskClient) -> None:
    """With onConflict Reject a task never waits: Rejected, reason Conflict, the holder in the message; it touches no Lease."""
    tasks.create("holder", maintenance="Global", steps=LONG)
    tasks.wait_phase("holder", "Running")

    tasks.create("hasty", maintenance="Tenant", tenant="t", onConflict="Reject", steps=SHORT)

    status = tasks.wait_let_go("hasty")
    assert (status["phase"], status["reason"], status["allowedActions"]) == ("Rejected", "Conflict", [])
    assert "holder (Global, Running" in status["message"]
    assert "startedAt" not in status
    assert tasks.holders() == {"holder"}
    tasks.create("elsewhere", cluster="other", maintenance="Global", onConflict="Reject", steps=SHORT)
    assert tasks.wait_let_go("elsewhere")["phase"] == "Succeeded"


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("breakage", ["deleted", "emptied"])
def test_a_lease_taken_away_by_hand_is_taken_again(tasks: TaskClient, history: History, breakage: str) -> None:
    """A Lease that was deleted or emptied while its task holds it names it again, with a greater token; no waiter slips in."""
    tasks.create("running", maintenance="Global", steps=LONG)
    tasks.create("failed", cluster="other", maintenance="Global", connection=NOWHERE, steps=BROKEN)
    locks = {name: tasks.wait_phase(name, phase)["lock"] for name, phase in (("running", "Running"), ("failed", "Failed"))}
    for number, cluster in enumerate(("obdemo", "other")):
        tasks.create(f"waiter-{number}", cluster=cluster, maintenance="Global", steps=LONG)
        tasks.wait_phase(f"waiter-{number}", "Waiting")

    for lock in locks.values():
        if breakage == "deleted":
            tasks.kubectl("delete", "lease", lock["lease"])
        else:
            tasks.kubectl("patch", "lease", lock["lease"], "--type=merge", "-p", '{"spec": {"holderIdentity": null}}')

    for name, lock in locks.items():
        again = tasks.wait_lease(lock["lease"], lambda lease: lease.get("spec", {}).get("holderIdentity"))
        uid = tasks.get(name)["metadata"]["uid"]
        assert again["spec"]["holderIdentity"] == f"{name}/{uid}"
        token = again["spec"]["leaseTransitions"]
        assert token > lock["token"]
        tasks.wait(name, partial(_has_token, token))
    assert tasks.status("running")["phase"] == "Running"
    assert tasks.status("failed")["phase"] == "Failed"
    assert [tasks.status(f"waiter-{number}")["phase"] for number in (0, 1)] == ["Waiting", "Waiting"]
    assert not history.problems(whole_leases=False)


@pytest.mark.usefixtures("operator")
def test_a_lease_that_lost_its_labels_gets_them_back(tasks: TaskClient, history: History) -> None:
    """Without its labels nobody would find a Lease; its task puts them on again and keeps its token, and nobody slips in meanwhile."""
    tasks.create("running", maintenance="Tenant", tenant="t", steps=LONG)
    lock = tasks.wait_phase("running", "Running")["lock"]

    tasks.kubectl("label", "lease", lock["lease"], "task.oceanbase.com/lock-", "task.oceanbase.com/domain-")
    tasks.create("waiter", maintenance="Global", steps=SHORT)

    marked = tasks.wait_lease(lock["lease"], lambda lease: len(lease["metadata"].get("labels", {})) == 2)
    assert marked["spec"]["leaseTransitions"] == lock["token"]
    assert tasks.wait_phase("waiter", "Waiting")["blockedBy"][0]["name"] == "running"
    tasks.delete("running")
    tasks.wait_let_go("waiter", "Succeeded")
    assert not history.problems()


def _has_token(token: int, task: Body) -> bool:
    return bool(task["status"]["lock"]["token"] == token)


@pytest.mark.usefixtures("operator")
def test_a_stranger_in_the_lease_stops_the_task(tasks: TaskClient) -> None:
    """LockLost starts no further step; retry is refused while the stranger is there, and takes the lock again once he has left."""
    tasks.create("mine", maintenance="Global", steps=[wait_step("long", 3600), wait_step("next")])
    lock = tasks.wait_phase("mine", "Running")["lock"]

    tasks.kubectl("patch", "lease", lock["lease"], "--type=merge", "-p", '{"spec": {"holderIdentity": "stranger"}}')

    lost = tasks.wait_phase("mine", "Failed")
    assert lost["reason"] == "LockLost"
    assert "stranger" in lost["message"]
    assert "lock" not in lost
    assert [step["phase"] for step in lost["steps"]] == ["Failed", "Pending"]
    assert {"retry", "rollback", "skip"} <= set(lost["allowedActions"])
    for verb in ("retry", "rollback"):
        refused = tasks.command("mine", verb)
        assert refused["result"] == "Rejected"
        assert "stranger" in refused["message"]
    assert tasks.lease(lock["lease"])["spec"]["holderIdentity"] == "stranger"

    tasks.kubectl("patch", "lease", lock["lease"], "--type=merge", "-p", '{"spec": {"holderIdentity": ""}}')
    assert tasks.command("mine", "retry")["result"] == "Accepted"
    again = tasks.wait_phase("mine", "Running")
    assert again["lock"]["token"] > lock["token"]
    assert tasks.holders() == {"mine"}

    tasks.kubectl("patch", "lease", lock["lease"], "--type=merge", "-p", '{"spec": {"holderIdentity": "stranger"}}')
    tasks.wait_phase("mine", "Failed")
    assert tasks.command("mine", "skip")["result"] == "Accepted"
    tasks.wait_let_go("mine", "Skipped")
    assert tasks.lease(lock["lease"])["spec"]["holderIdentity"] == "stranger"
    assert "LockLost" in {event["reason"] for event in tasks.events("mine")}


@pytest.mark.usefixtures("operator")
def test_a_person_can_hold_a_lock_with_a_lease(tasks: TaskClient, settings: Settings) -> None:
    """A holder that is no task blocks tasks until a person frees the Lease, even a bare one; waiting for it costs next to nothing."""
    tasks.create("first", maintenance="Global", steps=LONG)
    lease = tasks.wait_phase("first", "Running")["lock"]["lease"]
    tasks.delete("first")
    tasks.wait_gone("first")
    tasks.kubectl("delete", "lease", lease)
    bare = {"metadata": {"name": lease}, "spec": {"holderIdentity": "alice"}}
    tasks.api.send("POST", f"/apis/coordination.k8s.io/v1/namespaces/{tasks.namespace}/leases", bare)
    tasks.create("second", maintenance="Global", steps=SHORT)
    waiting = tasks.wait_phase("second", "Waiting")
    assert [blocker["name"] for blocker in waiting["blockedBy"]] == ["alice"]
    assert settings.namespaces == (tasks.namespace,)
    before = len(writes(tasks.cluster, tasks.namespace))
    tasks.create("third", maintenance="Global", steps=SHORT)
    tasks.wait_phase("third", "Waiting")
    found = writes(tasks.cluster, tasks.namespace)
    assert len(found) - before < 10, tally(found)

    tasks.kubectl("patch", "lease", lease, "--type=merge", "-p", '{"spec": {"holderIdentity": ""}}')

    tasks.wait_let_go("second", "Succeeded")
    tasks.wait_let_go("third", "Succeeded")


def test_a_task_created_again_does_not_inherit(tasks: TaskClient, settings: Settings, history: History) -> None:
    """A Lease that names an older task of the same name is freed and claimed anew: the new one has its own token."""
    with operator_thread(settings):
        tasks.create("same", maintenance="Global", steps=LONG)
        old = tasks.wait_phase("same", "Running")["lock"]
    tasks.kubectl("patch", "obtask", "same", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    tasks.delete("same")
    tasks.wait_gone("same")
    assert tasks.holders() == {"same"}
    tasks.create("same", maintenance="Global", steps=LONG)

    with operator_thread(settings):
        status = tasks.wait_phase("same", "Running")

    assert status["lock"]["token"] > old["token"]
    assert status["lock"]["acquiredAt"] > old["acquiredAt"]
    uid = tasks.get("same")["metadata"]["uid"]
    assert tasks.lease(status["lock"]["lease"])["spec"]["holderIdentity"] == f"same/{uid}"
    assert not history.problems()


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("on_conflict", ["Queue", "Reject"])
@pytest.mark.parametrize("scope", ["Global", "Tenant t"])
def test_a_lease_of_a_vanished_or_finished_task_is_freed(tasks: TaskClient, scope: str, on_conflict: str) -> None:
    """Who comes after a holder that is gone, or has finished, does not wait for long, and is not turned away because of it."""
    tasks.create("done", maintenance="Global", steps=[wait_step("go", 1)])
    lease = tasks.wait_phase("done", "Running")["lock"]["lease"]
    tasks.wait_let_go("done", "Succeeded")
    uid = tasks.get("done")["metadata"]["uid"]
    for number, holder in enumerate(
        ("ghost/0c8f5e5e-0000-4000-8000-000000000000", f"done/{uid}", "done/0c8f5e5e-0000-4000-8000-000000000000")
    ):
        tasks.kubectl("patch", "lease", lease, "--type=merge", "-p", f'{{"spec": {{"holderIdentity": "{holder}"}}}}')
        tasks.create(f"next-{number}", **SCOPES[scope], onConflict=on_conflict, steps=SHORT)
        assert tasks.wait_let_go(f"next-{number}", seconds=5)["phase"] == "Succeeded", holder


@pytest.mark.parametrize("scope", ["Global", "Tenant t"])
def test_a_lease_left_over_from_before_turns_nobody_away(tasks: TaskClient, settings: Settings, scope: str) -> None:
    """An operator died before it gave a finished task's lock back, and the next one knows nothing of that: nobody is turned away."""
    with operator_thread(settings):
        tasks.create("done", maintenance="Global", steps=[wait_step("go", 1)])
        lease = tasks.wait_phase("done", "Running")["lock"]["lease"]
        tasks.wait_let_go("done", "Succeeded")
    uid = tasks.get("done")["metadata"]["uid"]
    tasks.kubectl("patch", "lease", lease, "--type=merge", "-p", f'{{"spec": {{"holderIdentity": "done/{uid}"}}}}')
    tasks.create("next", **SCOPES[scope], onConflict="Reject", steps=SHORT)

    with operator_thread(settings):
        assert tasks.wait_let_go("next")["phase"] == "Succeeded"


@pytest.mark.usefixtures("operator")
def test_what_a_lease_tells(tasks: TaskClient, connection: str, journal: Journal) -> None:
    """Leases have safe names for any target, carry the key as written, never expire, and hand out tokens that grow."""
    odd = "Größe/集群 _" + "x" * 200
    tasks.create("odd", cluster=odd, maintenance="Tenant", tenant=odd, steps=LONG)
    tasks.create("agent", type="Local", agent="10.0.0.5:2886", maintenance="OBProxy", steps=LONG)
    found = {name: tasks.lease(tasks.wait_phase(name, "Running")["lock"]["lease"]) for name in ("odd", "agent")}
    keys = {name: lease["metadata"]["annotations"] for name, lease in found.items()}
    prefix = "task.oceanbase.com/"
    assert keys["odd"] == {f"{prefix}type": "Cluster", f"{prefix}cluster": odd, f"{prefix}tenant": odd}
    assert keys["agent"] == {f"{prefix}type": "Local", f"{prefix}agent": "10.0.0.5:2886"}
    labels = [lease["metadata"]["labels"] for lease in found.values()]
    assert [label[f"{prefix}lock"] for label in labels] == ["tenant", "obproxy"]
    assert labels[0][f"{prefix}domain"] != labels[1][f"{prefix}domain"]
    assert "odd/" in tasks.kubectl("get", "lease", "-l", f"{prefix}lock=tenant")
    for lease in found.values():
        assert "leaseDurationSeconds" not in lease["spec"]
        assert lease["spec"]["leaseTransitions"] == pytest.approx(time.time(), abs=60)
        assert not lease["metadata"].get("ownerReferences")

    for number in range(3):
        tasks.create(f"t{number}", maintenance="Global", connection={"secretName": connection}, steps=[sql_step("note", journal.note)])
        tasks.wait_let_go(f"t{number}", "Succeeded")
    first, second, third = (entry.token or 0 for entry in journal.entries())
    assert (second, third) == (first + 1, first + 2)
    [free] = [lease for lease in tasks.leases().values() if lease["metadata"]["labels"][f"{prefix}lock"] == "global"]
    assert not free["spec"].get("holderIdentity")
    assert free["spec"]["leaseTransitions"] == third
