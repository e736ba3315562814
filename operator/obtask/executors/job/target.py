"""Owns what is read and written of an attempt's Job, pods, Events and Secrets, and letting Jobs of earlier attempts expire."""

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from obtask.executors.base import Log
from obtask.executors.job.ending import is_finished
from obtask.executors.job.entry import JobEntry, Json
from obtask.executors.job.manifest import is_adopted, is_left_of, is_of, is_pod_of
from obtask.kube.api import ApiError, ApiForbidden
from obtask.kube.errors import explained
from obtask.kube.jobs import Jobs
from obtask.kube.objects import Objects
from obtask.model.attempt import Attempt, AttemptId
from obtask.rules.owned import job_name

RELOOK = timedelta(seconds=60)
BEGUN = frozenset({"Started", "Killing"})  # what a kubelet says of containers that run, or ran

FIRST, LAST = 1, 2  # of the attempts whose Jobs stay

logger = logging.getLogger(__name__)


class Reading:
    """Reads what the API server has of attempts. Raises kube.api.ApiUnavailable or ApiForbidden when that is not possible."""

    def __init__(self, jobs: Jobs, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._clock = clock

    async def job(self, entry: JobEntry) -> Json | None:
        """Return the Job with the attempt's name, even if somebody else created it; None if there is none."""
        now = self._clock()
        if entry.job is not None and entry.fresh and entry.read_at is not None and now - entry.read_at < RELOOK:
            return entry.job
        answer = await self._jobs.get(*entry.key)
        if not isinstance(answer, ApiError):
            if not entry.owns(answer):
                return answer
            entry.update(answer, now)
            return entry.job
        if not answer.missing:
            raise ApiForbidden(f"cannot read Job {entry.name}: {explained(answer)}")
        entry.fresh = False
        return None

    async def pods(self, entry: JobEntry) -> list[Json]:
        """Return the pods of the attempt's Job."""
        return [pod for pod in await self._named(entry) if is_pod_of(pod, entry.attempt, entry.uid)]

    async def pods_left(self, entry: JobEntry) -> list[Json]:
        """Return the pods of a Job that is gone: the garbage collector may have taken their owner off them."""
        return [pod for pod in await self._named(entry) if is_pod_of(pod, entry.attempt, entry.uid) or is_left_of(pod, entry.attempt)]

    async def adopted_pods(self, entry: JobEntry) -> list[Json]:
        """Return pods that the attempt's Job has adopted, although somebody else created them."""
        return [pod for pod in _told(entry, await self._jobs.pods(*entry.key, entry.uid)) if is_adopted(pod, entry.attempt, entry.uid)]

    async def pods_of(self, entry: JobEntry, uid: str) -> list[Json]:
        """Return the pods of another Job of the attempt's name, made from the same template."""
        found = _told(entry, await self._jobs.pods(*entry.key, uid, entry.attempt.id.uid))
        return [pod for pod in found if is_pod_of(pod, entry.attempt, uid)]

    async def events_of_name(self, entry: JobEntry) -> list[Json]:
        """Return the Events about any Job of the attempt's name, the newest last; none if the operator may not read them."""
        answer = await self._jobs.events(*entry.key, None)
        return [] if isinstance(answer, ApiError) else answer

    async def has_begun(self, entry: JobEntry, pod: str, *, unknown: bool) -> bool:
        """Return whether a pod that is gone has begun, ``unknown`` if its Events do not tell."""
        answer = await self._jobs.pod_events(entry.attempt.namespace, pod)
        told = [] if isinstance(answer, ApiError) else answer
        return any(event.get("reason") in BEGUN for event in told) or (unknown and not told)

    async def events(self, entry: JobEntry) -> list[Json]:
        """Return the Events about the Job, the newest last."""
        answer = await self._jobs.events(*entry.key, entry.uid)
        if isinstance(answer, ApiError):
            raise ApiForbidden(f"cannot list the Events of Job {entry.name}: {explained(answer)}")
        return answer

    async def _named(self, entry: JobEntry) -> list[Json]:
        return _told(entry, await self._jobs.pods(*entry.key, entry.uid, entry.attempt.id.uid))


def _told(entry: JobEntry, answer: list[Json] | ApiError) -> list[Json]:
    if isinstance(answer, ApiError):
        raise ApiForbidden(f"cannot list the pods of Job {entry.name}: {explained(answer)}")
    return answer


def surplus(attempt: AttemptId) -> AttemptId | None:
    """Return the earlier attempt whose Job may go once this attempt has one; None if there is none."""
    number = attempt.number - LAST
    return replace(attempt, number=number) if number > FIRST else None


class Leftovers:
    """Has Kubernetes delete what is left of earlier attempts."""

    def __init__(self, jobs: Jobs, confirmed: Callable[[], Awaitable[None]]) -> None:
        self._jobs = jobs
        self._confirmed = confirmed

    async def give_up(self, attempt: Attempt) -> None:
        """Let one Job go at the end of each attempt from the fourth on.

        An attempt is recorded only after the end of those before it: the end of that Job's attempt is in the status, its log is kept or
        given up. Whatever has no end yet is not touched. Raises kube.api.ApiUnavailable.
        """
        earlier = surplus(attempt.id)
        if earlier is None:
            return
        job = await self._jobs.get(attempt.namespace, job_name(attempt.task, earlier))
        # The status no longer has proofs of ended attempts. Anybody who can forge these annotations may delete that Job anyway.
        if isinstance(job, ApiError) or not is_of(job, replace(attempt, id=earlier, nonce_digests=())) or not is_finished(job):
            return
        if job["spec"].get("ttlSecondsAfterFinished") is not None or job["metadata"].get("deletionTimestamp"):
            return
        await self._confirmed()
        answer = await self._jobs.let_expire(job)
        if isinstance(answer, ApiError) and not (answer.missing or answer.conflict):
            logger.warning("Job %s/%s cannot be given up: %s", attempt.namespace, job["metadata"]["name"], answer.message)


def secrets_of(job: Json) -> dict[str, set[str] | None]:
    """Return the Secrets that a Job's containers get variables or files from, with the keys; None: all of them."""
    found: dict[str, set[str] | None] = {}
    for name, key in _references(job["spec"]["template"]["spec"]):
        keys = found.setdefault(name, set())
        if key is None:
            found[name] = None
        elif keys is not None:
            keys.add(key)
    return found


def _references(pod: Json) -> Iterator[tuple[str, str | None]]:
    # imagePullSecrets are the kubelet's: no container sees them.
    for container in [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]:
        for variable in container.get("env") or ():
            ref = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if ref.get("name") and ref.get("key"):
                yield ref["name"], ref["key"]
        for source in container.get("envFrom") or ():
            name = (source.get("secretRef") or {}).get("name")
            if name:
                yield name, None
    for volume in pod.get("volumes") or ():
        projected = (volume.get("projected") or {}).get("sources") or ()
        for source in ({"secret": volume.get("secret")}, *projected):
            secret = source.get("secret") or {}
            name = secret.get("secretName") or secret.get("name")
            if name:
                items: Iterable[Json] = secret.get("items") or ({},)
                yield from ((name, item.get("key")) for item in items)


class PodSecrets:
    """Tells logs what to mask."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def hide(self, namespace: str, job: Json, log: Log) -> None:
        """Have the log mask every value that the Job's containers get from Secrets."""
        for name, keys in secrets_of(job).items():
            answer = await self._objects.secret(namespace, name)
            if not isinstance(answer, ApiError):
                data = answer.get("data") or {}
                for key in data if keys is None else keys & data.keys():
                    log.hide(_decoded(data[key]))
            elif not answer.missing:
                job_name = job["metadata"]["name"]
                logger.warning(
                    "Secret %s/%s cannot be read: the log of Job %s shows its values: %s", namespace, name, job_name, answer.message
                )


def _decoded(value: str) -> str:
    try:
        # As lines of a log are read: what is not UTF-8 looks the same there.
        return base64.b64decode(value).decode(errors="surrogateescape")
    except binascii.Error:
        return ""
