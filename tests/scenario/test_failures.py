"""Bad input and bad luck: each gives a clear failure, and nothing is lost."""

import base64
import gzip
import socket
from collections.abc import Iterator

import pytest
from tests.scenario.apiserver import Body
from tests.scenario.tasks import TaskClient

from obtask.devcluster.sqlserver import SqlServer

pytestmark = pytest.mark.usefixtures("operator")

CONNECTION_TYPE = "task.oceanbase.com/connection"
SELECT = {"statements": ["select 1 as a"]}


def secret(tasks: TaskClient, name: str, *, type_: str = CONNECTION_TYPE, **data: str) -> str:
    """Make a Secret and return its name."""
    body = {"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": {"name": name}, "stringData": data}
    tasks.kubectl("create", "-f", "-", manifest=body)
    return name


def whole_log(tasks: TaskClient, reference: dict[str, str]) -> str:
    """Return the log that a logRef points to."""
    key = reference["key"].replace(".", "\\.")
    packed = tasks.kubectl("get", "configmap", reference["configMap"], "-o", f"jsonpath={{.binaryData.{key}}}")
    return gzip.decompress(base64.b64decode(packed)).decode()


def failure(tasks: TaskClient, name: str, sql: Body, connection: str | None, **step: object) -> Body:
    """Run a task of one SQL step that fails; return status.failedSubtask."""
    spec: Body = {"connection": {"secretName": connection}} if connection else {}
    tasks.create(name, maintenance="Global", **spec, steps=[{"name": "q", "sql": sql, **step}])
    status = tasks.wait_phase(name, "Failed")
    assert status["lock"]["scope"] == "Global"
    failed: Body = status["failedSubtask"]
    tasks.command(name, "skip")
    tasks.wait_phase(name, "Skipped")
    return failed


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Return a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_connections_that_cannot_be_used(tasks: TaskClient, database: SqlServer) -> None:
    """An unknown Secret, one of another type, one without host, a wrong password and a closed port are told apart."""
    where = {"host": database.host, "port": str(database.port), "user": database.user}
    opaque = secret(tasks, "opaque", type_="Opaque", **where, password=database.password)
    homeless = secret(tasks, "homeless", password="whatever")  # noqa: S106 - a test's
    wrong = secret(tasks, "wrong", **where, password="not the password")  # noqa: S106 - a test's
    closed = secret(tasks, "closed", host="127.0.0.1", port="9", password="x")  # noqa: S106 - a test's

    found = {name: failure(tasks, name, SELECT, name) for name in ("missing", opaque, homeless, wrong, closed)}
    nowhere = failure(tasks, "nowhere", SELECT, None)

    assert (found["missing"]["reason"], found["missing"]["message"]) == (
        "NotFound",
        f'Secret "missing" not found in namespace "{tasks.namespace}"',
    )
    assert found["opaque"]["reason"] == "Forbidden"
    assert "task.oceanbase.com/connection" in str(found["opaque"]["message"])
    assert (found["homeless"]["reason"], found["homeless"]["message"]) == ("ConnectionFailed", 'Secret "homeless" has no key "host"')
    assert (found["wrong"]["reason"], found["wrong"]["code"]) == ("ConnectionFailed", "1045")
    assert found["closed"]["reason"] == "ConnectionFailed"
    assert nowhere["reason"] == "NotFound"


def test_a_server_that_never_answers_is_given_up_at_the_step_s_timeout(tasks: TaskClient, mute_port: int) -> None:
    """The timeout covers connecting, too."""
    mute = secret(tasks, "mute", host="127.0.0.1", port=str(mute_port), password="x")  # noqa: S106 - a test's

    failed = failure(tasks, "mute", SELECT, mute, timeoutSeconds=1)

    assert failed["reason"] in {"Timeout", "ConnectionFailed"}
    assert "1 s" in str(failed["message"])


@pytest.mark.parametrize(
    ("name", "sql", "reason", "said"),
    [
        ("syntax", {"statements": ["select from where"]}, "SqlError", "1064"),
        ("unmet", {**SELECT, "expect": "rows[0].a == 2"}, "ExpectationNotMet", "rows[0].a == 2"),
        ("unreadable", {**SELECT, "expect": "rows[0].b == 2"}, "InvalidExpression", "b"),
        ("argument", {"statements": ["select %(who)s"], "args": {"other": 1}}, "InvalidExpression", "who"),
    ],
)
def test_sql_that_does_not_do_what_it_should(  # noqa: PLR0917 - a table's columns
    tasks: TaskClient, connection: str, name: str, sql: Body, reason: str, said: str
) -> None:
    """Errors of the server, expectations not met and expressions that fail at run time have reasons of their own."""
    failed = failure(tasks, name, sql, connection)

    assert failed["reason"] == reason
    assert said in str(failed["message"])


