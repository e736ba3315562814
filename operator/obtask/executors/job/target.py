"""Owns what the API server has of an attempt's Job: the Job, its pods, its Events. What only bears its name is not believed."""

from collections.abc import Callable
from datetime import datetime, timedelta

from obtask.executors.job.entry import Entry, Json
from obtask.executors.job.manifest import is_adopted, is_left_of, is_pod_of
from obtask.kube.api import Denied, Refusal
from obtask.kube.jobs import Jobs
from obtask.kube.refusals import explained

RELOOK = timedelta(seconds=60)
BEGUN = frozenset({"Started", "Killing"})  # what a kubelet says of containers that run, or ran


class Reading:
    """Reads for attempts. Raises kube.api.Unavailable, or Denied, when the API server does not tell."""

    def __init__(self, jobs: Jobs, clock: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._clock = clock

    async def job(self, entry: Entry) -> Json | None:
        """Return the Job of the attempt's name, whoever made it, or None if there is none."""
        now = self._clock()
        if entry.job is not None and entry.fresh and entry.read_at is not None and now - entry.read_at < RELOOK:
            return entry.job
        answer = await self._jobs.get(*entry.place)
        if not isinstance(answer, Refusal):
            if not entry.owns(answer):
                return answer
            entry.learn(answer, now)
            return entry.job
        if not answer.missing:
            raise Denied(f"cannot read Job {entry.name}: {explained(answer)}")
        entry.fresh = False
        return None

    async def pods(self, entry: Entry) -> list[Json]:
        """Return the pods of the attempt's Job."""
        return [pod for pod in await self._named(entry) if is_pod_of(pod, entry.attempt, entry.uid)]

    async def pods_left(self, entry: Entry) -> list[Json]:
        """Return the pods of a Job that is gone: the garbage collector may have taken their owner off them."""
        return [pod for pod in await self._named(entry) if is_pod_of(pod, entry.attempt, entry.uid) or is_left_of(pod, entry.attempt)]

    async def adopted_pods(self, entry: Entry) -> list[Json]:
        """Return the pods that count as the attempt's Job's, although somebody else made them."""
        return [pod for pod in _told(entry, await self._jobs.pods(*entry.place, entry.uid)) if is_adopted(pod, entry.attempt, entry.uid)]

    async def pods_of(self, entry: Entry, uid: str) -> list[Json]:
        """Return the pods of another Job of the attempt's name, made from the same template."""
        found = _told(entry, await self._jobs.pods(*entry.place, uid, entry.attempt.id.uid))
        return [pod for pod in found if is_pod_of(pod, entry.attempt, uid)]

    async def events_of_name(self, entry: Entry) -> list[Json]:
        """Return the Events about whatever Job has had the attempt's name, the newest last; none if the operator may not read them."""
        answer = await self._jobs.events(*entry.place, None)
        return [] if isinstance(answer, Refusal) else answer

    async def has_begun(self, entry: Entry, pod: str, *, unknown: bool) -> bool:
        """Return whether a pod that is gone has begun, ``unknown`` if its Events do not tell."""
        answer = await self._jobs.pod_events(entry.attempt.namespace, pod)
        told = [] if isinstance(answer, Refusal) else answer
        return any(event.get("reason") in BEGUN for event in told) or (unknown and not told)

    async def events(self, entry: Entry) -> list[Json]:
        """Return the Events about the Job, the newest last."""
        answer = await self._jobs.events(*entry.place, entry.uid)
        if isinstance(answer, Refusal):
            raise Denied(f"cannot list the Events of Job {entry.name}: {explained(answer)}")
        return answer

    async def _named(self, entry: Entry) -> list[Json]:
        return _told(entry, await self._jobs.pods(*entry.place, entry.uid, entry.attempt.id.uid))


def _told(entry: Entry, answer: list[Json] | Refusal) -> list[Json]:
    if isinstance(answer, Refusal):
        raise Denied(f"cannot list the pods of Job {entry.name}: {explained(answer)}")
    return answer
