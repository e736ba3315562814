"""Steps that are Jobs, on a real kubelet, in a namespace that takes only pods of Pod Security's level restricted."""

import json
from typing import Any

from tests.e2e.release import POD_START_SECONDS
from tests.e2e.steps import GATED, PODS, Steps, jobs, open_gate, pods, running_pod
from tests.support.apiserver import Body
from tests.support.tasks import Tasks

LINES = 3000
WORD = "open sesame"
LONG = f"seq 1 {LINES}; echo the password is $PASSWORD"
# A node's drain gives pods time to end; what they say then is in the log, and their exit code is known.
SLOW_TO_END = GATED.replace("exit 9", "sleep 1; exit 9")


def failed(tasks: Tasks, name: str) -> Body:
    """Wait until a task has failed; return status.failedSubtask."""
    told: Body = tasks.wait_phase(name, "Failed")["failedSubtask"]
    return told


def test_a_job_succeeds_and_its_log_is_kept(tasks: Tasks, steps: Steps) -> None:
    """A short log is in the status, a long one in a ConfigMap, with what came from a Secret masked; both survive the Job."""
    tasks.create_secret("tool", "Opaque", PASSWORD=WORD)
    long = steps.job("long", LONG, job={"envFrom": [{"secretRef": {"name": "tool"}}]})
    tasks.create("logs", steps=[steps.job("short", "echo $OBTASK_NAME attempt $OBTASK_ATTEMPT"), long])

    status = tasks.wait_let_go("logs", "Succeeded")
    tasks.kubectl("delete", "jobs", "-l", "task.oceanbase.com/task=logs", "--wait=false")

    short, long = (step["subtasks"][0] for step in status["steps"])
    whole = tasks.log(long)
    assert "logs attempt 1" in short["logTail"]
    assert [line.split(" ", 1)[1] for line in whole.splitlines() if line.endswith(f" {LINES}")] == [str(LINES)]
    assert WORD not in whole
    assert "the password is ***" in whole


def test_what_a_job_says_at_its_end_is_passed_on(tasks: Tasks, steps: Steps) -> None:
    """Its termination message, parsed if it is JSON, gives outputs; a value is one argument of later Jobs, which no shell reads."""
    servers = ["10.0.0.1 zone 1", "$(HOME); touch /tmp/x", "'$OBTASK_NAME'"]
    told = json.dumps({"servers": servers, "free": 3})
    script = 'printf %s "$1" > /dev/termination-log'

    def saying(*args: str, **fields: Any) -> Body:
        return steps.action(script, args=["sh", *args], **fields)

    each = saying("${{ item }}", outputs={"got": "result"})
    found: list[Body] = [
        {"name": "find", **saying(told, outputs={"servers": "result.servers", "free": "result.free"})},
        {"name": "text", **saying("3 free", outputs={"said": "result"})},
        steps.job("silent", "true", job={"outputs": {"said": "result"}}),
        steps.job("full", "exit 3", when="steps.find.outputs.free > 5"),
        {"name": "each", "forEach": {"items": "steps.find.outputs.servers", "subtask": each}},
    ]
    tasks.create("passing", steps=found)

    status = tasks.wait_let_go("passing", "Succeeded")

    outputs = {step["name"]: [sub.get("outputs") for sub in step["subtasks"]] for step in status["steps"]}
    assert outputs == {
        "find": [{"servers": servers, "free": 3}],
        "text": [{"said": "3 free"}],
        "silent": [{"said": ""}],
        "full": [None],
        "each": [{"got": server} for server in servers],
    }
    assert {step["name"]: step["phase"] for step in status["steps"] if step["phase"] != "Succeeded"} == {"full": "Skipped"}


def test_an_output_that_cannot_be_had_fails_the_step(tasks: Tasks, steps: Steps) -> None:
    """What the Job has done is done; the message says which output it is, and a retry is another Job."""
    script = 'test $OBTASK_ATTEMPT = 1 || echo "[1]" > /dev/termination-log'
    tasks.create("unsaid", steps=[steps.job("s", script, job={"outputs": {"first": "result[0]"}})])

    told = failed(tasks, "unsaid")
    tasks.command("unsaid", "retry")
    status = tasks.wait_let_go("unsaid", "Succeeded")

    assert told["reason"] == "InvalidExpression"
    assert "outputs.first" in told["message"]
    assert status["steps"][0]["subtasks"][0]["outputs"] == {"first": 1}


