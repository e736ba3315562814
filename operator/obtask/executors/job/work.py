"""Owns following an existing Job: reporting progress, stopping it, and collecting its whole log at the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from obtask.executors.job.ending import cut_short, is_alive, is_done, is_finished, is_leaving, outcome, result_of, stopped, undeserved
from obtask.executors.job.entry import JobEntry
from obtask.executors.job.following import MOST_OF_A_NAMESPACE, Following
from obtask.executors.job.manifest import job_manifest
from obtask.executors.job.once import created_pods, second_run
from obtask.executors.job.podlog import started_containers
from obtask.executors.job.target import RELOOK, PodSecrets, Reading
from obtask.executors.job.words import Hold, has_run_main, lingering, no_pod_hold, pod_hold
from obtask.kube.api import ApiError, Json
from obtask.kube.errors import explained
from obtask.kube.jobs import Jobs
from obtask.model.attempt import AttemptState, Failed, Outcome, Running, Succeeded
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.nonces import Nonces

SOON = timedelta(seconds=1)
POD_PAUSE = timedelta(seconds=5)
# The log is opened this long before the deadline: Kubernetes stops the pod by its own clock.
FOLLOW_LEAD = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class JobTools:
    """What the executor works with."""

    jobs: Jobs
    secrets: PodSecrets
    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    pod_start_seconds: float
    nonces: Nonces
    followed_logs: int = MOST_OF_A_NAMESPACE


class JobWork:
    """Follows Jobs. Raises kube.api.ApiUnavailable or ApiForbidden when they cannot be read."""

    def __init__(self, tools: JobTools, read: Reading, logs: Following) -> None:
        self._tools = tools
        self._read = read
        self._logs = logs
        self._clock = tools.clock

    async def hide(self, entry: JobEntry, job: Json, *, again: bool = False) -> None:
        """Have the log mask what the Job's containers get from Secrets."""
        if again or not entry.hidden:
            await self._tools.secrets.hide(entry.attempt.namespace, job, entry.log)
            entry.hidden = True

    async def present(self, entry: JobEntry, job: Json) -> AttemptState:
        """Return how far the attempt's own Job is."""
        await self.hide(entry, job)
        if is_finished(job):
            pods = await self._read.pods(entry)
            return await self.over(entry, pods, await self._end(entry, job, pods))
        own = stopped(job)
        if own is None:
            late = entry.is_late(self._clock())
            return await (self.stop(entry, job, Failed(FailureReason.TIMEOUT, entry.too_long)) if late else self._going(entry, job))
        pods = await self._read.pods(entry)
        # Of a suspended Job nobody takes note of the deadline; it has no pods, and cannot get any.
        if job["spec"].get("suspend") and not any(is_alive(pod) for pod in pods):
            return await self.over(entry, pods, own)
        return await self._until_stopped(entry, pods)

    async def copied(self, entry: JobEntry, copy: Json, end: Failed) -> AttemptState:
        """Stop a Job that somebody recreated with the attempt's own proofs; return the end once none of its pods runs."""
        pods = [*await self._read.pods(entry), *await self._read.pods_of(entry, str(copy["metadata"]["uid"]))]
        if is_finished(copy) or (stopped(copy) is not None and not any(is_alive(pod) for pod in pods)):
            return await self.over(entry, pods, end)
        if stopped(copy) is None:
            await self._tools.confirmed()
            answer = await self._tools.jobs.stop(copy, end.reason.value, one_line(end.message))
            if isinstance(answer, ApiError):
                entry.say(f"Job {entry.name} cannot be stopped: {explained(answer)}")
        return Running("stopping", self._clock() + SOON)

    async def over(self, entry: JobEntry, pods: list[Json], end: Outcome) -> AttemptState:
        """Return the end, once no container runs and the log is complete."""
        if any(is_alive(pod) for pod in pods):
            return await self._until_stopped(entry, pods)
        for pod in pods:
            entry.note(pod)
        await self.hide(entry, entry.job or job_manifest(entry.attempt, self._clock()), again=True)
        await self._logs.collect(entry, pods)
        entry.log.write(f"failed: {end.message}" if isinstance(end, Failed) else f"succeeded: {end.message}")
        return replace(end, untouched=entry.untouched) if isinstance(end, Failed) else end

    async def stop(self, entry: JobEntry, job: Json, why: Failed) -> Running:
        """Have the Job end for good, for this reason."""
        pods = await self._read.pods(entry)
        await self.hide(entry, job, again=True)
        for pod in filter(is_alive, pods):
            await self._logs.follow(entry, pod)
        await self._tools.confirmed()
        answer = await self._tools.jobs.stop(job, why.reason.value, one_line(why.message))
        if isinstance(answer, ApiError):
            entry.mark_stale()
            if not (answer.missing or answer.conflict):
                entry.say(f"Job {entry.name} cannot be stopped: {explained(answer)}")
                return Running(one_line(entry.said), self._clock() + POD_PAUSE)
        else:
            entry.update(answer, self._clock())
            entry.log.write(f"stopping Job {entry.name}: {why.message}")
        return Running("stopping", self._clock() + SOON)

    async def _end(self, entry: JobEntry, job: Json, pods: list[Json]) -> Outcome:
        end = outcome(job, pods or entry.last_pods)
        if isinstance(end, Failed) and end.reason is FailureReason.TIMEOUT and stopped(job) is None:
            return Failed(FailureReason.TIMEOUT, entry.too_long)
        if not isinstance(end, Succeeded):
            return end
        done = next((pod for pod in (*pods, *entry.last_pods) if is_done(pod)), None)
        if done is None:
            return undeserved(job, await self._read.adopted_pods(entry)) or cut_short(entry.cut, entry.cut) or end
        await self._witness(entry, pods, await self._created(entry), sure=True)
        twice = second_run(entry.begun, job, pods) if entry.begun else None
        return cut_short(done["metadata"]["name"], entry.cut) or twice or replace(end, seen={"result": result_of(done)})

    async def _until_stopped(self, entry: JobEntry, pods: list[Json]) -> Running:
        alive = [pod for pod in pods if is_alive(pod)]
        for pod in alive:
            await self._logs.follow(entry, pod)
        names = ", ".join(pod["metadata"]["name"] for pod in alive)
        return Running(f"waiting for the end of pod {names}" if names else "stopping", self._clock() + SOON)

    async def _going(self, entry: JobEntry, job: Json) -> AttemptState:
        created = await self._created(entry)  # before the pods: what was created and is not listed is gone
        pods = await self._read.pods(entry)
        await self._witness(entry, pods, created)
        if entry.begun is not None and (lost := second_run(entry.begun, job, pods)) is not None:
            if pods or job["spec"].get("suspend") or entry.suspected:
                return await self.stop(entry, job, lost)
            # The pod was listed after the Job was read: the Job may have finished meanwhile.
            entry.suspected = True
            entry.mark_stale()
            return Running(wake_at=self._clock())
        if job["spec"].get("suspend"):
            return self._wait(entry, "suspended: waiting for a place in its queue", RELOOK)
        if job["spec"].get("parallelism") == 0:
            return self._wait(entry, "its parallelism is 0: it gets no pod", RELOOK)
        if not pods:
            return await self._held(entry, job, no_pod_hold(await self._read.events(entry)))
        return await self._with_pod(entry, job, pods[-1])

    async def _created(self, entry: JobEntry) -> list[str]:
        return [] if entry.witnessed else created_pods(await self._read.events_of_name(entry))

    async def _witness(self, entry: JobEntry, pods: list[Json], created: list[str], *, sure: bool = False) -> None:
        """Note which pod was the first to begin, even if that was not watched.

        A pod that is gone and has no Events is assumed to have begun if another operator created the Job, unless ``sure``.
        """
        unknown = not (sure or entry.asked)
        for pod in pods:
            entry.note(pod)
        present = {pod["metadata"]["name"] for pod in pods}
        for name in created:
            if entry.begun in (None, *present) and name not in present and await self._read.has_begun(entry, name, unknown=unknown):
                entry.begun = name
        entry.witnessed = True

    async def _with_pod(self, entry: JobEntry, job: Json, pod: Json) -> AttemptState:
        if not is_alive(pod):
            return self._wait(entry, None, SOON)  # the Job says so soon
        if started_containers(pod):
            await self._follow(entry, job, pod)
        closing = self._closing(entry)
        if closing or is_leaving(pod):
            await self._logs.follow(entry, pod)
        if (pod.get("status") or {}).get("phase") != "Running":
            return await self._held(entry, job, pod_hold(pod))
        hold = pod_hold(pod)
        if hold is not None and not has_run_main(pod):
            return await self._held(entry, job, hold)
        waits = lingering(pod) or (hold.message if hold is not None else "")
        if waits:
            entry.say(waits)
        entry.waits_for = waits
        return self._wait(entry, one_line(waits) or None, SOON if is_leaving(pod) else RELOOK)

    async def _follow(self, entry: JobEntry, job: Json, pod: Json) -> None:
        if not entry.started:
            # What the pod really got: the Secrets may have been made or changed since the Job was.
            await self.hide(entry, job, again=True)
            entry.started, entry.waits_for = True, ""
            entry.log.write(f"pod {pod['metadata']['name']} runs on node {pod['spec'].get('nodeName')}")
        self._logs.watch(entry, pod)

    def _closing(self, entry: JobEntry) -> bool:
        return entry.attempt.deadline is not None and self._clock() >= entry.attempt.deadline - FOLLOW_LEAD

    async def _held(self, entry: JobEntry, job: Json, hold: Hold | None) -> AttemptState:
        now, pause = self._clock(), SOON if self._closing(entry) else POD_PAUSE
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
            text = f"{hold.message}{allowed}{f': {hold.detail}' if hold.detail else ''}"
            return await self.stop(entry, job, Failed(hold.becomes, text))
        entry.say(f"{hold.message}{f': {hold.detail}' if hold.detail else ''}")
        left = timedelta(seconds=self._tools.pod_start_seconds - waited)
        return self._wait(entry, hold.message, min(pause, left))

    def _wait(self, entry: JobEntry, message: str | None, pause: timedelta) -> Running:
        now, deadline = self._clock(), entry.attempt.deadline
        ends = () if deadline is None else (deadline - FOLLOW_LEAD, deadline)
        return Running(message, min([now + pause, *(moment for moment in ends if moment > now)]))
