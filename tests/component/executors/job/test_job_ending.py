"""Ends of Jobs are told apart: what happened, what it is called, and its code."""

from typing import Any

import pytest

from obtask.executors.job.ending import creation_refused, outcome
from obtask.executors.job.words import no_pod_hold, pod_hold
from obtask.kube.api import ApiError
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason

Json = dict[str, Any]


def job(kind: str = "Failed", reason: str = "BackoffLimitExceeded", **annotations: str) -> Json:
    """Return a finished Job."""
    meta = {"name": "j", "annotations": {f"task.oceanbase.com/{key}": value for key, value in annotations.items()}}
    return {
        "metadata": meta,
        "spec": {"activeDeadlineSeconds": 60, "parallelism": 0 if annotations else 1},
        "status": {"conditions": [{"type": kind, "status": "True", "reason": reason}]},
    }


def pod(*ends: Json, deleted: bool = False, **status: Any) -> Json:
    """Return a failed pod; ``ends`` are what its containers ended with."""
    meta = {"name": "p"} | ({"deletionTimestamp": "2026-11-22T22:00:00Z"} if deleted else {})
    states = [{"name": f"c{number}", "image": "i", "state": {"terminated": end}} for number, end in enumerate(ends)]
    return {"metadata": meta, "status": {"phase": "Failed", "containerStatuses": states, **status}}


EXIT_3 = {"exitCode": 3, "reason": "Error"}
OOM = {"exitCode": 137, "reason": "OOMKilled"}
DISRUPTED: Json = {
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempted"}]
}


@pytest.mark.parametrize(
    ("found", "reason", "code", "message"),
    [
        (pod(EXIT_3), "NonZeroExit", "3", "exit code 3"),
        (pod({**EXIT_3, "message": "disk full\n"}), "NonZeroExit", "3", "exit code 3: disk full"),
        (pod({"exitCode": 0}, EXIT_3), "NonZeroExit", "3", "container c1: exit code 3"),
        (pod(OOM), "PodFailed", "137", "OOMKilled: container c0"),
        (pod(EXIT_3, reason="Evicted", message="low on memory"), "PodFailed", "3", "pod p: Evicted: low on memory"),
        (pod(**DISRUPTED), "PodFailed", None, "pod p: PreemptionByScheduler: preempted"),
        (pod({"exitCode": 143}, deleted=True), "PodFailed", "143", "pod p was deleted while it ran (exit code 143)"),
        (pod({"exitCode": 128, "reason": "StartError", "message": "no such file"}), "PodFailed", "128", "did not start: no such file"),
        (pod(), "PodFailed", None, "does not say why"),
    ],
    ids=["exit", "exit-message", "one-of-two", "oom", "evicted", "preempted", "deleted", "no-start", "unknown"],
)
def test_a_failed_pod_tells_why(found: Json, reason: str, code: str | None, message: str) -> None:
    """Exit codes are NonZeroExit; what was done to the pod is PodFailed, with what Kubernetes says about it."""
    end = outcome(job(), [found])

    assert isinstance(end, Failed)
    assert (end.reason.value, end.code) == (reason, code)
    assert message in end.message


def test_the_end_of_the_steps_own_container_comes_first() -> None:
    """Sidecars are killed when it ends, and a kubelet tells of containers in the order of their names."""
    found = pod({"exitCode": 143, "reason": "Error"}, EXIT_3) | {"spec": {"containers": [{"name": "c1"}, {"name": "c0"}]}}
    found["status"]["initContainerStatuses"] = [{"name": "aside", "image": "i", "state": {"terminated": {"exitCode": 137}}}]

    assert outcome(job(), [found]) == Failed(FailureReason.NON_ZERO_EXIT, "container c1: exit code 3", "3")


def test_what_the_job_says_comes_first() -> None:
    """A completed Job succeeded; one that the operator stopped failed as noted on it; a deadline is a Timeout; a lost pod is named."""
    assert isinstance(outcome(job("Complete"), []), Succeeded)
    noted = {"stopped": "Cancelled", "stopped-message": "cancelled"}
    assert outcome(job(reason="DeadlineExceeded", **noted), [pod(EXIT_3)]) == Failed(FailureReason.CANCELLED, "cancelled")
    assert outcome(job(reason="DeadlineExceeded"), []) == Failed(FailureReason.TIMEOUT, "did not end within 60 s")
    lost = outcome(job(), [])
    assert isinstance(lost, Failed)
    assert lost.reason is FailureReason.POD_FAILED
    assert "nobody knows its exit code" in lost.message


def test_what_a_pod_waits_for() -> None:
    """A node may be waited for; an image or a container that cannot be made may not, for long."""
    unfit = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}
    waiting = {"containerStatuses": [{"name": "c", "image": "i", "state": {"waiting": {"reason": "InvalidImageName", "message": "bad"}}}]}
    held, hopeless = pod_hold({"status": unfit}), pod_hold({"status": waiting})

    assert held is not None
    assert (held.message, held.becomes) == ("waiting for a node: 0/3 nodes", None)
    assert hopeless is not None
    assert (hopeless.becomes, hopeless.hopeless) == (FailureReason.IMAGE_PULL_FAILED, True)
    assert pod_hold({"status": {}}) is None
    refused = no_pod_hold([{"reason": "FailedCreate", "message": "no service account"}])
    assert refused is not None
    assert "no service account" in refused.message


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (ApiError(403, "Forbidden", "exceeded quota: compute"), None),
        (ApiError(422, "Invalid", "spec.template: bad"), FailureReason.POD_FAILED),
        (ApiError(400, "BadRequest", 'unknown field "x"'), FailureReason.POD_FAILED),
        (ApiError(403, "Forbidden", "namespace x is being terminated"), None),
        (ApiError(409, "AlreadyExists", "there"), None),
        (ApiError(404, "NotFound", "namespace not found"), None),
    ],
)
def test_a_refused_job(refusal: ApiError, reason: FailureReason | None) -> None:
    """What will not be different later is a failure in the server's words."""
    end = creation_refused(refusal)

    assert (end.reason if end else None) is reason
    assert end is None or refusal.message in end.message