def test_an_effect_that_never_comes_is_a_timeout_that_says_what_was_seen(tasks: TaskClient, connection: str) -> None:
    """Waiting with until ends at the step's timeout, with the last answer in the message."""
    until = {"query": "select 'COMPACTING' as status", "expect": "rows[0].status == 'IDLE'", "intervalSeconds": 1}

    failed = failure(tasks, "never", {**SELECT, "until": until}, connection, timeoutSeconds=2)

    assert failed["reason"] == "Timeout"
    assert "COMPACTING" in str(failed["message"])


def test_a_password_is_nowhere_to_be_seen(tasks: TaskClient, connection: str, database: SqlServer) -> None:
    """Not in a status, an Event or a stored log, even when a statement spells it out and fails."""
    noise = [f"select '{number:0200d}'" for number in range(40)]
    leaky: Body = {"statements": [*noise, f"select '{database.password}' from missing_table"]}

    failed = failure(tasks, "leaky", leaky, connection)

    reference = failed["logRef"]
    assert isinstance(reference, dict)
    everything = [tasks.kubectl("get", kind, "-o", "yaml") for kind in ("obtasks", "events")]
    statuses = everything[0].partition("status:")[2]
    stored = whole_log(tasks, reference)
    assert len(stored.splitlines()) > 40
    for text in (statuses, everything[1], stored):
        assert database.password not in text
    assert "******" in stored


def test_a_log_that_cannot_be_stored_stops_nobody(tasks: TaskClient, connection: str) -> None:
    """With a quota that allows no ConfigMap the task goes on; the tail is still in the status."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-logs"},
        "spec": {"hard": {"count/configmaps": "0"}},
        "status": {"hard": {"count/configmaps": "0"}},
    }
    tasks.kubectl("create", "-f", "-", manifest=quota)
    tasks.kubectl(
        "patch",
        "resourcequota",
        "no-logs",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"hard":{"count/configmaps":"0"},"used":{"count/configmaps":"1"}}}',
    )
    noise = [f"select '{number:0200d}'" for number in range(40)]
    steps = [{"name": "long", "sql": {"statements": noise}}, {"name": "after", "wait": {"seconds": 0}}]

    tasks.create("noisy", connection={"secretName": connection}, steps=steps)

    status = tasks.wait_phase("noisy", "Succeeded", "Failed")
    assert status["phase"] == "Succeeded"
    subtask = status["steps"][0]["subtasks"][0]
    assert "logRef" not in subtask
    assert "succeeded" in subtask["logTail"]


def test_a_long_log_is_kept_in_a_config_map_that_goes_with_the_task(tasks: TaskClient, connection: str) -> None:
    """The whole log is in an owned ConfigMap with the task's labels; garbage collection removes it with the task."""
    noise = [f"select '{number:0200d}'" for number in range(40)]
    tasks.create("chatty", connection={"secretName": connection}, steps=[{"name": "long", "sql": {"statements": noise}}])
    subtask = tasks.wait_phase("chatty", "Succeeded")["steps"][0]["subtasks"][0]

    name = subtask["logRef"]["configMap"]
    labels = tasks.kubectl("get", "configmap", name, "-o", "jsonpath={.metadata.labels.task\\.oceanbase\\.com/task}")
    assert labels == "chatty"
    assert "logTail" not in subtask
    assert "statement 40 of 40" in whole_log(tasks, subtask["logRef"])
    tasks.kubectl("delete", "obtask", "chatty")

    tasks.kubectl("wait", "--for=delete", f"configmap/{name}", "--timeout=30s")


@pytest.mark.parametrize("phase", ["Waiting", "Running", "Failed", "RollingBack"])
def test_a_task_that_is_deleted_in_any_phase_frees_its_place(tasks: TaskClient, connection: str, phase: str) -> None:
    """Its statement stops, its lock is free, and the next in line runs at once."""
    sleep: Body = {"sql": {"statements": ["select sleep(600)"]}}
    broken: Body = {"sql": {"statements": ["select * from missing_table"]}}
    first = {"Running": sleep, "Failed": broken, "RollingBack": {**broken, "rollback": sleep}}.get(phase, sleep)
    common: Body = {"maintenance": "Global", "connection": {"secretName": connection}}
    if phase == "Waiting":
        tasks.create("aaa-holder", **common, steps=[{"name": "s", **broken}])
        tasks.wait_phase("aaa-holder", "Failed")
    tasks.create("bbb-doomed", **common, steps=[{"name": "s", **first}])
    if phase == "RollingBack":
        tasks.wait_phase("bbb-doomed", "Failed")
        tasks.annotate("bbb-doomed", "action=rollback")
    tasks.wait_phase("bbb-doomed", phase)
    tasks.create("ccc-next", maintenance="Tenant", tenant="t", steps=[{"name": "go", "wait": {"seconds": 0}}])
    tasks.wait_phase("ccc-next", "Waiting")

    tasks.kubectl("delete", "obtask", "bbb-doomed", "--timeout=20s")

    if phase == "Waiting":
        tasks.command("aaa-holder", "skip")
    assert tasks.wait_phase("ccc-next", "Succeeded")["progress"] == "1/1"
    assert tasks.kubectl("get", "leases", "-o", "jsonpath={.items[*].spec.holderIdentity}").strip() == ""
