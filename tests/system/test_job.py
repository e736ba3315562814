"""Jobs through the whole operator: on the real API server and Job controller, with a node that runs the commands."""

import gzip
import re
from base64 import b64decode
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.node import Node
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import TaskClient, wait_step
from tests.support.verdicts import Fate
from tests.system.jobs import job_step, jobs, pods, running
from tests.system.scene import happens

from obtask.settings import Settings

LASTING = "trap 'echo asked to end; exit 0' TERM; echo begun; while true; do sleep 0.05; done"


@pytest.mark.usefixtures("operator", "node")
class TestWithOperator:
    """What one operator does with Jobs."""

    def test_a_job_tells_what_it_belongs_to(self, tasks: TaskClient) -> None:
        """The step succeeds with the Job; its log has the pod's lines with their times; the Job goes with the task."""
        script = "env | grep ^OBTASK_ | sort"
        tasks.create("one", maintenance="Global", steps=[job_step("s", script)])

        status = tasks.wait_let_go("one", "Succeeded")

        [subtask], uid = status["steps"][0]["subtasks"], tasks.get("one")["metadata"]["uid"]
        said = [re.sub("TOKEN=[0-9]+", "TOKEN=…", line.split(" ", 1)[1]) for line in subtask["logTail"].splitlines() if "OBTASK_" in line]
        assert said == ["OBTASK_ATTEMPT=1", "OBTASK_DIRECTION=Forward", "OBTASK_LOCK_TOKEN=…", "OBTASK_NAME=one",
                        f"OBTASK_NAMESPACE={tasks.namespace}", "OBTASK_STEP=s", "OBTASK_SUBTASK=s", f"OBTASK_UID={uid}"]  # fmt: skip
        [job] = jobs(tasks)
        assert job["metadata"]["name"] == subtask["job"]
        assert job["spec"]["backoffLimit"] == 0
        tasks.delete("one")
        happens(lambda: not jobs(tasks) and not pods(tasks), "the garbage collection of the Job")

    def test_a_failed_job_is_retried_and_rolled_back(self, tasks: TaskClient) -> None:
        """The exit code is the failure's code; a retry is a Job of its own; a rollback is one, too, and knows it."""
        undo = {"job": {"image": "node/any", "command": ["sh", "-c", "echo undoing $OBTASK_DIRECTION"]}}
        tasks.create("bad", steps=[job_step("s", "echo try $OBTASK_ATTEMPT; exit 3", rollback=undo)])
        failed = tasks.wait_phase("bad", "Failed")["failedSubtask"]
        assert (failed["reason"], failed["code"], failed["message"]) == ("NonZeroExit", "3", "exit code 3")
        assert "try 1" in failed["logTail"]

        tasks.command("bad", "retry")
        tasks.wait("bad", lambda task: task["status"].get("failedSubtask", {}).get("attempt") == 2)
        tasks.command("bad", "rollback")
        status = tasks.wait_let_go("bad", "RolledBack")

        assert "undoing Rollback" in status["steps"][0]["subtasks"][0]["logTail"]
        assert len({job["metadata"]["name"] for job in jobs(tasks)}) == 3

    def test_cancel_stops_the_pod_and_keeps_its_log(self, tasks: TaskClient) -> None:
        """The task is Failed only once the pod has ended; what it wrote while it ended is in the log; the Job stays."""
        tasks.create("long", steps=[job_step("s", LASTING)])
        running(tasks)

        tasks.command("long", "cancel")

        failed = tasks.wait_phase("long", "Failed")["failedSubtask"]
        assert failed["reason"] == "Cancelled"
        assert "begun" in failed["logTail"]
        assert "asked to end" in failed["logTail"]
        assert not [pod for pod in pods(tasks) if pod["status"]["phase"] == "Running"]
        assert jobs(tasks)[0]["metadata"]["annotations"]["task.oceanbase.com/stopped"] == "Cancelled"

    def test_timeout_stops_the_pod_and_keeps_its_log(self, tasks: TaskClient) -> None:
        """After the step's time the pod is stopped; the log has its last words."""
        tasks.create("late", steps=[job_step("s", LASTING, timeoutSeconds=10)])

        failed = tasks.wait_phase("late", "Failed")["failedSubtask"]

        assert (failed["reason"], failed["message"]) == ("Timeout", "did not end within 10 s")
        assert "begun" in failed["logTail"]
        assert "asked to end" in failed["logTail"]

    def test_a_job_that_is_deleted_by_hand(self, tasks: TaskClient) -> None:
        """The failure says that somebody else deleted it; nothing runs on."""
        tasks.create("robbed", steps=[job_step("s", LASTING)])
        running(tasks)

        tasks.kubectl("delete", "job", jobs(tasks)[0]["metadata"]["name"], "--wait=false")

        failed = tasks.wait_phase("robbed", "Failed")["failedSubtask"]
        assert failed["reason"] == "NotFound"
        assert "deleted, not by the operator" in failed["message"]
        assert not [pod for pod in pods(tasks) if pod["status"]["phase"] == "Running"]

    def test_a_pod_that_is_deleted_by_hand(self, tasks: TaskClient) -> None:
        """The attempt fails, without a second pod, and says what happened, with the exit code and the last words of a pod that is gone."""
        script = "trap 'echo asked to end; sleep 1; exit 9' TERM; echo begun; while true; do sleep 0.05; done"
        tasks.create("lost", steps=[job_step("s", script)])
        tasks.kubectl("delete", "pod", running(tasks)["metadata"]["name"], "--wait=false")

        failed = tasks.wait_phase("lost", "Failed")["failedSubtask"]

        assert failed["reason"] == "PodFailed"
        assert "was deleted while it ran (exit code 9)" in failed["message"]
        assert ["begun" in failed["logTail"], "asked to end" in failed["logTail"], failed["code"]] == [True, True, "9"]
        assert not [pod for pod in pods(tasks) if pod["status"]["phase"] == "Running"]

    def test_deleting_the_task_stops_its_pod(self, tasks: TaskClient) -> None:
        """An unfinished task goes once its pod has ended."""
        tasks.create("gone", steps=[job_step("s", LASTING)])
        running(tasks)

        tasks.delete("gone")

        tasks.wait_gone("gone")
        assert not [pod for pod in pods(tasks) if pod["status"]["phase"] == "Running"]

    def test_secrets_are_masked_in_a_long_log(self, tasks: TaskClient) -> None:
        """Values from Secrets do not show in log, message or status; 100,000 lines end up bounded, first and last lines kept."""
        tasks.create_secret("key", "Opaque", one="hunter2-secret", two="swordfish-secret")
        job = {
            "env": [{"name": "ONE", "valueFrom": {"secretKeyRef": {"name": "key", "key": "one"}}}],
            "envFrom": [{"secretRef": {"name": "key"}}],
        }
        script = "echo first; seq 1 100000; printf 'odd \\377\\001\\n'; echo $ONE; echo $two; exit 4"
        tasks.create("secret", steps=[job_step("s", script, job=job)])

        status = tasks.wait_phase("secret", "Failed")

        stored = tasks.api.get(f"/api/v1/namespaces/{tasks.namespace}/configmaps/{status['failedSubtask']['logRef']['configMap']}")
        whole = gzip.decompress(b64decode(stored["binaryData"]["log.gz"])).decode()
        assert " first\n" in whole
        assert whole.count("******") == 2
        assert "-secret" not in whole + str(tasks.get("secret"))
        assert "odd \N{REPLACEMENT CHARACTER}\\x01" in whole
        assert "were cut here" in whole


