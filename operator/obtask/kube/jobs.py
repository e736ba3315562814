"""Owns Jobs, their pods, and the pods' logs in the API server."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

from obtask import names
from obtask.kube.api import ApiError, Json, Streams, path_of

JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
JOB_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
# What a log may bring; a kubelet keeps 10 MiB of a container's log unless it is told otherwise.
LOG_BYTES: Final = 64 * 1024 * 1024
LOG_TAIL_LINES: Final = 2000
MOST_PODS: Final = 100
MOST_EVENTS: Final = 100


class Jobs:
    """Jobs of tasks. No pod is ever written to: Jobs own them."""

    def __init__(self, api: Streams) -> None:
        self._api = api

    async def create(self, manifest: Json) -> Json | ApiError:
        """Create a Job; a field that no Job has is refused. An ApiError with ``conflict`` mostly means that it exists already."""
        path = _jobs(manifest["metadata"]["namespace"])
        query = {"fieldManager": names.FIELD_MANAGER, "fieldValidation": "Strict"}
        return await self._api.send("POST", path, query=query, body=manifest)

    async def get(self, namespace: str, name: str) -> Json | ApiError:
        """Return the Job as it is now."""
        return await self._api.send("GET", _jobs(namespace, name))

    async def stop(self, job: Json, reason: str, message: str) -> Json | ApiError:
        """Make the Job end, and note why on it: its pod is stopped, it can have no other, and it stays to be looked at.

        A suspended Job could be resumed, by Kueue for one; a Job that is past its deadline has failed for good.
        """
        meta = job["metadata"]
        annotations = {names.STOPPED_ANNOTATION: reason, names.STOPPED_MESSAGE_ANNOTATION: message}
        change = {"metadata": {"uid": meta["uid"], "annotations": annotations}, "spec": {"activeDeadlineSeconds": 1, "parallelism": 0}}
        path, query = _jobs(meta["namespace"], meta["name"]), {"fieldManager": names.FIELD_MANAGER}
        return await self._api.send("PATCH", path, query=query, body=change)

    async def let_expire(self, job: Json) -> Json | ApiError:
        """Have the TTL controller delete this version of a Job, and its pods, now that it has finished."""
        meta = job["metadata"]
        version = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        path, query = _jobs(meta["namespace"], meta["name"]), {"fieldManager": names.FIELD_MANAGER}
        return await self._api.send("PATCH", path, query=query, body={"metadata": version, "spec": {"ttlSecondsAfterFinished": 0}})

    async def pods(self, namespace: str, job: str, uid: str | None, task_uid: str | None = None) -> list[Json] | ApiError:
        """Return the pods that bear the name of this Job, and its uid and the task's if given: the oldest first, ``MOST_PODS`` at most.

        Anybody may put a label on a pod, but for the task's uid where the chart's policies are: whose it is, its owner tells.
        """
        labels = {JOB_NAME_LABEL: job, JOB_UID_LABEL: uid, names.TASK_UID_LABEL: task_uid}
        label = ",".join(f"{key}={value}" for key, value in labels.items() if value)
        query = {"labelSelector": label, "limit": str(MOST_PODS)}
        answer = await self._api.send("GET", path_of("api", "v1", "namespaces", namespace, "pods"), query=query)
        if isinstance(answer, ApiError):
            return answer
        return sorted(answer.get("items") or [], key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    async def events(self, namespace: str, job: str, uid: str | None) -> list[Json] | ApiError:
        """Return the Events about a Job of this name, and this uid if it is known: the newest last, ``MOST_EVENTS`` at most."""
        which = f",involvedObject.uid={uid}" if uid else ""
        return await self._events(namespace, f"involvedObject.kind=Job,involvedObject.name={job}{which}")

    async def pod_events(self, namespace: str, pod: str) -> list[Json] | ApiError:
        """Return the Events about a pod of this name: the newest last, ``MOST_EVENTS`` at most."""
        return await self._events(namespace, f"involvedObject.kind=Pod,involvedObject.name={pod}")

    async def _events(self, namespace: str, about: str) -> list[Json] | ApiError:
        query = {"fieldSelector": about, "limit": str(MOST_EVENTS)}
        answer = await self._api.send("GET", path_of("api", "v1", "namespaces", namespace, "events"), query=query)
        if isinstance(answer, ApiError):
            return answer
        return sorted(answer.get("items") or [], key=lambda event: int(event["metadata"]["resourceVersion"]))

    def log(
        self, pod: Json, container: str, *, follow: bool, seconds: float, since: str | None = None, limit: int = LOG_BYTES
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes] | ApiError]:
        """Open the log of a container: lines with their times, until now or, followed, until the container ends.

        ``since`` (RFC 3339) leaves out what is older; kubelets are told the second only.
        """
        query = {"container": container, "timestamps": "true", "limitBytes": str(limit)}
        query |= ({"follow": "true"} if follow else {}) | ({"sinceTime": since} if since else {})
        return self._api.streaming(_log(pod), query=query, seconds=seconds)

    def log_end(self, pod: Json, container: str, *, seconds: float) -> AbstractAsyncContextManager[AsyncIterator[bytes] | ApiError]:
        """Open the last lines of the log of a container."""
        query = {"container": container, "timestamps": "true", "limitBytes": str(LOG_BYTES), "tailLines": str(LOG_TAIL_LINES)}
        return self._api.streaming(_log(pod), query=query, seconds=seconds)


def _jobs(namespace: str, *name: str) -> str:
    return path_of("apis", "batch", "v1", "namespaces", namespace, "jobs", *name)


def _log(pod: Json) -> str:
    meta = pod["metadata"]
    return path_of("api", "v1", "namespaces", meta["namespace"], "pods", meta["name"], "log")
