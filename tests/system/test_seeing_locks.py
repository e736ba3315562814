"""What people see of locks: Events, metrics, a table of Leases, and what all that costs in a long line. API.md sections 3 and 4."""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.support.apiserver import LEASES, OBTASKS, Body
from tests.support.audit import requests
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, sql_step, wait_step

from devcluster.ports import free_port
from obtask.engine.locking import REFRESH_BASE_SECONDS
from obtask.model.contract import Maintenance, TaskType
from obtask.names import FINALIZER
from obtask.rules.lock_keys import Domain, LockKey
from obtask.settings import Settings

LONG = [wait_step("long", 3600)]
SHORT = [wait_step("go")]
BROKEN = [sql_step("break", "select 1")]
NOWHERE = {"secretName": "missing"}


@pytest.fixture
def metrics(settings: Settings) -> Iterator[str]:
    """Run an operator; return the address of its metrics."""
    port = free_port()
    with operator_thread(settings.model_copy(update={"metrics_address": ("127.0.0.1", port)})):
        yield f"http://127.0.0.1:{port}/metrics"


def read(address: str) -> dict[str, float]:
    """Return the series that a Prometheus server would see."""
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own address
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_tell_of_the_process_too(metrics: str) -> None:
    """CPU time, memory, garbage collections and the version of Python are beside the operator's own series."""
    series = {name.partition("{")[0] for name in read(metrics)}

    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "python_gc_collections_total", "python_info"} <= series
    assert "obtask_leader" in series


@pytest.mark.usefixtures("operator")
def test_events_tell_of_waiting_having_and_giving_back(tasks: TaskClient) -> None:
    """Whoever waits says for whom, then that it has the lock; whoever is waited for says that it gave the lock back."""
    tasks.create("holder", maintenance="Global", steps=LONG)
    tasks.wait_phase("holder", "Running")
    tasks.create("waiter", maintenance="Tenant", tenant="t", steps=SHORT)
    tasks.wait_phase("waiter", "Waiting")
    tasks.command("holder", "cancel")
    tasks.wait_phase("holder", "Failed")  # a task that is being cancelled cannot be skipped
    tasks.command("holder", "skip")
    tasks.wait_let_go("waiter", "Succeeded")

    waiter = tasks.wait_events("waiter", "LockWaiting", "LockAcquired")
    assert "holder (Global, Running" in waiter["LockWaiting"]["message"]
    assert waiter["LockAcquired"]["message"].startswith("Tenant lock taken (Lease obt-tenant-")
    holder = tasks.wait_events("holder", "LockReleased")
    assert holder["LockReleased"]["message"].startswith("Global lock given back (Lease obt-global-")
    assert "LockReleased" not in {event["reason"] for event in tasks.events("waiter")}


def test_metrics_count_tasks_locks_and_waiting(tasks: TaskClient, metrics: str) -> None:
    """Gauges say who is there now, by phase and scope; how long a lock was waited for is a histogram."""
    tasks.create("holder", maintenance="Global", steps=LONG)
    tasks.create("free", steps=LONG)
    tasks.wait_phase("holder", "Running")
    tasks.wait_phase("free", "Running")
    for number in range(2):
        tasks.create(f"waiter-{number}", maintenance="Tenant", tenant=f"t{number}", steps=SHORT)
        tasks.wait_phase(f"waiter-{number}", "Waiting")

    seen = read(metrics)
    assert seen['obtask_tasks{phase="Running",scope="Global"}'] == 1
    assert seen['obtask_tasks{phase="Running",scope="None"}'] == 1
    assert seen['obtask_tasks{phase="Waiting",scope="Tenant"}'] == 2
    assert seen['obtask_locks_held{scope="Global"}'] == 1
    assert seen['obtask_lock_wait_seconds_count{scope="Global"}'] == 1

    tasks.delete("holder")
    for number in range(2):
        tasks.wait_let_go(f"waiter-{number}", "Succeeded")
    seen = read(metrics)
    assert 'obtask_tasks{phase="Waiting",scope="Tenant"}' not in seen
    assert seen['obtask_lock_wait_seconds_count{scope="Tenant"}'] == 2
    assert seen['obtask_tasks_finished_total{phase="Succeeded",scope="Tenant"}'] == 2


