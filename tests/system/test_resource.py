"""Steps that change objects as the task's service account, through the whole operator. API.md section 2.1."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.apiserver import CONFIG_MAPS, Body, ServerError
from tests.support.chart.installed import eventually
from tests.support.gateway import Gateway, Rule, pass_all
from tests.support.kubectl import Kubectl
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.rights import grant
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.support.verdicts import Fate, Refuse

from obtask.settings import Settings

RUNNER = "runner"
READY = "object.data.phase == 'Ready'"


@pytest.fixture
def runner(kubectl: Kubectl, namespace: str) -> str:
    """Return a service account that may change ConfigMaps, Secrets and Deployments of the test's namespace."""
    grant(kubectl, namespace, RUNNER)
    return RUNNER


def manifest(**data: str) -> Body:
    """Return a ConfigMap to apply."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def apply_step(expect: str | None = None, *, restore: bool = False, name: str = "change", **data: str) -> Body:
    """Return a step that applies a ConfigMap."""
    action = {"apply": manifest(**data)} | ({"until": {"expect": expect}} if expect else {})
    return {"name": name, "resource": action} | ({"rollback": {"resource": {"restore": True}}} if restore else {})


def create(tasks: TaskClient, name: str, *steps: Body, account: str = RUNNER, **spec: Any) -> None:
    """Create a task that works as an account."""
    tasks.create(name, maintenance="Global", serviceAccountName=account, steps=list(steps), **spec)


def live(tasks: TaskClient) -> Body:
    """Return the data of the ConfigMap."""
    data: Body = tasks.api.get(f"{CONFIG_MAPS.format(tasks.namespace)}/settings").get("data", {})
    return data


def change(tasks: TaskClient, **data: str) -> None:
    """Change the ConfigMap as its controller would."""
    tasks.api.send("PATCH", f"{CONFIG_MAPS.format(tasks.namespace)}/settings", {"data": data})


def wait_applied(tasks: TaskClient, **data: str) -> None:
    """Wait until the ConfigMap holds this."""
    path = CONFIG_MAPS.format(tasks.namespace)
    version = tasks.api.get(path)["metadata"]["resourceVersion"]
    if not _holds(tasks, data):
        watch = tasks.api.watch(path, version, 30, fieldSelector="metadata.name=settings")
        assert any(data.items() <= body.get("data", {}).items() for _, body in watch), f"{data} was not applied"


def _holds(tasks: TaskClient, data: dict[str, str]) -> bool:
    try:
        return data.items() <= live(tasks).items()
    except ServerError:
        return False


@pytest.mark.usefixtures("operator", "runner")
def test_the_account_decides_what_a_task_may_do(tasks: TaskClient, kubectl: Kubectl, namespace: str) -> None:
    """One account may, the other is Forbidden with what to grant; once that is granted, retry succeeds."""
    grant(kubectl, namespace, "guest", [])
    create(tasks, "allowed", apply_step(size="1"))
    create(tasks, "forbidden", apply_step(size="2"), account="guest", cluster="other")

    allowed, forbidden = tasks.wait_let_go("allowed", "Succeeded"), tasks.wait_phase("forbidden", "Failed")

    assert allowed["steps"][0]["subtasks"][0]["message"] == f'ConfigMap "settings" in namespace "{namespace}" created'
    assert live(tasks) == {"size": "1"}
    failed = forbidden["failedSubtask"]
    assert (failed["reason"], failed["code"]) == ("Forbidden", "403")
    assert f'User "system:serviceaccount:{namespace}:guest" cannot patch resource "configmaps"' in failed["message"]
    assert "grant patch on configmaps" in failed["message"]
    grant(kubectl, namespace, "guest")
    tasks.command("forbidden", "retry")
    tasks.wait_let_go("forbidden", "Succeeded")
    assert live(tasks) == {"size": "2"}


@pytest.mark.usefixtures("operator", "runner")
def test_until_is_woken_by_a_change(tasks: TaskClient) -> None:
    """The task ends soon after the object is as wanted, although nobody looks again by time."""
    create(tasks, "patient", apply_step(READY, phase="Starting"), wait_step("after"))
    wait_applied(tasks, phase="Starting")
    change(tasks, other="x")
    began = time.monotonic()
    change(tasks, phase="Ready")

    status = tasks.wait_let_go("patient", "Succeeded")

    assert time.monotonic() - began < 20
    assert status["steps"][0]["subtasks"][0]["message"].endswith("; data.phase=Ready")


@pytest.mark.usefixtures("operator", "runner")
def test_rollback_puts_back_what_was_there(tasks: TaskClient, connection: str) -> None:
    """After the failure of a later step, objects that were there are as before, and one that was not is gone."""
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"a": "b"}}
    made = {"name": "made", "resource": {"apply": other}, "rollback": {"resource": {"restore": True}}}
    tasks.kubectl("create", "-f", "-", manifest=manifest(size="1", color="red"))
    create(tasks, "undone", apply_step(restore=True, size="2"), made, sql_step("fails", FAILING), connection={"secretName": connection})
    tasks.wait_phase("undone", "Failed")
    assert live(tasks)["size"] == "2"

    tasks.command("undone", "rollback")

    status = tasks.wait_let_go("undone", "RolledBack")
    assert live(tasks) == {"size": "1", "color": "red"}
    with pytest.raises(ServerError, match="not found"):
        tasks.api.get(f"{CONFIG_MAPS.format(tasks.namespace)}/new")
    messages = [step["subtasks"][0].get("message") for step in status["steps"]]
    assert messages[0] == f'ConfigMap "settings" in namespace "{tasks.namespace}" put back'
    assert messages[1] == f'ConfigMap "new" in namespace "{tasks.namespace}" deleted: it was not there before'


@pytest.mark.usefixtures("operator", "runner")
def test_what_others_put_in_the_place_of_what_was_kept(tasks: TaskClient) -> None:
    """A ConfigMap that was deleted and made again with another object is named and refused; nothing is put back."""
    tasks.kubectl("create", "-f", "-", manifest=manifest(size="1"))
    create(tasks, "robbed", apply_step("false", restore=True, size="2") | {"timeoutSeconds": 2})
    status = tasks.wait_phase("robbed", "Failed")
    [name] = [each["metadata"]["name"] for each in tasks.config_maps("robbed") if each["metadata"]["name"].startswith("obt-before-")]
    stored = tasks.api.get(f"{CONFIG_MAPS.format(tasks.namespace)}/{name}")
    assert status["steps"][0]["subtasks"][0]["kept"] not in {None, "none"}
    tasks.kubectl("delete", "configmap", name)
    meta = {key: stored["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")}
    forged = stored["data"]["object.json"].replace('"size":"1"', '"size":"rootkit"')
    assert forged != stored["data"]["object.json"]
    tasks.api.send("POST", CONFIG_MAPS.format(tasks.namespace), {"metadata": meta, "data": {"object.json": forged}, "immutable": True})

    tasks.command("robbed", "rollback")

    failed = tasks.wait("robbed", lambda task: task["status"]["reason"] == "RollbackFailed")["status"]["failedSubtask"]
    assert failed["reason"] == "Forbidden"
    assert failed["message"].startswith(f"ConfigMap {name} does not hold what this step has kept")
    assert live(tasks) == {"size": "2"}


@pytest.mark.usefixtures("operator", "runner")
def test_an_explicit_rollback_is_an_action_like_any_other(tasks: TaskClient) -> None:
    """What the step applied and its rollback leaves out goes, since both own the same fields; a timeout names what was last seen."""
    undo = {"resource": {"apply": manifest(phase="Idle")}}
    create(tasks, "explicit", apply_step(READY, phase="Starting", extra="x") | {"rollback": undo, "timeoutSeconds": 2})
    failed = tasks.wait_phase("explicit", "Failed")["failedSubtask"]
    assert (failed["reason"], failed["message"]) == (
        "Timeout", f"did not end within 2 s: waiting until {READY}: last saw data.phase=Starting"
    )  # fmt: skip
    assert "not yet: data.phase=Starting" in failed["logTail"]

    tasks.command("explicit", "rollback")

    tasks.wait_let_go("explicit", "RolledBack")
    assert live(tasks) == {"phase": "Idle"}


@pytest.mark.usefixtures("operator", "runner")
def test_nothing_of_a_secret_is_shown_or_kept(tasks: TaskClient) -> None:
    """Status, log, Events and ConfigMaps of the task hold neither the values nor their codings."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2-again"}}
    step = {"name": "s", "resource": {"apply": secret, "until": {"expect": "has(object.data.password)"}}}
    bad = {"name": "bad", "resource": {"apply": secret | {"stringData": {"not a key!": "hunter2-again"}}}}
    create(tasks, "secretive", step, bad)

    status = tasks.wait_phase("secretive", "Failed")

    assert status["failedSubtask"]["reason"] == "HttpStatus"
    shown = f"{status} {tasks.events('secretive')} {tasks.config_maps('secretive')}"
    assert "hunter2" not in shown
    assert base64.b64encode(b"hunter2-again").decode().rstrip("=") not in shown