def test_a_failed_job_is_retried(tasks: Tasks, steps: Steps) -> None:
    """The failure has reason, exit code, the last lines and the whole log; a retry is another Job, and the task goes on."""
    script = f"{LONG}; echo trying; test $OBTASK_ATTEMPT = 2 || exit 3"
    tasks.create("retried", steps=[steps.job("s", script), steps.job("then", "true")])

    told = failed(tasks, "retried")
    answer = tasks.command("retried", "retry")
    status = tasks.wait_let_go("retried", "Succeeded")

    assert {key: told[key] for key in ("step", "subtask", "attempt", "reason", "code")} == {
        "step": "s",
        "subtask": "s",
        "attempt": 1,
        "reason": "NonZeroExit",
        "code": "3",
    }
    assert "trying" in told["logTail"]
    assert answer["result"] == "Accepted"
    assert [step["subtasks"][0]["attempts"] for step in status["steps"]] == [2, 1]
    assert len(jobs(tasks, "retried")) == 3


def test_a_failed_task_is_rolled_back_or_goes_on_without_the_step(tasks: Tasks, steps: Steps) -> None:
    """Rollback runs the Jobs that undo, last step first; skip-step goes on with the next step."""
    undo = {"rollback": steps.action("echo undoing $OBTASK_STEP $OBTASK_DIRECTION")}
    tasks.create("undone", steps=[steps.job("one", "true", **undo), steps.job("two", "exit 4", **undo)])
    tasks.create("passed", steps=[steps.job("one", "exit 5"), steps.job("two", "echo went on")])

    codes = [failed(tasks, name)["code"] for name in ("undone", "passed")]
    tasks.command("undone", "rollback")
    tasks.command("passed", "skip-step")
    undone, passed = tasks.wait_let_go("undone", "RolledBack"), tasks.wait_let_go("passed", "Succeeded")

    assert codes == ["4", "5"]
    assert ["undoing one Rollback" in undone["steps"][0]["subtasks"][0]["logTail"], undone["steps"][1]["phase"]] == [True, "RolledBack"]
    assert [step["phase"] for step in passed["steps"]] == ["Skipped", "Succeeded"]


def test_cancel_ends_the_pod_and_keeps_its_log(tasks: Tasks, steps: Steps) -> None:
    """The container is asked to end and what it says then is in the log; afterwards no pod runs."""
    tasks.create("cancelled", steps=[steps.job("s", GATED)])
    running_pod(tasks, "cancelled")

    tasks.command("cancelled", "cancel")
    told = failed(tasks, "cancelled")

    assert told["reason"] == "Cancelled"
    assert "begun" in told["logTail"]
    assert "asked to end" in told["logTail"]
    assert [pod["metadata"]["name"] for pod in pods(tasks, "cancelled") if pod["status"]["phase"] == "Running"] == []


def test_what_the_kubelet_says_is_told(tasks: Tasks, steps: Steps) -> None:
    """Too much memory, an image that is not there, and too much time are named, in bounded time."""
    eat = steps.job("s", "echo eating; exec python3 -c \"x = b'x' * (1 << 28)\"", job={"resources": {"limits": {"memory": "48Mi"}}})
    tasks.create("greedy", steps=[eat])
    tasks.create("imageless", steps=[steps.job("s", "true", job={"image": "registry.invalid/nothing:1"})])
    tasks.create("slow", steps=[steps.job("s", GATED, timeoutSeconds=6)])

    greedy, imageless, slow = (failed(tasks, name) for name in ("greedy", "imageless", "slow"))

    assert (greedy["reason"], greedy["code"]) == ("PodFailed", "137")
    assert "OOMKilled: container main used more memory than its limit allows" in greedy["message"]
    assert "eating" in greedy["logTail"]
    assert imageless["reason"] == "ImagePullFailed"
    assert f"image registry.invalid/nothing:1 cannot be pulled, tried for {POD_START_SECONDS} s" in imageless["message"]
    assert slow["reason"] == "Timeout"
    assert "did not end within 6 s" in slow["message"]
    assert "begun" in slow["logTail"]


def test_a_pod_that_fits_no_node_says_so(tasks: Tasks, steps: Steps) -> None:
    """It may wait; meanwhile the subtask's message tells what the scheduler says, and it can be cancelled."""
    nowhere = {"podTemplate": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "nowhere"}}}}
    tasks.create("homeless", steps=[steps.job("s", "true", job=nowhere)])

    waiting = tasks.wait("homeless", lambda task: "waiting for a node" in json.dumps(task.get("status", {})), "the scheduler's word")
    tasks.command("homeless", "cancel")

    assert "available" in waiting["status"]["steps"][0]["subtasks"][0]["message"]
    assert failed(tasks, "homeless")["reason"] == "Cancelled"