def test_the_operator_is_killed_in_the_middle(tasks: TaskClient, node: Node, operator_process: OperatorProcess, tmp_path: Path) -> None:
    """The pod runs on, and the next operator goes on with the same Job: one attempt, one pod, the whole log."""
    assert node.name
    gate = tmp_path / "gate"
    operator_process.start()
    tasks.create("through", steps=[job_step("s", f"echo begun; while ! test -e {gate}; do sleep 0.05; done; echo done"), wait_step("w")])
    running(tasks)
    operator_process.kill()

    operator_process.start()
    gate.touch()

    status = tasks.wait_let_go("through", "Succeeded")
    subtask = status["steps"][0]["subtasks"][0]
    assert subtask["attempts"] == 1
    assert " begun" in subtask["logTail"]
    assert " done" in subtask["logTail"]
    assert len(jobs(tasks)) == 1
    assert operator_process.stop() == 0


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("fate", [Fate.DROP, Fate.LOSE])
def test_the_operator_is_killed_as_it_makes_the_job(
    tasks: TaskClient, gateway: Gateway, settings: Settings, tmp_path: Path, fate: Fate
) -> None:
    """Recorded, and killed right before or after the API server makes the Job: it runs once, under the same name."""
    victim = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "victim.log")

    def rule(method: str, path: str) -> Fate:
        if method != "POST" or "/jobs" not in path:
            return Fate.PASS
        victim.strike()
        return fate

    gateway.rule = rule
    victim.start()
    tasks.create("cut", steps=[job_step("s", "echo once")])
    happens(lambda: not victim.alive, "the death of the operator")
    victim.kill()

    with operator_thread(settings):
        status = tasks.wait_let_go("cut", "Succeeded")

    assert status["steps"][0]["subtasks"][0]["attempts"] == 1
    assert len(jobs(tasks)) == len(pods(tasks)) == 1


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("image", "named", "said"),
    [
        ("node/missing", ("ImagePullFailed", None), "image node/missing cannot be pulled, tried for"),
        ("node/misconfigured", ("PodFailed", None), 'secret "nowhere" not found'),
        ("node/oom", ("PodFailed", "137"), "OOMKilled"),
    ],
)
def test_pods_that_cannot_run(tasks: TaskClient, settings: Settings, image: str, named: tuple[str, str | None], said: str) -> None:
    """What keeps a pod from running fails the attempt after a bounded wait, with a name and a cause."""
    tasks.create("stuck", steps=[job_step("s", "exit 1", image)])
    with operator_thread(settings.model_copy(update={"pod_start_seconds": 2})):
        failed = tasks.wait_phase("stuck", "Failed")["failedSubtask"]

    assert (failed["reason"], failed.get("code")) == named
    assert said in failed["message"]


