"""The samples people copy from: every one is run and does what its first lines say. Only hosts and folders are put in."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.agent import dags
from tests.support.agent.agent import FakeAgent
from tests.support.apiserver import Body
from tests.support.beside import beside
from tests.support.journal import Journal
from tests.support.node import Node
from tests.support.scripted_server import NOTHING, Answer, Script, scripted_server
from tests.support.tasks import FAILING, TaskClient, sql_step
from tests.support.website import Website, website
from tests.system.scene import happens

from devcluster.sqlserver import SqlServer

SAMPLES = Path("deploy/samples")
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> str:
    """Return the text of a sample; an operator runs."""
    request.getfixturevalue("operator")
    return (SAMPLES / f"{request.param}.yaml").read_text()


def apply(tasks: TaskClient, text: str) -> Body:
    """Apply a file as people do; return its task."""
    tasks.cluster.kubectl.run(["-n", tasks.namespace, "apply", "-f", "-"], text)
    [task] = [found for found in yaml.safe_load_all(text) if found["kind"] == "OBTask"]
    return dict(task)


def name_of(task: Body) -> str:
    """Return the name of a task."""
    return str(task["metadata"]["name"])


def test_no_sample_is_forgotten() -> None:
    """Every file is run by a test of this module."""
    tests = [found for name, found in globals().items() if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]

    assert {name for mark in marks for name in mark.args[1] if mark.args[0] == "sample"} == {path.stem for path in SAMPLES.iterdir()}


@pytest.fixture
def sys(tasks: TaskClient, seekdb: SqlServer) -> None:
    """Create the connection that the samples name."""
    data = {"host": seekdb.host, "port": str(seekdb.port), "user": seekdb.user, "password": seekdb.password}
    tasks.create_secret("obdemo-sys", **data)


@pytest.mark.usefixtures("sys")
@pytest.mark.parametrize("sample", ["change-parameters", "create-user", "major-freeze"], indirect=True)
def test_statements(tasks: TaskClient, sample: str) -> None:
    """It needs what its first lines say, and nothing else; a second run of the same succeeds as well."""
    task = apply(tasks, sample)
    tasks.wait_let_go(name_of(task), "Succeeded", seconds=120)
    tasks.delete(name_of(task))
    tasks.wait_gone(name_of(task))

    tasks.create("again", **task["spec"])

    assert tasks.wait_let_go("again", "Succeeded", seconds=120)["progress"].split("/")[0] == str(len(task["spec"]["steps"]))


@pytest.mark.usefixtures("sys")
@pytest.mark.parametrize("sample", ["create-user"], indirect=True)
@pytest.mark.parametrize("known", [True, False])
def test_a_user_that_was_there_before_stays(tasks: TaskClient, sample: str, journal: Journal, known: bool) -> None:
    """Rolling it back drops the user that it has created, and no other."""
    journal.run("drop user if exists reader")
    if known:
        journal.run("create user reader")
    spec = yaml.safe_load(sample)["spec"]
    tasks.create("users", **spec | {"steps": [*spec["steps"], sql_step("last", FAILING)]})
    tasks.wait_phase("users", "Failed")

    tasks.command("users", "rollback")

    status = tasks.wait_let_go("users", "RolledBack")
    assert [sub["changed"] for step in status["steps"] for sub in step["subtasks"]] == [True, not known, True, True]
    assert len(journal.run("select user from mysql.user where user = 'reader'")) == known
    journal.run("drop user if exists reader")


@pytest.mark.usefixtures("sys")
@pytest.mark.parametrize("sample", ["change-parameters"], indirect=True)
@pytest.mark.parametrize("reached", [1, 3])
def test_parameters_are_put_back(tasks: TaskClient, sample: str, journal: Journal, reached: int) -> None:
    """A rollback concerns what was changed, and no parameter of a step that was not begun."""
    journal.run("alter system set trace_log_slow_query_watermark = '3s'")
    journal.run("alter system set syslog_level = 'INFO'")
    spec = yaml.safe_load(sample)["spec"]
    tasks.create("parameters", **spec | {"steps": [*spec["steps"][:reached], sql_step("last", FAILING), *spec["steps"][reached:]]})
    tasks.wait_phase("parameters", "Failed")

    tasks.command("parameters", "rollback")

    tasks.wait_let_go("parameters", "RolledBack")
    names = ("trace_log_slow_query_watermark", "syslog_level")
    found = [journal.run(f"show parameters like '{name}'")[0][3] for name in names]
    assert found == ["1s", "WDIAG" if reached > 1 else "INFO"]
    journal.run("alter system set syslog_level = 'WARN'")


@pytest.fixture
def baseline(tasks: TaskClient, journal: Journal, seekdb: SqlServer) -> Iterator[Journal]:
    """Create the connection that runbooks name, and no table of theirs is there; return who can ask about them."""
    tasks.create_connection(seekdb)
    yield journal
    for table in journal.run("select table_name from information_schema.tables where table_name like 'staging%'"):
        journal.run(f"drop table {table[0]}")


@pytest.mark.parametrize("sample", ["runbook-put-back"], indirect=True)
@pytest.mark.parametrize("before", ["2s", "500ms"])
def test_what_was_there_before(tasks: TaskClient, sample: str, baseline: Journal, before: str) -> None:
    """A rollback brings back the value that the parameter had, whichever that was, also after a retry."""
    baseline.run(f"alter system set trace_log_slow_query_watermark = '{before}'")
    apply(tasks, sample)
    tasks.wait_phase("put-back", "Failed")
    assert baseline.run("show parameters like 'trace_log_slow_query_watermark'")[0][3] == "7s"
    tasks.command("put-back", "retry")
    tasks.wait_phase("put-back", "Failed")

    tasks.command("put-back", "rollback")

    tasks.wait_let_go("put-back", "RolledBack")
    assert baseline.run("show parameters like 'trace_log_slow_query_watermark'")[0][3] == before
    baseline.run("alter system set trace_log_slow_query_watermark = '1s'")


@pytest.mark.parametrize("sample", ["runbook-for-each"], indirect=True)
def test_a_loop_undoes_what_it_has_done(tasks: TaskClient, sample: str, baseline: Journal) -> None:
    """Of three tables one was there before: a rollback drops the two others, the last one first."""
    baseline.run("create table staging_2026_11 (id int primary key)")
    spec = yaml.safe_load(sample)["spec"]
    tasks.create("for-each", **spec | {"steps": [*spec["steps"], sql_step("last", FAILING)]})
    tasks.wait_phase("for-each", "Failed")

    tasks.command("for-each", "rollback")

    status = tasks.wait_let_go("for-each", "RolledBack")
    assert [sub["changed"] for sub in status["steps"][0]["subtasks"]] == [True, False, True]
    assert baseline.run("select table_name from information_schema.tables where table_name like 'staging%'") == [("staging_2026_11",)]


@pytest.mark.parametrize("sample", ["runbook-clean-up"], indirect=True)
@pytest.mark.parametrize("verb", ["approve", "cancel", None])
def test_nothing_is_dropped_unless_a_person_approves(tasks: TaskClient, sample: str, baseline: Journal, verb: str | None) -> None:
    """Tables go once it was approved, and stay if it was not; without tables nobody is asked."""
    if verb is not None:
        baseline.run("create table staging_1 (id int primary key)")
    apply(tasks, sample)
    if verb is None:
        steps = tasks.wait_let_go("clean-up", "Succeeded")["steps"]
        assert [step["phase"] for step in steps] == ["Succeeded", "Skipped", "Succeeded"]
        return
    tasks.wait("clean-up", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")
    assert len(baseline.run("show tables like 'staging_1'")) == 1

    tasks.command("clean-up", verb)

    tasks.wait_phase("clean-up", "Succeeded" if verb == "approve" else "Failed")
    assert len(baseline.run("show tables like 'staging_1'")) == (verb == "cancel")


@pytest.fixture
def shop(journal: Journal) -> Iterator[Journal]:
    """Create the application's database; return who can ask about it."""
    journal.run("create database shop")
    journal.run("create table shop.orders (id int)")
    yield journal
    journal.run("drop database shop")