def test_what_is_deleted_by_hand_is_named(tasks: Tasks, steps: Steps) -> None:
    """A pod or a Job that a person deletes, or evicts, fails its attempt, with the log until then; a retry starts anew."""
    names = ("pod-gone", "job-gone", "evicted")
    for name in names:
        tasks.create(name, steps=[steps.job("s", f"test $OBTASK_ATTEMPT = 2 && exit 0; {SLOW_TO_END}")])
    gone, _, evicted = (running_pod(tasks, name) for name in names)

    tasks.kubectl("delete", "pod", gone, "--wait=false")
    tasks.kubectl("delete", "job", jobs(tasks, "job-gone")[0]["metadata"]["name"], "--wait=false")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": evicted}}
    tasks.api.send("POST", f"{PODS.format(tasks.namespace)}/{evicted}/eviction", eviction)
    told = {name: failed(tasks, name) for name in names}
    for name in names:
        tasks.command(name, "retry")
    ends = {tasks.wait_let_go(name, "Succeeded")["steps"][0]["subtasks"][0]["attempts"] for name in names}

    assert [one["reason"] for one in told.values()] == ["PodFailed", "NotFound", "PodFailed"]
    assert "was deleted" in told["pod-gone"]["message"]
    assert "EvictionByEvictionAPI" in told["evicted"]["message"]
    assert ["begun" in one["logTail"] for one in told.values()] == [True, True, True]
    assert [one.get("code") for one in told.values()] == ["9", None, "9"]
    assert ends == {2}


def test_a_pod_that_cannot_run_says_why(tasks: Tasks, steps: Steps) -> None:
    """A command, a Secret, a service account that are not there, and what Pod Security refuses: named after a while, at most."""
    absent = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}}]}
    tasks.create("commandless", steps=[steps.job("s", "true", job={"command": ["/no/such/program"]})])
    tasks.create("secretless", steps=[steps.job("s", "true", job=absent)])
    tasks.create("accountless", serviceAccountName="nobody", steps=[steps.job("s", "true")])
    tasks.create("privileged", steps=[steps.job("s", "true", job={"podTemplate": {"spec": {"hostNetwork": True}}})])

    told = {name: failed(tasks, name) for name in ("commandless", "secretless", "accountless", "privileged")}

    assert {name: one["reason"] for name, one in told.items()} == {
        "commandless": "PodFailed",
        "secretless": "PodFailed",
        "accountless": "Forbidden",
        "privileged": "Forbidden",
    }
    assert "/no/such/program" in told["commandless"]["message"]
    assert 'secret "absent" not found' in told["secretless"]["message"]
    assert 'serviceaccount "nobody" not found' in told["accountless"]["message"]
    assert "hostNetwork=true" in told["privileged"]["message"]


def test_other_containers_of_the_pod(tasks: Tasks, steps: Steps) -> None:
    """An init container that fails is named; the code is that of the step's container, however its sidecar ends."""
    init = {"name": "prepare", "image": steps.image, "command": ["/bin/sh", "-c", "echo preparing; exit 6"]}
    sidecar = {"name": "aside", "image": steps.image, "command": ["/bin/sh", "-c", "echo aside; sleep 60"], "restartPolicy": "Always"}
    late = {"terminationGracePeriodSeconds": 1}
    tasks.create("unprepared", steps=[steps.job("s", "true", job={"podTemplate": {"spec": {"initContainers": [init]}}})])
    tasks.create("with-sidecar", steps=[steps.job("s", "exit 7", job={"podTemplate": {"spec": {"initContainers": [sidecar], **late}}})])

    unprepared, beside = failed(tasks, "unprepared"), failed(tasks, "with-sidecar")

    assert (unprepared["reason"], unprepared["code"], unprepared["message"]) == ("NonZeroExit", "6", "container prepare: exit code 6")
    assert "[prepare] preparing" in unprepared["logTail"]
    assert (beside["reason"], beside["code"], beside["message"]) == ("NonZeroExit", "7", "container main: exit code 7")
    assert "[aside] aside" in beside["logTail"]


def test_deleting_a_task_stops_its_pod(tasks: Tasks, steps: Steps) -> None:
    """The task goes only after its work has ended; its Jobs are collected with it."""
    tasks.create("deleted", steps=[steps.job("s", GATED)])
    running_pod(tasks, "deleted")

    tasks.delete("deleted")
    tasks.wait_gone("deleted")
    tasks.kubectl("wait", "--for=delete", "pods", "-l", "task.oceanbase.com/task=deleted", "--timeout=60s")

    assert pods(tasks, "deleted") == []


def test_a_step_ends_when_its_job_does(tasks: Tasks, steps: Steps) -> None:
    """Nothing but the Job decides: the step waits for the gate, and the next one begins right after."""
    tasks.create("gated", steps=[steps.job("s", GATED), steps.job("then", "true")])

    open_gate(tasks, "gated")
    status = tasks.wait_let_go("gated", "Succeeded")

    assert "through the gate" in status["steps"][0]["subtasks"][0]["logTail"]