@pytest.mark.usefixtures("operator")
def test_a_condition_says_who_is_in_the_way_and_what_to_type(tasks: TaskClient) -> None:
    """LockHeld is False with reason Waiting and names each blocker, its phase, since when, and the command; then it is True."""
    tasks.create("holder", maintenance="Global", connection=NOWHERE, steps=BROKEN)
    tasks.wait_phase("holder", "Failed")
    tasks.create("waiter", maintenance="Tenant", tenant="t", steps=LONG)
    [held] = [one for one in tasks.wait_phase("waiter", "Waiting")["conditions"] if one["type"] == "LockHeld"]
    assert (held["status"], held["reason"]) == ("False", "Waiting")
    assert "holder (Global, Failed since 20" in held["message"]
    assert "kubectl annotate obtask holder" in held["message"]

    tasks.command("holder", "skip")

    [held] = [one for one in tasks.wait_phase("waiter", "Running")["conditions"] if one["type"] == "LockHeld"]
    assert held["status"] == "True"


@pytest.mark.usefixtures("operator")
def test_failed_since_is_when_it_failed(tasks: TaskClient) -> None:
    """Not when it took its lock, which may have been hours before; it is the same time wherever it is told."""
    tasks.create("holder", maintenance="Global", connection=NOWHERE, steps=[wait_step("first", 2), *BROKEN])
    failed = tasks.wait_phase("holder", "Failed")
    tasks.create("waiter", maintenance="Tenant", tenant="t", steps=LONG)

    status = tasks.wait_phase("waiter", "Waiting")

    at = failed["failedSubtask"]["failedAt"]
    [held] = [one for one in status["conditions"] if one["type"] == "LockHeld"]
    assert at > failed["lock"]["acquiredAt"]
    assert [blocker["since"] for blocker in status["blockedBy"]] == [at]
    said = f"holder (Global, Failed since {at[:19]}Z)"
    assert said in status["message"]
    assert said in held["message"]
    assert said in tasks.wait_events("waiter", "LockWaiting")["LockWaiting"]["message"]


@pytest.mark.usefixtures("operator")
def test_a_long_line_costs_little(tasks: TaskClient) -> None:
    """However often the line changes, each waiter writes its own blockedBy only, and that at most once every few seconds."""
    tasks.create("holder", maintenance="Global", steps=LONG)
    tasks.wait_phase("holder", "Running")
    names = [f"waiter-{number:02}" for number in range(60)]
    began = time.monotonic()
    for name in names:
        tasks.create(name, maintenance="Global", steps=LONG)
    for name in names:
        tasks.wait_phase(name, "Waiting")

    for name in names[:20]:
        tasks.delete(name)
    tasks.create("sentinel", cluster="other", maintenance="Global", steps=SHORT)
    tasks.wait_let_go("sentinel", "Succeeded")

    allowed = 1 + (time.monotonic() - began) / REFRESH_BASE_SECONDS
    found = requests(tasks.cluster, tasks.namespace)
    writes = Counter(one.name for one in found if one.resource == "obtasks/status" and one.verb == "update" and one.name in names)
    assert set(writes) == set(names)
    assert max(writes.values()) <= allowed
    # Nobody but the holder has touched the Lease.
    assert len([one for one in found if one.resource == "leases" and one.verb in {"create", "update"}]) == 3


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("tenant", ["T", "t ", "租户", "x" * 253, "t/t", "obt-tenant-0", "a,b=c"])
def test_names_of_any_characters_are_told_apart(tasks: TaskClient, tenant: str) -> None:
    """Names that differ only in case, spaces or length are different tenants; the same name is the same tenant."""
    tasks.create("one", maintenance="Tenant", tenant="t", steps=LONG)
    tasks.create("two", maintenance="Tenant", tenant=tenant, steps=LONG)
    tasks.wait_phase("one", "Running")
    lease = tasks.wait_phase("two", "Running")["lock"]["lease"]
    tasks.create("three", maintenance="Tenant", tenant=tenant, steps=LONG)

    assert [blocker["name"] for blocker in tasks.wait_phase("three", "Waiting")["blockedBy"]] == ["two"]
    assert tasks.lease(lease)["metadata"]["annotations"]["task.oceanbase.com/tenant"] == tenant


