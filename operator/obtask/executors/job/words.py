"""Owns what keeps a pod from running, as people are told, and how the attempt fails if that lasts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from obtask.executors.job.ending import container_statuses, main_state
from obtask.kube.errors import ErrorCause, finding_of, with_advice
from obtask.model.reasons import FailureReason

Json = Mapping[str, Any]

NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable",
                      "ImageInspectError", "SignatureValidationFailed"})  # fmt: skip
NO_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError"})


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps a pod from running. ``becomes``: how the attempt fails if it lasts; None: it may last."""

    message: str
    becomes: FailureReason | None = None
    detail: str = ""
    hopeless: bool = False


def pod_hold(pod: Json) -> Hold | None:
    """Return what keeps the pod from running, if that is known."""
    status = pod.get("status") or {}
    unscheduled: Json = next((one for one in status.get("conditions") or () if one.get("type") == "PodScheduled"), {})
    if unscheduled.get("status") == "False":
        return Hold(f"waiting for a node: {unscheduled.get('message') or unscheduled.get('reason') or 'none fits'}")
    for container in container_statuses(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, detail = waiting.get("reason"), waiting.get("message") or ""
        if reason in NO_IMAGE:
            text = f"image {container.get('image')} cannot be pulled"
            # Back-off and attempt take turns: their words change every few seconds, the cause does not.
            cause = detail if reason != "ImagePullBackOff" or "Err" in detail else ""
            return Hold(text, FailureReason.IMAGE_PULL_FAILED, cause, hopeless=reason == "InvalidImageName")
        if reason in NO_CONTAINER:
            return Hold(f"container {container['name']} cannot be made: {detail or reason}", FailureReason.POD_FAILED)
        if reason == "CrashLoopBackOff":
            return Hold(f"container {container['name']} ends again and again: {detail or reason}")
    return None


def has_run_main(pod: Json) -> bool:
    """Return whether the step's own container runs or has run."""
    return not main_state(pod).keys().isdisjoint({"running", "terminated"})


def lingering(pod: Json) -> str:
    """Return which sidecars keep a pod running although its main container has ended; an empty text if none do."""
    end = main_state(pod).get("terminated")
    known = (pod.get("status") or {}).get("containerStatuses") or ()
    main = next((one["name"] for one in known if (one.get("state") or {}).get("terminated") is end), None)
    others = [one["name"] for one in known if "running" in (one.get("state") or {})]
    if end is None or not others:
        return ""
    return f"container {main} ended with exit code {end.get('exitCode')}; {', '.join(others)} still run{'s' if len(others) == 1 else ''}"


def no_pod_hold(events: Sequence[Json]) -> Hold | None:
    """Return why the Job has no pod, from the Events about it."""
    refused = [event for event in events if event.get("reason") == "FailedCreate"]
    if not refused:
        return None
    words = str(refused[-1].get("message"))
    found = finding_of(words)
    lasts = found.passes or found.cause is ErrorCause.ENDING
    return Hold(f"no pod can be made: {with_advice(words, found)}", None if lasts else FailureReason.FORBIDDEN)
