"""Owns attempts that are Jobs: making them, telling how far they are, stopping them. The Job holds all that must outlive the operator."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.executors.base import Log
from obtask.executors.job.ending import creation_refused, foreign, is_alive, is_done, is_finished, is_leaving, outcome, stopped, undeserved
from obtask.executors.job.entry import Entry
from obtask.executors.job.following import Following
from obtask.executors.job.leftovers import Leftovers
from obtask.executors.job.manifest import is_pod_of, job_manifest
from obtask.executors.job.podlog import PodLog, started_containers
from obtask.executors.job.reading import RELOOK, Reading
from obtask.executors.job.secrets import PodSecrets
from obtask.executors.job.waiting import Hold, no_pod_hold, pod_hold
from obtask.kube.api import Denied, Json, Refusal, Unavailable
from obtask.kube.jobs import JOB_NAME_LABEL, Jobs
from obtask.kube.refusals import explained
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Outcome, Running, Seen, Succeeded
from obtask.model.limits import one_line
from obtask.model.status import FailureReason
from obtask.rules.nonces import Nonces

logger = logging.getLogger(__name__)

SOON = timedelta(seconds=1)
POD_PAUSE = timedelta(seconds=5)
# So long before the deadline the log is opened: Kubernetes ends the pod by a clock of its own.
FOLLOW_LEAD = timedelta(seconds=5)
# The API server keeps Events for an hour: without one, and younger than that, the Job has never been there.
EVENTS_KEPT = timedelta(minutes=50)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the executor works with."""

    jobs: Jobs
    secrets: PodSecrets
    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    pod_start_seconds: float
    nonces: Nonces


