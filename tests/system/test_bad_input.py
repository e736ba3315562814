"""What people get wrong, and what they delete: a task says why it failed, and nothing is left behind. API.md sections 2, 3.2 and 5."""

import gzip
import json
import re
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.apiserver import CONFIG_MAPS, EVENTS, OBTASKS, Body, ServerError
from tests.support.kubectl import Kubectl
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.system.scene import Scene, happens

from devcluster.sqlserver import SqlServer

SLEEPY = "select sleep(300)"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to get wrong: what to change in a good Secret and a good step, and what the task says then."""

    reason: str
    says: str
    code: str | None = None
    secret: dict[str, str | None] = field(default_factory=dict)
    kind: str = "task.oceanbase.com/connection"
    sql: dict[str, Any] = field(default_factory=lambda: {"statements": ["select 1 as n"]})
    timeout: int = 30


ONE = ["select 1 as n"]
MISTAKES = {
    "wrong-type": Mistake("Forbidden", "has type Opaque", kind="Opaque"),
    "no-host": Mistake("ConnectionFailed", 'no key "host"', secret={"host": None}),
    "bad-port": Mistake("ConnectionFailed", 'key "port"', secret={"port": "mysql"}),
    "wrong-password": Mistake("ConnectionFailed", "access denied", "1045", secret={"password": "not-this-one"}),
    "refused": Mistake("ConnectionFailed", "connection refused", "2003", secret={"port": "1"}),
    "no-database": Mistake("ConnectionFailed", "no_such_db", "1049", secret={"database": "no_such_db"}),
    "no-table": Mistake("SqlError", "no_such_table", "1146", sql={"statements": [*ONE, FAILING]}),
    "syntax": Mistake("SqlError", "syntax", "1064", sql={"statements": ["selekt 1"]}),
    "out-of-range": Mistake("InvalidExpression", "rows[1].n == 1", sql={"statements": ONE, "expect": "rows[1].n == 1"}),
    "no-bool": Mistake("InvalidExpression", "must be true or false", sql={"statements": ONE, "expect": "rows[0].n"}),
    "no-arg": Mistake("InvalidExpression", "%(b)s", sql={"statements": ["select %(a)s, %(b)s"], "args": {"a": 1}}),
    "unmet": Mistake("ExpectationNotMet", "n=1", sql={"statements": ONE, "expect": "rows[0].n == 2"}),
    "never": Mistake(
        "Timeout", "n=1", sql={"statements": ONE, "until": {"query": ONE[0], "expect": "rows[0].n == 2", "intervalSeconds": 1}}, timeout=2
    ),
    "slow": Mistake("Timeout", "did not end within 1 s", sql={"statements": [SLEEPY]}, timeout=1),
}


@pytest.mark.usefixtures("operator")
def test_a_task_says_what_was_wrong(tasks: TaskClient, seekdb: SqlServer) -> None:
    """Each mistake ends the task Failed with its reason, code and one line that names the fault, within the step's timeout."""
    good = {"host": seekdb.host, "port": str(seekdb.port), "user": seekdb.user, "password": seekdb.password, "database": "test"}
    for name, mistake in MISTAKES.items():
        data = {key: value for key, value in (good | mistake.secret).items() if value is not None}
        tasks.create_secret(name, mistake.kind, **data)
        step = {"name": "s", "sql": mistake.sql, "timeoutSeconds": mistake.timeout}
        tasks.create(name, connection={"secretName": name}, steps=[step])
    tasks.create("missing", connection={"secretName": "nowhere"}, steps=[sql_step("s", "select 1")])

    for name, mistake in [*MISTAKES.items(), ("missing", Mistake("NotFound", '"nowhere" not found'))]:
        failed = tasks.wait_phase(name, "Failed")["failedSubtask"]
        assert (failed["reason"], failed.get("code")) == (mistake.reason, mistake.code), (name, failed)
        assert mistake.says in failed["message"], (name, failed)
        assert "\n" not in failed["message"]
        assert len(failed["message"]) <= 512
    log = tasks.status("no-table")["failedSubtask"]["logTail"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line) for line in log.splitlines()), log
    assert "no_such_table" in log


