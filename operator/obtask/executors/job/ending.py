"""Owns how the end of a Job and its pod is reported: reason, code and message. Pure. API.md section 3.2."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from obtask import names
from obtask.executors.foreign_values import parsed, usable_text
from obtask.kube.api import ApiError
from obtask.kube.errors import ErrorCause, explained, finding
from obtask.model.attempt import Failed, Outcome, Succeeded
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

Json = Mapping[str, Any]

DONE = frozenset({"Succeeded", "Failed"})
# The container never ran: its command could not be started.
NEVER_RAN = frozenset({"ContainerCannotRun", "StartError"})


def condition(item: Json, kind: str) -> Json | None:
    """Return a condition of a Job or a pod, if it is True."""
    found = (item.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == kind and one.get("status") == "True"), None)


def is_finished(job: Json) -> bool:
    """Return whether the Job has ended for good."""
    return condition(job, "Complete") is not None or condition(job, "Failed") is not None


def stopped(job: Json) -> Failed | None:
    """Return why the operator stopped the Job, if it did: a note on a Job that may still have pods, or may have them again, is none."""
    annotations = job["metadata"].get("annotations") or {}
    reason = annotations.get(names.STOPPED_ANNOTATION)
    if reason not in set(FailureReason) or (job.get("spec") or {}).get("parallelism") != 0:
        return None
    return Failed(FailureReason(reason), annotations.get(names.STOPPED_MESSAGE_ANNOTATION) or "stopped")


def is_alive(pod: Json) -> bool:
    """Return whether containers of the pod may still run."""
    return (pod.get("status") or {}).get("phase") not in DONE


def is_done(pod: Json) -> bool:
    """Return whether the pod has succeeded."""
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def is_leaving(pod: Json) -> bool:
    """Return whether the pod is being deleted."""
    return pod["metadata"].get("deletionTimestamp") is not None


def outcome(job: Json, pods: Sequence[Json]) -> Outcome:
    """Return how a finished Job ended; its newest pod tells why."""
    name = job["metadata"]["name"]
    if condition(job, "Complete") is not None:
        return Succeeded(f"Job {name} completed")
    failed = condition(job, "Failed") or {}
    own = stopped(job)
    if own is not None:
        return own
    if failed.get("reason") == "DeadlineExceeded":
        seconds = (job.get("spec") or {}).get("activeDeadlineSeconds")
        return Failed(FailureReason.TIMEOUT, f"did not end within {seconds} s")
    if pods:
        return pod_failure(pods[-1])
    said = f": {failed['message']}" if failed.get("message") else ""
    return Failed(FailureReason.POD_FAILED, f"the pod of Job {name} was deleted: nobody knows its exit code{said}")


def result_of(pod: Json) -> Any:
    """Return the termination message of the step's own container, parsed if it is JSON; nothing: an empty text."""
    text = str((main_state(pod).get("terminated") or {}).get("message") or "")
    try:
        return parsed(text)
    except ValueError:
        return usable_text(text)


def undeserved(job: Json, adopted: Sequence[Json]) -> Failed | None:
    """Return that a Job without a pod of its own that succeeded is complete by one that it has adopted, if there is one."""
    if not adopted:
        return None
    name, other = job["metadata"]["name"], adopted[0]["metadata"]["name"]
    return Failed(FailureReason.POD_FAILED, f"Job {name} counts pod {other}, which somebody else made; its own pod did not succeed")


