"""The leader's Pod ends in the middle of a Job: the standby goes on with the same attempt, soon."""

import json
import time
from collections.abc import Callable

import pytest
from tests.e2e.release import LEASE, Release, leader_of
from tests.e2e.steps import GATED, Steps, jobs, open_gate, pods, running_pod
from tests.support.tasks import Tasks

# Finds the operator by the name of its host, which is the Pod's, and ends it as a power cut would.
KILL = """
import os, pathlib, sys
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words, host = (process / "cmdline").read_bytes(), (process / "root/etc/hostname").read_text().strip()
    except OSError:
        continue
    if host == sys.argv[1] and b"obtask\\0run" in words:
        os.kill(int(process.name), 9)
        sys.exit(0)
sys.exit("no such process")
"""


def delete(release: Release, pod: str, _: Tasks) -> None:
    """Delete the Pod as a drain of its node does: SIGTERM, and time to end."""
    release.kubectl("delete", "pod", pod, "--wait=false")


def force(release: Release, pod: str, _: Tasks) -> None:
    """Delete the Pod without waiting for the kubelet."""
    release.kubectl("delete", "pod", pod, "--force", "--grace-period=0")


def kill(release: Release, pod: str, anything_goes: Tasks) -> None:
    """Kill the operator's process with SIGKILL, from a pod that sees the node's processes."""
    node = release.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
    container = {
        "name": "kill",
        "image": release.cluster.step_image,
        "command": ["python3", "-c", KILL, pod],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    spec = {"nodeName": node, "hostPID": True, "restartPolicy": "Never", "containers": [container]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "killer"}, "spec": spec}
    anything_goes.kubectl("create", "-f", "-", manifest=body)
    anything_goes.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/killer", "--timeout=50s")


@pytest.fixture(params=[delete, force, kill])
def end(request: pytest.FixtureRequest, release: Release, new_namespace: Callable[..., Tasks]) -> tuple[str, Callable[[str], None]]:
    """Return how the leader's Pod comes to its end: what that is called, and what does it."""
    elsewhere = new_namespace()
    return request.param.__name__, lambda pod: request.param(release, pod, elsewhere)


@pytest.mark.timeout(200)
def test_the_standby_goes_on(
    tasks: Tasks, release: Release, steps: Steps, measured: dict[str, str], end: tuple[str, Callable[[str], None]]
) -> None:
    """One attempt and one pod, whenever the leader ends; the Job ends while nobody leads, and its end is not lost."""
    release.kubectl("rollout", "status", f"deployment/{release.deployment}", "--timeout=100s")
    name, ends = end
    tasks.create(name, steps=[steps.job("s", GATED), steps.job("then", "true")])
    running_pod(tasks, name)
    leader = release.leader()

    began = time.monotonic()
    ends(leader)
    open_gate(tasks, name)
    lease = Tasks(release.cluster.kubectl, release.cluster.api, release.name, 60).wait_lease(
        LEASE, lambda lease: leader_of(lease) not in {"", leader}, "another leader"
    )
    led = time.monotonic() - began
    status = tasks.wait_let_go(name, "Succeeded")
    done = time.monotonic() - began

    measured[f"leader, {name}"] = f"another one leads after {led:.1f} s, both steps done after {done:.1f} s"
    assert leader_of(lease) != ""
    assert led < (10 if name == "delete" else 30)
    assert [step["subtasks"][0]["attempts"] for step in status["steps"]] == [1, 1]
    assert len(jobs(tasks, name)) == len(pods(tasks, name)) == 2
    assert json.dumps(status).count("Interrupted") == 0