@pytest.mark.usefixtures("operator")
def test_a_host_that_does_not_answer(tasks: TaskClient) -> None:
    """The step's timeout covers connecting; cancelling does not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tasks.create_secret("silent", host="127.0.0.1", port=str(silent.getsockname()[1]), password="x")  # noqa: S106
        for name, seconds in (("short", 1), ("long", 600)):
            step = sql_step("s", "select 1", timeoutSeconds=seconds)
            tasks.create(name, connection={"secretName": "silent"}, steps=[step])
        assert tasks.wait_phase("short", "Failed")["failedSubtask"]["reason"] in {"Timeout", "ConnectionFailed"}
        assert tasks.command("long", "cancel")["result"] == "Accepted"
        status = tasks.wait_phase("long", "Failed", seconds=5)
        assert (status["reason"], status["failedSubtask"]["reason"]) == ("SubtaskCancelled", "Cancelled")


@contextmanager
def no_config_maps(tasks: TaskClient, kubectl: Kubectl) -> Iterator[None]:
    """Have the API server refuse ConfigMaps of the namespace."""
    name = f"no-config-maps-{tasks.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": tasks.namespace}}
    match = {"resourceRules": [rule], "namespaceSelector": selector}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    policy = {"failurePolicy": "Fail", "matchConstraints": match, "validations": [{"expression": "false", "message": "not here"}]}
    kubectl("create", "-f", "-", manifest={**kind, "kind": "ValidatingAdmissionPolicy", "spec": policy})
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector}}
    kubectl("create", "-f", "-", manifest={**kind, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    try:
        happens(lambda: _refused(tasks), "the policy's effect")
        yield
    finally:
        kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def _refused(tasks: TaskClient) -> bool:
    try:
        tasks.api.send("POST", CONFIG_MAPS.format(tasks.namespace) + "?dryRun=All", {"metadata": {"name": "probe"}})
    except ServerError:
        return True
    return False


@pytest.mark.usefixtures("operator")
def test_a_log_that_cannot_be_stored_stops_nothing(scene: Scene, kubectl: Kubectl) -> None:
    """Where ConfigMaps are refused, a task with long logs goes on; the status keeps the tails, and no dangling reference."""
    many = [f"select {number}" for number in range(40)]
    with no_config_maps(scene.tasks, kubectl):
        scene.create("wordy", sql_step("a", *many), sql_step("b", *many, FAILING))
        status = scene.tasks.wait_phase("wordy", "Failed")
    good, bad = (step["subtasks"][0] for step in status["steps"])
    assert good["logTail"].count("\n") == bad["logTail"].count("\n") == 19
    assert "no_such_table" in status["failedSubtask"]["logTail"]
    assert "logRef" not in json.dumps(status)


@dataclass(frozen=True, slots=True)
class Stage:
    """How to bring a task into a phase: its steps, and the commands it needs."""

    steps: list[Body]
    phase: str
    command: str | None = None
    statement: str | None = None


def stages() -> dict[str, Stage]:
    """Return a task for each phase; the statements differ, so that the SQL server tells which of them run."""
    undo = {"sql": {"statements": ["select sleep(302)"]}}
    return {
        "running": Stage([sql_step("s", "select sleep(301)")], "Running", statement="select sleep(301)"),
        "failed": Stage([sql_step("s", FAILING)], "Failed"),
        "rolling-back": Stage([sql_step("s", FAILING, rollback=undo)], "RollingBack", "rollback", "select sleep(302)"),
        "retrying": Stage([sql_step("s", FAILING, autoRetry={"limit": 5, "backoffSeconds": 3600, "maxBackoffSeconds": 3600})], "Running"),
        "napping": Stage([wait_step("s", 3600)], "Running"),
        "succeeded": Stage([wait_step("s")], "Succeeded"),
        "rejected": Stage([sql_step("s", "select 1", sql={"statements": ["select 1"], "expect": "1 +"})], "Rejected"),
    }


def arrange(scene: Scene, stage: Stage, name: str) -> None:
    """Bring a task into a phase; each has a cluster of its own."""
    scene.create(name, *stage.steps, cluster=name)
    if stage.command:
        scene.tasks.wait_phase(name, "Failed")
        scene.tasks.command(name, stage.command)
    scene.tasks.wait_phase(name, stage.phase)
    if stage.statement:
        happens(lambda: runs(scene, stage.statement), f"{stage.statement} on the server")


def runs(scene: Scene, statement: str | None) -> bool:
    """Return whether the SQL server runs this statement now; a connection at rest shows none."""
    return statement is not None and (statement,) in scene.journal.run("select info from information_schema.processlist")


@pytest.mark.usefixtures("operator")
def test_a_task_can_be_deleted_in_any_phase(scene: Scene) -> None:
    """Its statement stops, its lock is free, it is gone, and the next one in line starts within two seconds."""
    for name, stage in stages().items():
        arrange(scene, stage, name)
        waiter = f"after-{name}"
        scene.create(waiter, wait_step("go"), cluster=name)
        if stage.phase not in {"Succeeded", "Rejected"}:
            scene.tasks.wait_phase(waiter, "Waiting")
        began = time.monotonic()

        scene.tasks.delete(name)

        scene.tasks.wait_gone(name)
        scene.tasks.wait_let_go(waiter, "Succeeded")
        assert time.monotonic() - began < 2, name
        assert not runs(scene, stage.statement), name
    scene.create("holder", wait_step("s", 3600))
    scene.tasks.wait_phase("holder", "Running")
    scene.create("waiting", wait_step("s"))
    scene.tasks.wait_phase("waiting", "Waiting")
    scene.tasks.delete("waiting")
    scene.tasks.wait_gone("waiting", seconds=2)
    assert scene.tasks.holders() == {"holder"}
    assert not scene.history.problems()


def test_a_task_nobody_has_seen_can_be_deleted(tasks: TaskClient) -> None:
    """Without an operator a Pending task has no finalizer yet and is gone at once; kubectl shows it as Pending until then."""
    tasks.create("new", maintenance="Global", steps=[wait_step("s")])
    assert tasks.status("new")["phase"] == "Pending"
    assert "Pending" in tasks.kubectl("get", "obtask", "new")
    tasks.kubectl("delete", "obtask", "new", "--timeout=5s")
    tasks.wait_gone("new", seconds=1)


def test_a_namespace_with_tasks_in_every_phase_goes_away(scene: Scene, kubectl: Kubectl) -> None:
    """Deleting a namespace ends all its tasks: statements stop, finalizers go, nothing is stuck."""
    doomed = f"{scene.tasks.namespace}-doomed"
    kubectl("create", "namespace", doomed)
    there = replace(scene, tasks=TaskClient(scene.tasks.cluster, doomed))
    secret = scene.tasks.api.get(f"/api/v1/namespaces/{scene.tasks.namespace}/secrets/{scene.connection}")
    copy = {"metadata": {"name": scene.connection}, "type": secret["type"], "data": secret["data"]}
    there.tasks.api.send("POST", f"/api/v1/namespaces/{doomed}/secrets", copy)
    with operator_thread(scene.settings.model_copy(update={"namespaces": (scene.tasks.namespace, doomed)})):
        for name, stage in stages().items():
            arrange(there, stage, name)
            there.create(f"after-{name}", wait_step("go", 3600), cluster=name)

        kubectl("delete", "namespace", doomed, "--timeout=30s")

        happens(
            lambda: not any(runs(scene, stage.statement) for stage in stages().values() if stage.statement), "the end of all statements"
        )
        scene.create("still-works", wait_step("go"))
        scene.tasks.wait_let_go("still-works", "Succeeded")


PASSWORD = "pa55 w0rd%s<&é"  # noqa: S105 - the test's own


@pytest.fixture
def account(scene: Scene, seekdb: SqlServer) -> Iterator[str]:
    """Return a user of the SQL server with a password that is hard to mask; Secrets named after it connect as that user."""
    user = scene.journal.table
    scene.journal.run(f"create user {user} identified by '{PASSWORD}'")
    scene.journal.run(f"grant all on *.* to {user}")
    where = {"host": seekdb.host, "port": str(seekdb.port), "database": seekdb.database}
    scene.tasks.create_secret("right", **where, user=user, password=PASSWORD)
    scene.tasks.create_secret("wrong", **where, user=f"{user}_", password=PASSWORD)
    yield user
    scene.journal.run(f"drop user {user}")


def test_a_password_appears_nowhere(scene: Scene, account: str, operator_process: OperatorProcess) -> None:
    """Not in any status, log ConfigMap, Event, Lease or line of the operator's log, whatever goes wrong with the connection."""
    tasks = scene.tasks
    operator_process.start()
    right, wrong = {"secretName": "right"}, {"secretName": "wrong"}
    echo = {"statements": [f"select '{PASSWORD}' as p"], "expect": "rows[0].p == 'x'"}
    steps: dict[str, tuple[Body, dict[str, str]]] = {
        "fine": (sql_step("s", "select 1"), right),
        "denied": (sql_step("s", "select 1"), wrong),
        "echoed": ({"name": "s", "sql": echo}, right),
        "quoted": (sql_step("s", f"selekt '{PASSWORD}'"), right),
        "changed": (
            sql_step("s", f"alter user {account} identified by '{PASSWORD}'", f"set password for {account} = '{PASSWORD}' oops"),
            right,
        ),
        "wordy": (sql_step("s", *[f"select '{PASSWORD}', {number}" for number in range(40)]), right),
        "cut": (sql_step("s", f"select sleep(300), '{PASSWORD}'"), right),
    }
    for name, (step, connection) in steps.items():
        tasks.create(name, connection=connection, steps=[step])
    for name in steps:
        tasks.wait_phase(name, *(["Running"] if name == "cut" else ["Succeeded", "Failed"]))
    happens(lambda: len(scene.journal.run(f"select 1 from information_schema.processlist where user = '{account}'")) > 0, "the statement")
    tasks.command("cut", "cancel")
    tasks.wait_phase("cut", "Failed")
    assert operator_process.stop() == 0

    found = {name: json.dumps(tasks.status(name), ensure_ascii=False) for name in steps}
    maps = tasks.api.get(CONFIG_MAPS.format(tasks.namespace))["items"]
    logs = [gzip.decompress(b64decode(data)).decode() for each in maps for data in each.get("binaryData", {}).values()]
    found["logs"] = "\n".join(logs)
    found["events"] = json.dumps(tasks.api.get(EVENTS.format(tasks.namespace)), ensure_ascii=False)
    found["leases"] = json.dumps(tasks.leases(), ensure_ascii=False)
    found["operator"] = operator_process.log.read_text()
    assert "pa55" in json.dumps(tasks.api.get(OBTASKS.format(tasks.namespace))), "the test itself looks for the wrong thing"
    assert logs
    assert [name for name, text in found.items() if "pa55" in text or "w0rd" in text] == []
    assert "Traceback" not in found["operator"]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("edit", [{"steps": []}, {"currentStep": "nope"}, {"lock": None}], ids=["steps", "step", "lock"])
def test_a_status_that_was_edited_into_nonsense_says_so(tasks: TaskClient, edit: Body) -> None:
    """Nothing follows from it; the task says what is wrong and what to type, and skip frees its lock."""
    tasks.create("edited", maintenance="Global", steps=[wait_step("s", 600)])
    tasks.wait_phase("edited", "Running")
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/edited/status", {"status": edit})

    told = tasks.wait("edited", lambda task: "cannot read the status (status." in task["status"]["message"])
    assert "action=skip" in told["status"]["message"]
    assert told["status"]["phase"] == "Running"

    tasks.annotate("edited", "action=skip")
    tasks.wait_phase("edited", "Skipped")
    tasks.wait_free()
