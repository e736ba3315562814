"""Owns the rule that an attempt's pod runs once: what shows that it has begun, and what would be a second run. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from obtask.executors.job.ending import container_statuses, is_alive, pod_failure
from obtask.model.attempt import Failed, Outcome, Succeeded
from obtask.model.reasons import FailureReason

Json = Mapping[str, Any]

CONTROLLER = "job-controller"
_CREATED = "Created pod: "
# JobReasons of the batch API; Events bear the same names.
_FAILURES = ("BackoffLimitExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded")


def has_begun(pod: Json) -> bool:
    """Return whether a container of the pod has run, init containers included."""
    return any(_has_run(container) for container in container_statuses(pod.get("status") or {}))


def created_pods(events: Iterable[Json]) -> list[str]:
    """Return the names of the pods that the Job controller says it has created, the oldest first."""
    said = [str(event.get("message")) for event in events if event.get("reason") == "SuccessfulCreate" and is_of_controller(event)]
    return list(dict.fromkeys(text.removeprefix(_CREATED) for text in said if text.startswith(_CREATED)))


def is_of_controller(event: Json) -> bool:
    """Return whether an Event claims to be from the Job controller."""
    return CONTROLLER in (event.get("reportingComponent"), (event.get("source") or {}).get("component"))


def told_end(name: str, events: Iterable[Json]) -> Outcome | None:
    """Return how a deleted Job of this name ended, from its Events; None if they do not say, or are about several Jobs.

    An Event is believed only beside the one that says that the same Job's pod was created.
    """
    told = [event for event in events if is_of_controller(event)]
    uids = {(event.get("involvedObject") or {}).get("uid") for event in told}
    reasons = {str(event.get("reason")): str(event.get("message") or "") for event in told}
    if len(uids) != 1 or "SuccessfulCreate" not in reasons:
        return None
    seen = "as its Events say; it was deleted before its end was seen, and its log with it"
    if "Completed" in reasons:
        return Succeeded(f"Job {name} completed, {seen}")
    if "DeadlineExceeded" in reasons:
        return Failed(FailureReason.TIMEOUT, f"Job {name} did not end in time, {seen}")
    failed = next((reason for reason in _FAILURES if reason in reasons), None)
    return Failed(FailureReason.POD_FAILED, f"Job {name} failed, {seen}: {reasons[failed] or failed}") if failed else None


def second_run(begun: str, job: Json, pods: Sequence[Json]) -> Failed | None:
    """Return why an attempt whose pod has begun is over although its Job is not finished; None if it goes on.

    Kubernetes does not count as failures the pods that it deletes for a suspension or for ``parallelism``, nor those that lose their
    finalizer: left alone, the Job would get another pod, whatever its ``backoffLimit`` says.
    """
    spec, names = job.get("spec") or {}, [pod["metadata"]["name"] for pod in pods]
    others = [name for name in names if name != begun]
    if others:
        return _lost(f"pod {others[-1]} was made in place of pod {begun}, which had begun")
    if begun in names and not is_alive(pods[-1]):
        tolerant = spec.get("backoffLimit") or spec.get("podFailurePolicy")
        failed = (pods[-1].get("status") or {}).get("phase") == "Failed"
        return pod_failure(pods[-1]) if failed and tolerant else None  # else the Job says so soon
    if spec.get("suspend"):
        return _lost(f"suspended after it had begun: pod {begun} is stopped and does not start again")
    if spec.get("parallelism") == 0:
        return _lost(f"parallelism was set to 0 after it had begun: pod {begun} is stopped and does not start again")
    if begun not in names and not _counts_one(job.get("status") or {}):
        return _lost(f"pod {begun} was deleted after it had begun")
    return None


def _counts_one(status: Json) -> bool:
    """Return whether the Job controller has taken note of the end of a pod, so that the Job will be finished soon."""
    uncounted = status.get("uncountedTerminatedPods") or {}
    return any(counts.get(end) for counts in (status, uncounted) for end in ("succeeded", "failed"))


def _lost(message: str) -> Failed:
    return Failed(FailureReason.POD_FAILED, message)


def _has_run(container: Json) -> bool:
    state, last = container.get("state") or {}, container.get("lastState") or {}
    return any(key in where for where in (state, last) for key in ("running", "terminated"))