@pytest.mark.usefixtures("sys", "operator")
def test_before_a_deployment(tasks: TaskClient, shop: Journal) -> None:
    """Every sync of Argo CD makes a task of its own; the first adds the column, the second finds it there."""
    text = Path("deploy/gitops/argocd/presync-task.yaml").read_text()
    messages = []
    for _ in range(2):
        name = tasks.cluster.kubectl.run(["-n", tasks.namespace, "create", "-o", "jsonpath={.metadata.name}", "-f", "-"], text)
        messages.append(tasks.wait_let_go(name, "Succeeded")["steps"][0]["subtasks"][0].get("message"))

    assert messages[1] == "already done"
    assert messages[0] != messages[1]
    assert ("note",) in {row[:1] for row in shop.run("desc shop.orders")}


@pytest.fixture
def site() -> Iterator[Website]:
    """Return a website that stands for every host that the samples name."""
    with beside(website()) as running:
        yield running


@pytest.mark.parametrize("sample", ["check-service-and-announce"], indirect=True)
def test_announcement(tasks: TaskClient, site: Website, sample: str) -> None:
    """The chat hears of it, with its key, once the service is healthy, and only then."""
    tasks.create_secret("chat-webhook", "task.oceanbase.com/http", key="k-123456", hosts="127.0.0.1, localhost")
    site.answers("/healthz", json={"status": "UP"})
    site.answers("/hooks/on-call", 204)

    apply(tasks, sample.replace("http://orders.prod.svc:8080", site.url).replace("https://chat.example.com", site.url))

    tasks.wait_let_go("check-service-and-announce", "Succeeded")
    look, told = site.heard
    assert (look.method, look.path) == ("GET", "/healthz")
    assert (told.method, told.path, told.headers["X-Webhook-Key"]) == ("POST", "/hooks/on-call", "k-123456")
    assert "Maintenance of tenant orders" in json.loads(told.body)["text"]


