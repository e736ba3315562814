"""Owns attempts that are Jobs: creating, observing and stopping them. All that must outlive the operator is in the Job."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from obtask.executors.base import Executor, Handler, Log
from obtask.executors.dependencies import Dependencies
from obtask.executors.job.ending import creation_refused, foreign, is_finished, outcome, stopped
from obtask.executors.job.entry import JobEntry
from obtask.executors.job.following import Following
from obtask.executors.job.manifest import is_of, is_pod_of, job_manifest
from obtask.executors.job.once import told_end
from obtask.executors.job.podlog import PodLog
from obtask.executors.job.target import Leftovers, PodSecrets, Reading
from obtask.executors.job.work import POD_PAUSE, SOON, JobTools, JobWork
from obtask.kube.access import Purpose, rights
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json
from obtask.kube.errors import explained
from obtask.kube.jobs import JOB_NAME_LABEL, Jobs
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Outcome, Running
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

logger = logging.getLogger(__name__)

# The API server keeps Events for an hour: without one, and younger than that, the Job has never been there.
EVENTS_KEPT = timedelta(minutes=50)


PURPOSES = (
    Purpose(rights("list", "events"), "job steps do not say why a Job has no pod"),
    Purpose(rights("get create patch", "jobs", "batch"), "job steps fail", opened=True),
    Purpose(rights("get", "pods", subresource="log"), "job steps have no log", opened=True),
)


class JobExecutor:
    """Carries out job actions. Implements ``Executor`` and ``Watching``.

    Raises kube.api.ApiUnavailable or ApiForbidden when the Job cannot be read.
    """

    def __init__(self, tools: JobTools) -> None:
        self._tools = tools
        self._clock = tools.clock
        self._read = Reading(tools.jobs, tools.clock)
        self._logs = Following(PodLog(tools.jobs), most_of_a_namespace=tools.followed_logs)
        self._work = JobWork(tools, self._read, self._logs)
        self._leftovers = Leftovers(tools.jobs, tools.confirmed)
        self._entries: dict[AttemptId, JobEntry] = {}
        self._by_key: dict[tuple[str, str], JobEntry] = {}

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Create the Job, unless it exists. If the API server does not answer, a later ``observe`` tries again."""
        entry = self._entry(attempt, log)
        if entry.job is not None or entry.end is not None or not self._is_provable(entry):
            return
        entry.asked = True
        try:
            await self._create(entry)
        except ApiUnavailable as error:
            logger.warning("Job %s/%s may not be there yet: %s", *entry.key, error)

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
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
        except (ApiUnavailable, ApiForbidden):
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
                entry.end = Failed(FailureReason.CANCELLED, "cancelled before its Job was made", untouched=entry.untouched)
        elif entry.owns(job) and not is_finished(job) and stopped(job) is None:
            await self._work.stop(entry, job, Failed(FailureReason.CANCELLED, "cancelled"))

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        if (entry := self._entries.pop(attempt, None)) is not None:
            self._by_key.pop(entry.key, None)
            self._logs.drop(entry)

    def see(self, change: str, job: Json) -> AttemptId | None:
        """Handle a change of a Job; return the running attempt that it concerns, if there is one."""
        entry = self._by_key.get((job["metadata"]["namespace"], job["metadata"]["name"]))
        if entry is None:
            return None
        if change == "DELETED" or not entry.owns(job):
            if entry.owns(job):
                entry.update(job, self._clock())  # its last state: it may have finished
            entry.mark_stale()
            return entry.attempt.id
        return entry.attempt.id if entry.update(job, self._clock()) else None

    def see_pod(self, _: str, pod: Json) -> AttemptId | None:
        """Handle a change of a pod; return the running attempt that it concerns, if there is one."""
        meta = pod["metadata"]
        entry = self._by_key.get((meta["namespace"], str((meta.get("labels") or {}).get(JOB_NAME_LABEL))))
        return entry.attempt.id if entry is not None and is_pod_of(pod, entry.attempt, entry.uid) and entry.update_pod(pod) else None

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers of changes of Jobs and their pods."""
        return {"jobs": self.see, "pods": self.see_pod}

    def mark_stale(self) -> None:
        """Have every Job read again: changes may have been missed."""
        for entry in self._entries.values():
            entry.mark_stale(missed=True)

    async def stop(self, grace_seconds: float) -> None:
        """Jobs go on without the operator: there is nothing to stop."""

    async def close(self) -> None:
        """Stop reading logs."""
        await self._logs.close()

    def _entry(self, attempt: Attempt, log: Log) -> JobEntry:
        entry = self._entries.get(attempt.id)
        if entry is None:
            entry = self._entries[attempt.id] = JobEntry(attempt, log)
            self._by_key[entry.key] = entry
        entry.attempt = attempt
        return entry

    def _is_provable(self, entry: JobEntry) -> bool:
        """Return whether a Job created now could later be proven to be the attempt's."""
        digests = entry.attempt.nonce_digests
        return not digests or self._tools.nonces.digest(entry.attempt.id) in digests

    async def _create(self, entry: JobEntry) -> AttemptState:
        now = self._clock()
        manifest = job_manifest(entry.attempt, now, self._tools.nonces.of(entry.attempt.id) if entry.attempt.nonce_digests else None)
        await self._work.hide(entry, manifest)
        await self._tools.confirmed()
        answer = await self._tools.jobs.create(manifest)
        if not isinstance(answer, ApiError):
            entry.update(answer, now)
            entry.witnessed = True
            entry.log.write(f"Job {entry.name} created")
            return Running(wake_at=self._clock())
        refused = entry.end = creation_refused(answer)
        if refused is not None:
            entry.log.write(refused.message)
        elif not answer.conflict:
            entry.say(f"the Job cannot be made yet: {explained(answer)}")
        return refused or Running(one_line(entry.said) or None, wake_at=now + (SOON if answer.conflict else POD_PAUSE))

    async def _missing(self, entry: JobEntry) -> AttemptState:
        """Return what a missing Job means: it was not created yet, or it was deleted."""
        attempt, now = entry.attempt, self._clock()
        pods = await self._read.pods_left(entry)
        events = await self._read.events(entry)
        if entry.existed or pods or events:
            entry.existed = True
            await self._work.hide(entry, job_manifest(attempt, now))
            return await self._work.over(entry, pods, self._deleted(entry, pods, events))
        if entry.is_late(now):
            text = f"{entry.too_long}: there is no Job{f': {entry.said}' if entry.said else ''}"
            return Failed(FailureReason.TIMEOUT, one_line(text), untouched=entry.untouched)
        if now - attempt.started_at > EVENTS_KEPT:
            return Lost()
        if not entry.asked:
            entry.asked = True  # at the next look: should the task be stopping, a cancel comes before that
            return Running(wake_at=now)
        if not self._is_provable(entry):
            # Another operator recorded the attempt, and died before it made the Job.
            return Running(wake_at=now, nonce_digest=self._tools.nonces.digest(attempt.id))
        return await self._create(entry)

    @staticmethod
    def _deleted(entry: JobEntry, pods: list[Json], events: list[Json]) -> Outcome:
        """Return how the attempt ended whose Job is gone: as the Job said, or its Events, if it had finished before."""
        if entry.job is not None and (own := stopped(entry.job)) is not None:
            return own
        if entry.job is not None and is_finished(entry.job):
            return outcome(entry.job, pods or entry.last_pods)
        told = None if entry.witnessed else told_end(entry.name, events)
        return told or Failed(FailureReason.NOT_FOUND, f"Job {entry.name} was deleted, not by the operator")

    async def _found(self, entry: JobEntry, job: Json | None) -> AttemptState:
        if job is None:
            return await self._missing(entry)
        if entry.owns(job):
            return await self._work.present(entry, job)
        if entry.existed:
            deleted = f"Job {entry.name} was deleted, not by the operator; another one of its name is there now"
            if is_of(job, entry.attempt):
                return await self._work.copied(entry, job, Failed(FailureReason.NOT_FOUND, f"{deleted}, which is stopped"))
            left = Failed(FailureReason.NOT_FOUND, f"{deleted}, which is left alone")
            return await self._work.over(entry, await self._read.pods(entry), left)
        return Failed(FailureReason.POD_FAILED, f"{foreign(entry.name)}; delete it, then retry", untouched=entry.untouched)


def build(of: Dependencies) -> Executor:
    """Return the executor of job actions."""
    operator, settings = of.operator, of.operator.settings
    tools = JobTools(
        Jobs(operator.api),
        PodSecrets(operator.objects),
        operator.clock,
        operator.confirmed,
        settings.pod_start_seconds,
        operator.nonces,
        settings.followed_logs_per_namespace,
    )
    return JobExecutor(tools)