@pytest.mark.usefixtures("runner")
def test_killed_while_it_waits_the_next_operator_goes_on(tasks: TaskClient, operator_process: OperatorProcess) -> None:
    """The attempt is not interrupted: it is applied again and waited for, with the same number; a restart at a stop is the same."""
    operator_process.start()
    create(tasks, "survivor", apply_step(READY, phase="Starting", size="1"))
    wait_applied(tasks, phase="Starting", size="1")
    operator_process.kill()
    change(tasks, size="2")
    operator_process.start()
    wait_applied(tasks, size="1")
    assert operator_process.stop() == 0
    assert tasks.status("survivor")["phase"] == "Running"
    change(tasks, size="3")
    operator_process.start()
    wait_applied(tasks, size="1")

    change(tasks, phase="Ready")

    status = tasks.wait_let_go("survivor", "Succeeded")
    assert status["steps"][0]["subtasks"][0]["attempts"] == 1
    assert "going on: " in status["steps"][0]["subtasks"][0]["logTail"]
    assert operator_process.stop() == 0


@pytest.fixture
def victim(gateway: Gateway, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator that reaches the API server through the gateway, not started yet."""
    process = OperatorProcess(gateway.kubeconfig, namespace, tmp_path / "operator.log")
    yield process
    process.kill()


def strike_at(victim: OperatorProcess, method: str, fate: Fate, struck: threading.Event) -> Rule:
    """Return the rule that kills the operator at its first request of this method for ConfigMaps but logs, and says so."""

    def rule(method_now: str, path: str) -> Fate:
        if struck.is_set():
            return Fate.DROP
        if method_now != method or "/configmaps" not in path or "/obt-log-" in path:
            return Fate.PASS
        victim.strike()
        struck.set()
        return fate

    return rule


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("blow", [(method, fate) for method in ("POST", "PATCH", "PUT") for fate in (Fate.DROP, Fate.LOSE)], ids=str)
def test_killed_at_any_change(
    tasks: TaskClient, settings: Settings, gateway: Gateway, victim: OperatorProcess, blow: tuple[str, Fate]
) -> None:
    """Killed around keeping, changing or putting back: the next operator ends the task, and what was there before comes back."""
    (method, fate), struck = blow, threading.Event()
    tasks.kubectl("create", "-f", "-", manifest=manifest(size="1"))
    gateway.rule = strike_at(victim, method, fate, struck)
    victim.start()
    create(tasks, "main", apply_step("false", restore=True, size="2") | {"timeoutSeconds": 2})
    if method == "PUT":
        tasks.wait_phase("main", "Failed")
        tasks.annotate("main", "action=rollback")
    assert struck.wait(30)
    gateway.rule = pass_all

    with operator_thread(settings):
        tasks.wait_phase("main", "Failed", "RolledBack")
        if method != "PUT":
            tasks.command("main", "rollback")
        tasks.wait_let_go("main", "RolledBack")

    assert live(tasks) == {"size": "1"}


def refuse_old_versions(_: str, path: str) -> Fate | Refuse:
    """Answer watches of ConfigMaps from a version like a server that remembers only what is new."""
    return Refuse(410) if "/configmaps?" in path and "watch=1" in path and "resourceVersion=" in path else Fate.PASS


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("trouble", ["outage", "old-version", "cut"])
def test_waiting_outlives_trouble_with_the_api_server(tasks: TaskClient, settings: Settings, gateway: Gateway, trouble: str) -> None:
    """An API server that is away, breaks connections or has forgotten a version does not end the waiting, and no change is missed."""
    begin: dict[str, Callable[[], None]] = {"outage": gateway.shut, "cut": gateway.cut, "old-version": lambda: None}
    gateway.rule = refuse_old_versions if trouble == "old-version" else pass_all
    with operator_thread(settings.model_copy(update={"kubeconfig": str(gateway.kubeconfig)})):
        create(tasks, "patient", apply_step(READY, size="1"))
        wait_applied(tasks, size="1")
        begin[trouble]()
        change(tasks, phase="Ready")
        if trouble == "outage":
            gateway.open()

        status = tasks.wait_let_go("patient", "Succeeded")

    assert status["steps"][0]["subtasks"][0]["attempts"] == 1


@pytest.mark.usefixtures("operator", "runner")
def test_a_task_that_waits_for_one_of_its_own_cluster(kubectl: Kubectl, tasks: TaskClient) -> None:
    """The one waits for the end of the other, which waits for the lock of the first: the message says so, while there is time to act."""
    rules = ("--verb=get,list,watch,create,patch", "--resource=obtasks.task.oceanbase.com")
    kubectl("create", "role", "tasks", "-n", tasks.namespace, *rules)
    kubectl("create", "rolebinding", "tasks", "-n", tasks.namespace, "--role=tasks", f"--serviceaccount={tasks.namespace}:{RUNNER}")
    account = f"--as=system:serviceaccount:{tasks.namespace}:{RUNNER}"
    eventually(lambda: "yes" in kubectl("auth", "can-i", "patch", "obtasks", "-n", tasks.namespace, account), "the right")
    inner = tasks.manifest("inner", maintenance="Global", steps=[wait_step("s")])
    until = {"expect": "object.status.phase == 'Succeeded'"}
    create(tasks, "outer", {"name": "make", "resource": {"apply": inner, "until": until}})

    def says(body: Body) -> bool:
        steps = body.get("status", {}).get("steps", [])
        return any("the two tasks wait for each other" in sub.get("message", "") for step in steps for sub in step.get("subtasks", []))

    tasks.wait("outer", says, "the hint")
    tasks.command("inner", "cancel")
    tasks.wait_phase("inner", "Cancelled")