@pytest.mark.usefixtures("operator")
def test_a_lease_full_of_garbage_blocks_until_somebody_clears_it(tasks: TaskClient) -> None:
    """A Lease of ours that cannot be read may stand for anything: a Global task waits for its holder, and goes on once it is gone.

    A Tenant task reads the Lease of the whole cluster and its own, by their names: whatever else is there does not stop it.
    """
    tasks.create("first", cluster="c", maintenance="Global", steps=SHORT)
    tasks.wait_let_go("first", "Succeeded")
    [name] = tasks.leases()
    labels = tasks.lease(name)["metadata"]["labels"]
    garbage = {"metadata": {"name": "garbage", "labels": labels}, "spec": {"holderIdentity": "who/knows/what"}}
    tasks.api.send("POST", LEASES.format(tasks.namespace), garbage)

    tasks.create("tenant", cluster="c", maintenance="Tenant", tenant="t", steps=SHORT)
    tasks.wait_let_go("tenant", "Succeeded")
    tasks.create("second", cluster="c", maintenance="Global", steps=SHORT)
    waiting = tasks.wait_phase("second", "Waiting")
    assert "who/knows" in json.dumps(waiting["blockedBy"])

    tasks.kubectl("delete", "lease", "garbage")
    tasks.wait_let_go("second", "Succeeded")


def test_two_holders_that_exclude_each_other_are_told_of(tasks: TaskClient, settings: Settings) -> None:
    """Nothing of ours makes them, but a person or a backup can: Events on both, and a series to be alarmed by."""
    port = free_port()
    noisy = settings.model_copy(update={"metrics_address": ("127.0.0.1", port), "sweep_seconds": 1.0})
    with operator_thread(settings):
        tasks.create("one", maintenance="Tenant", tenant="t", connection=NOWHERE, steps=BROKEN)
        held = tasks.wait_phase("one", "Failed")
        tasks.create("other", maintenance="Global", connection=NOWHERE, steps=BROKEN)
        tasks.wait_phase("other", "Waiting")
    hold_too(tasks, "other", held)

    with operator_thread(noisy):
        for name, mate in (("one", "other"), ("other", "one")):
            event = tasks.wait_events(name, "DoubleHold")["DoubleHold"]
            assert (event["type"], mate in event["message"]) == ("Warning", True)
        assert read(f"http://127.0.0.1:{port}/metrics")["obtask_double_holds"] == 1


def hold_too(tasks: TaskClient, name: str, status: Body) -> None:
    """Have a Global task hold its lock as if it had failed, whoever else does."""
    uid = tasks.get(name)["metadata"]["uid"]
    domain = Domain(tasks.namespace, TaskType.CLUSTER, "obdemo")
    lock = LockKey(domain, Maintenance.GLOBAL)
    meta = {"name": lock.lease_name, "labels": dict(lock.labels), "annotations": dict(lock.annotations)}
    spec = {"holderIdentity": f"{name}/{uid}", "leaseTransitions": 1}
    tasks.api.send("POST", LEASES.format(tasks.namespace), {"metadata": meta, "spec": spec})
    change = {key: status[key] for key in ("phase", "reason", "message", "currentStep", "steps", "startedAt")}
    change["lock"] = status["lock"] | {"lease": lock.lease_name, "scope": "Global", "token": 1}
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/{name}/status", {"status": change})
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/{name}", {"metadata": {"finalizers": [FINALIZER]}})