def pod_failure(pod: Json) -> Failed:
    """Return why a pod failed: what was done to it comes before what its containers say."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    exit_code = next((str(end["exitCode"]) for _, end in _bad_ends(pod)), None)
    disrupted = condition(pod, "DisruptionTarget")
    if status.get("reason"):
        return Failed(FailureReason.POD_FAILED, f"pod {name}: {_said(status['reason'], status.get('message'))}", exit_code)
    if disrupted is not None:
        return Failed(FailureReason.POD_FAILED, f"pod {name}: {_said(disrupted.get('reason'), disrupted.get('message'))}", exit_code)
    for container, end in _bad_ends(pod):
        if end.get("reason") == "OOMKilled":
            return Failed(FailureReason.POD_FAILED, f"OOMKilled: container {container} used more memory than its limit allows", exit_code)
    if is_leaving(pod):
        with_code = f" (exit code {exit_code})" if exit_code else ""
        return Failed(FailureReason.POD_FAILED, f"pod {name} was deleted while it ran{with_code}", exit_code)
    for container, end in _bad_ends(pod):
        where = f"container {container}: " if _is_one_of_many(status) else ""
        if end.get("reason") in NEVER_RAN:
            return Failed(FailureReason.POD_FAILED, f"container {container} did not start: {end.get('message') or exit_code}", exit_code)
        text = _said(f"{where}exit code {end['exitCode']}", end.get("message"))
        return Failed(FailureReason.NON_ZERO_EXIT, text, exit_code)
    return Failed(FailureReason.POD_FAILED, f"pod {name} failed: {status.get('message') or 'Kubernetes does not say why'}")


def foreign(name: str) -> str:
    """Return how to say that a Job of the attempt's name is not the attempt's."""
    return f"there is a Job {name} already, and it does not belong to this attempt: somebody else made it, and it is left alone"


def creation_refused(refusal: ApiError) -> Failed | None:
    """Return what it means that the API server does not take the Job; None: try again later."""
    found = finding(refusal)
    # A namespace that ends takes the task with it.
    if found.passes or found.cause is ErrorCause.ENDING or refusal.conflict or refusal.missing:
        return None
    if found.cause is ErrorCause.OTHER:
        return Failed(FailureReason.POD_FAILED, f"the Job is not valid: {refusal.message}", untouched=True)
    return Failed(FailureReason.FORBIDDEN, one_line(f"the Job is refused: {explained(refusal)}"), untouched=True)


def _said(what: str | None, more: str | None) -> str:
    return f"{what or 'failed'}: {more.strip()}" if more and more.strip() else what or "failed"


def _bad_ends(pod: Json) -> Iterator[tuple[str, Json]]:
    """Yield the containers that ended badly, the step's own first: when it ends, its sidecars are killed, and that is no news."""
    status = pod.get("status") or {}
    own = _main(pod)
    beside = sorted(status.get("containerStatuses") or (), key=lambda container: container["name"] != own)
    for container in (*beside, *(status.get("initContainerStatuses") or ())):
        end = (container.get("state") or {}).get("terminated")
        if end and end.get("exitCode"):
            yield container["name"], end


def container_statuses(status: Json) -> list[Json]:
    """Return what is known of the containers, in the order in which they start."""
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def main_state(pod: Json) -> Json:
    """Return the state of the pod's first container, which is the step's own; nothing if that is not known yet."""
    own = _main(pod)
    known = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((one.get("state") or {} for one in known if own in (None, one["name"])), {})


def runs_main(pod: Json) -> bool:
    """Return whether the step's own container runs."""
    return "running" in main_state(pod)


def ended_containers(pod: Json) -> list[str]:
    """Return the containers of a pod that have ended."""
    return [one["name"] for one in container_statuses(pod.get("status") or {}) if (one.get("state") or {}).get("terminated")]


def cut_short(pod: str | None, cut: str | None) -> Failed | None:
    """Return that a pod has succeeded only because its deletion told it to end, if it is the one that was deleted while it ran."""
    if pod is None or pod != cut:
        return None
    return Failed(FailureReason.POD_FAILED, f"pod {pod} was deleted while it ran (exit code 0)", "0")


def _main(pod: Json) -> str | None:
    return next((container.get("name") for container in (pod.get("spec") or {}).get("containers") or ()), None)


def _is_one_of_many(status: Json) -> bool:
    return len(container_statuses(status)) > 1