@pytest.mark.parametrize("sample", ["drain-proxy-over-http"], indirect=True)
def test_drain(tasks: TaskClient, site: Website, sample: str) -> None:
    """It waits while clients are left; rolled back, the host is put into service again; run again, it succeeds without clients."""
    tasks.create_secret("load-balancer", "task.oceanbase.com/http", authorization="Bearer t-123456", hosts="127.0.0.1, localhost")
    backend = "/api/backends/10.0.0.5:2883"
    site.answers(f"{backend}/state", 204)
    site.answers(backend, json={"connections": 7})
    text = sample.replace("https://lb.example.com", site.url)
    task = apply(tasks, text)
    happens(lambda: any(heard.path == backend for heard in site.heard), "the first look")

    tasks.command(name_of(task), "cancel")
    tasks.wait_phase(name_of(task), "Failed")
    tasks.command(name_of(task), "rollback")
    tasks.wait_let_go(name_of(task), "RolledBack")

    sent = [json.loads(heard.body)["state"] for heard in site.heard if heard.method == "PUT"]
    assert sent == ["draining", "active"]
    assert {heard.headers["Authorization"] for heard in site.heard} == {"Bearer t-123456"}
    site.answers(backend, json={"connections": 0})
    tasks.create("again", **yaml.safe_load(text)["spec"])
    tasks.wait_let_go("again", "Succeeded")


@pytest.fixture
def node(tasks: TaskClient, tmp_path: Path) -> Iterator[Node]:
    """Return a node whose images have the backup tool; it writes down what it was asked, and with a file "bad" it finds a bad backup."""
    tool = tmp_path / "backup-tool"
    tool.write_text(
        f'#!/bin/sh\necho "with key $BACKUP_KEY"\necho "$@" >> {tmp_path}/asked\ntest "$1" = fetch || test ! -e {tmp_path}/bad\n'
    )
    tool.chmod(0o755)
    with Node(tasks.cluster, tasks.namespace, programs=tmp_path).running() as running:
        yield running


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("sample", ["job-backup-check"], indirect=True)
def test_backup_check(tasks: TaskClient, tmp_path: Path, sample: str) -> None:
    """The newest backup is fetched and checked; a bad one fails the task, and a rollback cleans up."""
    tasks.create_secret("backup-storage", "Opaque", BACKUP_KEY="k-123456")
    (tmp_path / "bad").touch()
    task = apply(tasks, sample)
    name, uid = name_of(task), tasks.get(name_of(task))["metadata"]["uid"]
    assert tasks.wait_phase(name, "Failed")["failedSubtask"]["step"] == "check"
    assert (tmp_path / "asked").read_text().splitlines() == [f"fetch --latest --to /scratch/{uid}", f"verify /scratch/{uid}"]
    assert "k-123456" not in tasks.log(tasks.status(name)["steps"][0]["subtasks"][0])

    (tmp_path / "bad").unlink()
    tasks.create("good", **task["spec"] | {"tenant": "other"})
    tasks.wait_let_go("good", "Succeeded")
    tasks.command(name, "rollback")
    tasks.wait_let_go(name, "RolledBack")


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("sample", ["job-zone-files"], indirect=True)
def test_zone_files(tasks: TaskClient, tmp_path: Path, sample: str) -> None:
    """On the hosts of both zones old log files are compressed, new ones and those in use are not; both Jobs are in the queue."""
    tasks.kubectl("create", "serviceaccount", "obtask-runner")
    for zone in ("zone1", "zone2"):
        (tmp_path / zone).mkdir()
        for file in ("observer.log", "observer.log.1", "observer.log.2"):
            (tmp_path / zone / file).write_text(file)
        os.utime(tmp_path / zone / "observer.log.1", (1e9, 1e9))

    apply(tasks, sample.replace("find /logs", f"find {tmp_path}/zone1", 1).replace("find /logs", f"find {tmp_path}/zone2"))

    tasks.wait_let_go("zone-files", "Succeeded")
    for zone in ("zone1", "zone2"):
        assert sorted(path.name for path in (tmp_path / zone).iterdir()) == ["observer.log", "observer.log.1.gz", "observer.log.2"]
    made = tasks.api.get(f"/apis/batch/v1/namespaces/{tasks.namespace}/jobs")["items"]
    assert [job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] for job in made] == ["night", "night"]