class JobExecutor:
    """Carries out job actions. Implements ``Executor``.

    Raises kube.api.Unavailable, or Denied, when the API server does not tell what became of a Job.
    """

    def __init__(self, tools: Tools) -> None:
        self._jobs = tools.jobs
        self._tools = tools
        self._clock = tools.clock
        self._read = Reading(tools.jobs, tools.clock)
        self._logs = Following(PodLog(tools.jobs))
        self._leftovers = Leftovers(tools.jobs, tools.confirmed)
        self._entries: dict[AttemptId, Entry] = {}
        self._places: dict[tuple[str, str], Entry] = {}

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Make the Job, unless there is one. Without an answer of the API server, a later look goes on with it."""
        entry = self._entry(attempt, log)
        if entry.job is not None or entry.end is not None or not self._is_provable(entry):
            return
        entry.asked = True
        try:
            await self._create(entry)
        except Unavailable as error:
            logger.warning("Job %s/%s may not be there yet: %s", *entry.place, error)

    async def observe(self, attempt: Attempt, log: Log) -> Seen:
        """Return what the Job and its pod say."""
        entry = self._entry(attempt, log)
        if entry.end is None and (rests := entry.rests(self._clock())) is not None:
            return rests
        entry.changed = False
        try:
            seen = entry.end or await self._found(entry, await self._read.job(entry))
            if not isinstance(seen, Running):
                entry.end = seen
                await self._leftovers.give_up(attempt)
        except (Unavailable, Denied):
            entry.changed = True
            raise
        entry.last = seen if isinstance(seen, Running) else None
        return seen

    async def cancel(self, attempt: Attempt) -> None:
        """Have the Job stopped; its log is opened before."""
        entry = self._entries.get(attempt.id)
        if entry is None:
            return
        entry.changed = True
        job = await self._read.job(entry)
        if job is None:
            if not entry.existed:
                entry.end = Failed(FailureReason.CANCELLED, "cancelled before its Job was made")
        elif entry.owns(job) and not is_finished(job) and stopped(job) is None:
            await self._stop(entry, job, FailureReason.CANCELLED, "cancelled")

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        if (entry := self._entries.pop(attempt, None)) is not None:
            self._places.pop(entry.place, None)
            self._logs.drop(entry)

    def see(self, change: str, job: Json) -> AttemptId | None:
        """Take note of a change of a Job; return the attempt that it is news about, if that is not over."""
        entry = self._places.get((job["metadata"]["namespace"], job["metadata"]["name"]))
        if entry is None:
            return None
        if change == "DELETED" or not entry.owns(job):
            entry.doubt()
            return entry.attempt.id
        return entry.attempt.id if entry.learn(job, self._clock()) else None

    def see_pod(self, _: str, pod: Json) -> AttemptId | None:
        """Take note of a pod as it is now; return the attempt that it is news about, if that is not over."""
        meta = pod["metadata"]
        entry = self._places.get((meta["namespace"], str((meta.get("labels") or {}).get(JOB_NAME_LABEL))))
        return entry.attempt.id if entry is not None and is_pod_of(pod, entry.attempt, entry.uid) and entry.learn_pod(pod) else None

    def doubt(self) -> None:
        """Have every Job read again: changes may have been missed."""
        for entry in self._entries.values():
            entry.doubt()

    async def close(self) -> None:
        """Stop reading logs."""
        await self._logs.close()

    def _entry(self, attempt: Attempt, log: Log) -> Entry:
        entry = self._entries.get(attempt.id)
        if entry is None:
            entry = self._entries[attempt.id] = Entry(attempt, log)
            self._places[entry.place] = entry
        entry.attempt = attempt
        return entry

    def _is_provable(self, entry: Entry) -> bool:
        """Return whether a Job made now would be known for the attempt's by whoever looks at it later."""
        digests = entry.attempt.nonce_digests
        return not digests or self._tools.nonces.digest(entry.attempt.id) in digests

    async def _create(self, entry: Entry) -> Seen:
        now = self._clock()
        manifest = job_manifest(entry.attempt, now, self._tools.nonces.of(entry.attempt.id) if entry.attempt.nonce_digests else None)
        await self._hide(entry, manifest)
        await self._tools.confirmed()
        answer = await self._jobs.create(manifest)
        if not isinstance(answer, Refusal):
            entry.learn(answer, now)
            entry.log.write(f"Job {entry.name} created")
            return Running(wake_at=self._clock())
        refused = entry.end = creation_refused(answer)
        if refused is not None:
            entry.log.write(refused.message)
        elif not answer.conflict:
            entry.say(f"the Job cannot be made yet: {explained(answer)}")
        return refused or Running(one_line(entry.said) or None, wake_at=now + (SOON if answer.conflict else POD_PAUSE))

    async def _hide(self, entry: Entry, job: Json, *, again: bool = False) -> None:
        if again or not entry.hidden:
            await self._tools.secrets.hide(entry.attempt.namespace, job, entry.log)
            entry.hidden = True

    async def _missing(self, entry: Entry) -> Seen:
        """Tell what it means that there is no Job: it is not made yet, or it was deleted."""
        attempt, now = entry.attempt, self._clock()
        pods = await self._read.pods_left(entry)
        if entry.existed or pods or await self._read.events(entry):
            entry.existed = True
            await self._hide(entry, job_manifest(attempt, now))
            own = stopped(entry.job) if entry.job is not None else None
            deleted = own or Failed(FailureReason.NOT_FOUND, f"Job {entry.name} was deleted, not by the operator")
            return await self._over(entry, pods, deleted)
        if entry.is_late(now):
            return Failed(FailureReason.TIMEOUT, f"{entry.too_long}: there is no Job{f': {entry.said}' if entry.said else ''}")
        if now - attempt.started_at > EVENTS_KEPT:
            return Lost()
        if not entry.asked:
            entry.asked = True  # at the next look: should the task be stopping, a cancel comes before that
            return Running(wake_at=now)
        if not self._is_provable(entry):
            # Another operator recorded the attempt, and died before it made the Job.
            return Running(wake_at=now, nonce_digest=self._tools.nonces.digest(attempt.id))
        return await self._create(entry)

    async def _found(self, entry: Entry, job: Json | None) -> Seen:
        if job is None:
            return await self._missing(entry)
        if entry.owns(job):
            return await self._present(entry, job)
        if entry.existed:
            deleted = f"Job {entry.name} was deleted, not by the operator; another one of its name is there now, which is left alone"
            return await self._over(entry, await self._read.pods(entry), Failed(FailureReason.NOT_FOUND, deleted))
        return Failed(FailureReason.POD_FAILED, f"{foreign(entry.name)}; delete it, then retry")

    async def _present(self, entry: Entry, job: Json) -> Seen:
        await self._hide(entry, job)
        if is_finished(job):
            pods = await self._read.pods(entry)
            end = outcome(job, pods or entry.last_pods)
            if isinstance(end, Failed) and end.reason is FailureReason.TIMEOUT and stopped(job) is None:
                end = Failed(FailureReason.TIMEOUT, entry.too_long)
            if isinstance(end, Succeeded) and not any(is_done(pod) for pod in pods):
                end = undeserved(job, await self._read.adopted_pods(entry)) or end
            return await self._over(entry, pods, end)
        own = stopped(job)
        if own is None:
            late = entry.is_late(self._clock())
            return await (self._stop(entry, job, FailureReason.TIMEOUT, entry.too_long) if late else self._going(entry, job))
        pods = await self._read.pods(entry)
        # Of a suspended Job nobody takes note of the deadline; it has no pods, and cannot get any.
        if job["spec"].get("suspend") and not any(is_alive(pod) for pod in pods):
            return await self._over(entry, pods, own)
        return await self._until_stopped(entry, pods)

    async def _over(self, entry: Entry, pods: list[Json], end: Outcome) -> Seen:
        """Return the end, once no container runs any more and the log is complete."""
        if any(is_alive(pod) for pod in pods):
            return await self._until_stopped(entry, pods)
        await self._hide(entry, entry.job or job_manifest(entry.attempt, self._clock()), again=True)
        await self._logs.collect(entry, pods)
        entry.log.write(f"failed: {end.message}" if isinstance(end, Failed) else f"succeeded: {end.message}")
        return end

    async def _until_stopped(self, entry: Entry, pods: list[Json]) -> Running:
        alive = [pod for pod in pods if is_alive(pod)]
        for pod in alive:
            await self._logs.follow(entry, pod)
        names = ", ".join(pod["metadata"]["name"] for pod in alive)
        return Running(f"waiting for the end of pod {names}" if names else "stopping", self._clock() + SOON)

    async def _going(self, entry: Entry, job: Json) -> Seen:
        now = self._clock()
        if job["spec"].get("suspend"):
            return self._wait(entry, "suspended: waiting for a place in its queue", RELOOK)
        pods = await self._read.pods(entry)
        pod = pods[-1] if pods else None
        if pod is not None and not is_alive(pod):
            return self._wait(entry, None, SOON)  # the Job says so soon
        closing = entry.attempt.deadline is not None and now >= entry.attempt.deadline - FOLLOW_LEAD
        if pod is not None and started_containers(pod):
            if not entry.started:
                # What the pod really got: the Secrets may have been made or changed since the Job was.
                await self._hide(entry, job, again=True)
                entry.started, entry.waits_for = True, ""
                entry.log.write(f"pod {pod['metadata']['name']} runs on node {pod['spec'].get('nodeName')}")
            self._logs.watch(entry, pod)
        if pod is not None and (closing or is_leaving(pod)):
            await self._logs.follow(entry, pod)
        if pod is not None and pod["status"].get("phase") == "Running":
            return self._wait(entry, None, SOON if is_leaving(pod) else RELOOK)
        hold = pod_hold(pod) if pod is not None else no_pod_hold(await self._read.events(entry))
        return await self._held(entry, job, hold, SOON if closing else POD_PAUSE)

    async def _held(self, entry: Entry, job: Json, hold: Hold | None, pause: timedelta) -> Seen:
        now = self._clock()
        entry.waits_for = hold.message if hold is not None else entry.waits_for
        if hold is None or hold.becomes is None:
            entry.held_since = None
            if hold is not None:
                entry.say(hold.message)
            return self._wait(entry, hold.message if hold else None, pause)
        entry.held_since = entry.held_since or now
        waited = (now - entry.held_since).total_seconds()
        if hold.hopeless or waited >= self._tools.pod_start_seconds:
            allowed = "" if hold.hopeless else f", tried for {waited:.0f} s"
            return await self._stop(entry, job, hold.becomes, f"{hold.message}{allowed}{f': {hold.detail}' if hold.detail else ''}")
        entry.say(f"{hold.message}{f': {hold.detail}' if hold.detail else ''}")
        left = timedelta(seconds=self._tools.pod_start_seconds - waited)
        return self._wait(entry, hold.message, min(pause, left))

    def _wait(self, entry: Entry, message: str | None, pause: timedelta) -> Running:
        now, deadline = self._clock(), entry.attempt.deadline
        ends = () if deadline is None else (deadline - FOLLOW_LEAD, deadline)
        return Running(message, min([now + pause, *(moment for moment in ends if moment > now)]))

    async def _stop(self, entry: Entry, job: Json, reason: FailureReason, message: str) -> Running:
        pods = await self._read.pods(entry)
        await self._hide(entry, job, again=True)
        for pod in filter(is_alive, pods):
            await self._logs.follow(entry, pod)
        await self._tools.confirmed()
        answer = await self._jobs.stop(job, reason.value, one_line(message))
        if isinstance(answer, Refusal):
            entry.doubt()
            if not (answer.missing or answer.conflict):
                entry.say(f"Job {entry.name} cannot be stopped: {answer.message}")
                return Running(one_line(entry.said), self._clock() + POD_PAUSE)
        else:
            entry.learn(answer, self._clock())
            entry.log.write(f"stopping Job {entry.name}: {message}")
        return Running("stopping", self._clock() + SOON)