@pytest.mark.usefixtures("node", "operator")
def test_a_preempted_job_runs_once(tasks: TaskClient) -> None:
    """Kueue suspends a Job and resumes it later: the attempt ends, what ran does not run again, and a retry is another attempt."""
    tasks.create("x", steps=[job_step("s", "echo begun; sleep 60")])
    first = running(tasks)["metadata"]["name"]
    [job] = [job["metadata"]["name"] for job in jobs(tasks)]
    tasks.kubectl("patch", "job", job, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    failed = tasks.wait_phase("x", "Failed")["failedSubtask"]
    tasks.kubectl("patch", "job", job, "--type=merge", "-p", '{"spec":{"suspend":false}}')
    tasks.kubectl("wait", "job", job, "--for=condition=Failed", "--timeout=30s")

    assert (failed["reason"], failed["attempt"]) == ("PodFailed", 1)
    assert failed["message"].startswith("suspended after it had begun: pod ")
    assert {pod["metadata"]["name"] for pod in pods(tasks)} <= {first}

    tasks.command("x", "retry")
    assert running(tasks)["metadata"]["labels"]["batch.kubernetes.io/job-name"] != job


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("image", "changed"),
    [("node/missing", False), ("node/misconfigured", False), ("node/unschedulable", False), ("node/oom", True), ("node/any", True)],
)
def test_only_what_has_begun_is_undone(tasks: TaskClient, settings: Settings, image: str, changed: bool) -> None:
    """A Job whose pod never ran has changed nothing, so that a rollback runs no pod either."""
    undo = {"job": {"image": "node/any", "command": ["sh", "-c", "true"]}}
    tasks.create("stuck", steps=[job_step("s", "exit 1", image, timeoutSeconds=6, rollback=undo)])
    with operator_thread(settings.model_copy(update={"pod_start_seconds": 2})):
        [sub] = tasks.wait_phase("stuck", "Failed")["steps"][0]["subtasks"]
        assert sub["changed"] is changed

        tasks.command("stuck", "rollback")

        [sub] = tasks.wait_let_go("stuck", "RolledBack")["steps"][0]["subtasks"]
    assert sub.get("rollbackAttempts", 0) == changed
    assert len(jobs(tasks)) == 1 + changed


@pytest.mark.usefixtures("node")
def test_a_job_that_another_operator_made_may_have_run(tasks: TaskClient, operator_process: OperatorProcess) -> None:
    """Its pod waits for a node, as far as this operator has seen: who knows what was before."""
    operator_process.start()
    tasks.create("stuck", steps=[job_step("s", "true", "node/unschedulable")])
    happens(lambda: pods(tasks), "a pod")
    operator_process.kill()
    operator_process.start()

    tasks.command("stuck", "cancel")

    [sub] = tasks.wait_phase("stuck", "Failed")["steps"][0]["subtasks"]
    assert sub["changed"] is True


@pytest.mark.usefixtures("operator", "node")
def test_a_pod_without_a_node_says_so(tasks: TaskClient) -> None:
    """While no node fits, the subtask's message says it; the attempt ends with its time."""
    tasks.create("nowhere", steps=[job_step("s", "true", "node/unschedulable", timeoutSeconds=13)])

    tasks.wait("nowhere", lambda task: "waiting for a node" in str(task.get("status", {}).get("steps")), "the message")

    failed = tasks.wait_phase("nowhere", "Failed")["failedSubtask"]
    assert failed["reason"] == "Timeout"
    assert failed["message"] == "did not end within 13 s: waiting for a node: 0/1 nodes are available"


@pytest.mark.usefixtures("operator")
def test_an_evicted_pod(tasks: TaskClient, node: Node) -> None:
    """An eviction is told apart from an exit."""
    tasks.create("evicted", steps=[job_step("s", LASTING)])
    node.evict(running(tasks)["metadata"]["name"])

    failed = tasks.wait_phase("evicted", "Failed")["failedSubtask"]

    assert failed["reason"] == "PodFailed"
    assert "Evicted: The node was low on resource" in failed["message"]