def deploy(tasks: TaskClient, name: str, replicas: int) -> None:
    """Create a Deployment."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": name}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    tasks.api.send("POST", DEPLOYMENTS.format(tasks.namespace), manifest)
    follow(tasks, name, replicas)


def follow(tasks: TaskClient, name: str, replicas: int) -> None:
    """Wait until a Deployment is to have so many replicas, and say like its controller that it has them."""
    path = f"{DEPLOYMENTS.format(tasks.namespace)}/{name}"
    happens(lambda: tasks.api.get(path)["spec"]["replicas"] == replicas, f"{replicas} replicas")
    counts: dict[str, Any] = dict.fromkeys(("replicas", "readyReplicas"), replicas or None)
    generation = tasks.api.get(path)["metadata"]["generation"]
    tasks.api.send("PATCH", f"{path}/status", {"status": {"observedGeneration": generation, **counts}})


@pytest.mark.parametrize("sample", ["resource-scale-obproxy"], indirect=True)
def test_scale(tasks: TaskClient, sample: str) -> None:
    """Applied with its own role, it scales, and succeeds when the replicas are ready."""
    deploy(tasks, "obproxy", 2)
    apply(tasks, sample)

    follow(tasks, "obproxy", 4)

    assert "created" not in tasks.wait_let_go("scale-obproxy", "Succeeded")["steps"][0]["subtasks"][0]["message"]


MERGE = ("STATUS", "IS_ERROR", "IS_SUSPENDED", "DONE")


@dataclass
class Merging:
    """Answers like a server that merges when it is asked to; ``meanwhile`` is how that goes, look by look."""

    meanwhile: list[tuple[str, str, str, int]]
    freezes: int = 0

    def __call__(self, statement: str) -> Answer:
        """Answer a statement."""
        if statement == "ALTER SYSTEM MAJOR FREEZE":
            self.freezes += 1
        if not statement.startswith("SELECT STATUS"):
            return NOTHING
        row = self.meanwhile.pop(0) if self.meanwhile else ("IDLE", "NO", "NO", 1)
        return ((*row[:3], "", "2026-11-29 10:00:00", row[3]),), (*MERGE[:3], "INFO", "START_TIME", "DONE")


@pytest.mark.parametrize("sample", ["major-freeze"], indirect=True)
@pytest.mark.parametrize(
    ("meanwhile", "step", "freezes"),
    [
        pytest.param([("COMPACTING", "NO", "NO", 0), ("IDLE", "NO", "NO", 1), ("IDLE", "NO", "NO", 0)], None, 1, id="merging-already"),
        pytest.param([("IDLE", "NO", "YES", 1)], "no-merge", 0, id="suspended"),
        pytest.param([("IDLE", "NO", "NO", 1), ("COMPACTING", "NO", "NO", 0), ("COMPACTING", "YES", "NO", 0)], "merge", 1, id="error"),
        pytest.param([("IDLE", "NO", "NO", 1), ("COMPACTING", "NO", "YES", 0)], "merge", 1, id="suspended-meanwhile"),
    ],
)
def test_a_merge_that_does_not_go_as_it_should(
    tasks: TaskClient, sample: str, meanwhile: list[tuple[str, str, str, int]], step: str | None, freezes: int
) -> None:
    """One that goes on is waited for before the freeze; an error and a suspension end the step at once, not after a day."""
    server = Merging(meanwhile)
    with beside(scripted_server(Script(server))) as port:
        tasks.create_secret("obdemo-sys", host="127.0.0.1", port=str(port), password="s3cret-word")  # noqa: S106 - of the script
        apply(tasks, sample.replace("intervalSeconds: 5", "intervalSeconds: 1"))
        status = tasks.wait_phase("major-freeze", "Failed" if step else "Succeeded")

    assert (server.freezes, server.meanwhile) == (freezes, [])
    if step is not None:
        failed = status["failedSubtask"]
        assert (failed["step"], failed["reason"]) == (step, "ExpectationNotMet")
        assert "until.failWhen holds" in failed["message"]


def compaction(statement: str) -> Answer:
    """Answer like a server whose major compaction is done at once."""
    return ((("IDLE", "NO", "NO", 1),), MERGE) if statement.startswith("SELECT STATUS") else NOTHING


@pytest.mark.parametrize("sample", ["resource-pause-application"], indirect=True)
def test_pause(tasks: TaskClient, sample: str) -> None:
    """The application is down while the tenant is frozen, and back afterwards; a merge that goes on is waited for before."""
    script = Script(compaction)
    role = (SAMPLES / "resource-scale-obproxy.yaml").read_text().rsplit("---", 1)[0]
    tasks.cluster.kubectl.run(["-n", tasks.namespace, "apply", "-f", "-"], role)
    deploy(tasks, "orders-app", 3)
    with beside(scripted_server(script)) as port:
        tasks.create_secret("obdemo-sys", host="127.0.0.1", port=str(port), password="s3cret-word")  # noqa: S106 - of the script
        apply(tasks, sample)
        follow(tasks, "orders-app", 0)
        follow(tasks, "orders-app", 3)
        tasks.wait_let_go("freeze-orders", "Succeeded")

    said = [text for text in script.statements if text.startswith(("SELECT STATUS", "ALTER"))]
    assert [text.split()[0] for text in said] == ["SELECT", "ALTER", "SELECT"]
    assert said[1] == "ALTER SYSTEM MAJOR FREEZE TENANT = orders"


@pytest.fixture
def agent(tasks: TaskClient) -> Iterator[FakeAgent]:
    """Return an obshell agent whose operations fail once, and start again without failing."""
    failing = [dags.Node("Stage one", [dags.Step("one")]), dags.Node("Stage two", [dags.Step("two", fails=1)])]
    paths = ("/api/v1/tenant/orders/replicas", "/api/v1/ob/stop")
    with FakeAgent(operations={("POST", path): lambda: failing for path in paths}).running() as running:
        running.operations["POST", "/api/v1/ob/start"] = lambda: [dags.Node("Start", [dags.Step("start")])]
        tasks.create_secret("obdemo-obshell", url=running.url, password=running.password)
        yield running


@pytest.mark.parametrize("verb", ["retry", "rollback"])
@pytest.mark.parametrize("sample", ["obshell-scale-out-tenant", "obshell-stop-zone"], indirect=True)
def test_obshell(tasks: TaskClient, agent: FakeAgent, sample: str, verb: str) -> None:
    """After a failure obshell retries its own task, or rolls it back, or starts the zone again, as the file says."""
    task = apply(tasks, sample)
    tasks.wait_phase(name_of(task), "Failed")

    tasks.command(name_of(task), verb)

    tasks.wait_let_go(name_of(task), "Succeeded" if verb == "retry" else "RolledBack")
    action = task["spec"]["steps"][0]["obshell"]
    assert agent.sent("POST")[0].body == action["body"]
    undo = "Rollback" if name_of(task) == "scale-out-orders" else "/api/v1/ob/start"
    done = [*agent.starts()[1:], *agent.operated()]
    assert done == (["RETRY"] if verb == "retry" else [undo.upper() if undo == "Rollback" else undo])
