"""Owns what is remembered of a Job's attempt while it runs. Nothing here is needed after a restart."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from obtask.executors.base import Log
from obtask.executors.job.ending import ended_containers, is_leaving, runs_main
from obtask.executors.job.manifest import is_of
from obtask.executors.job.once import has_begun
from obtask.executors.job.podlog import Copy, started_containers
from obtask.model.attempt import Attempt, Lost, Outcome, Running
from obtask.model.base import in_seconds
from obtask.rules.owned import job_name

Json = dict[str, Any]


@dataclass(slots=True)
class JobEntry:
    """An attempt, its Job as it was last seen, and what was done about it."""

    attempt: Attempt
    log: Log
    job: Json | None = None
    fresh: bool = False  # nobody told that the Job is another one by now
    read_at: datetime | None = None
    existed: bool = False
    asked: bool = False
    hidden: bool = False
    changed: bool = True
    last: Running | None = None
    end: Outcome | Lost | None = None
    started: bool = False
    begun: str | None = None  # the pod that was the first to begin
    cut: str | None = None  # a pod that was deleted while its main container ran
    witnessed: bool = False  # no pod of the Job can have begun without a trace here
    suspected: bool = False
    held_since: datetime | None = None
    last_pods: list[Json] = field(default_factory=list)  # the newest one, as it was last seen: it may be gone by now
    waits_for: str = ""
    said: str = ""
    copies: dict[tuple[str, str], Copy] = field(default_factory=dict)  # by the pod's uid and the container's name

    @property
    def name(self) -> str:
        """Name of the Job."""
        return job_name(self.attempt.task, self.attempt.id)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the Job."""
        return self.attempt.namespace, self.name

    @property
    def uid(self) -> str | None:
        """The uid of the Job, once it was seen."""
        return str(self.job["metadata"]["uid"]) if self.job is not None else None

    def owns(self, job: Json) -> bool:
        """Return whether a Job of this name is the attempt's own, and not one that somebody else has created."""
        known = self.uid
        return is_of(job, self.attempt) and (known is None or known == str(job["metadata"]["uid"]))

    def update(self, job: Json, now: datetime) -> bool:
        """Store a version of the attempt's own Job; return whether it is new."""
        known = str(self.job["metadata"]["resourceVersion"]) if self.job is not None else None
        version = str(job["metadata"]["resourceVersion"])
        if known is not None and int(known) > int(version):
            return False
        news = known != version
        self.job, self.fresh, self.existed, self.read_at = job, True, True, now
        self.changed = self.changed or news
        return news

    def update_pod(self, pod: Json) -> bool:
        """Store a version of a pod; return whether its containers have started or ended since: their logs are read in between."""
        self.note(pod)
        news = [_turn(known) for known in self.last_pods] != [_turn(pod)]
        self.last_pods, self.changed = [pod], self.changed or news
        return news

    def note(self, pod: Json) -> None:
        """Note whether the pod has begun, and whether it is being deleted."""
        name = str(pod["metadata"]["name"])
        if has_begun(pod):
            self.begun = self.begun or name
        if is_leaving(pod) and runs_main(pod):
            self.cut = name

    def mark_stale(self, *, missed: bool = False) -> None:
        """Have the Job read again at the next look; ``missed``: changes may have passed unseen."""
        self.fresh, self.changed = False, True
        self.witnessed = self.witnessed and not missed

    def rests(self, now: datetime) -> Running | None:
        """Return what was seen last, if nothing has changed since."""
        last = self.last
        return last if last is not None and not self.changed and last.wake_at is not None and now < last.wake_at else None

    def is_late(self, now: datetime) -> bool:
        """Return whether the attempt's time is over."""
        return self.attempt.deadline is not None and now >= self.attempt.deadline

    @property
    def too_long(self) -> str:
        """How to say that the attempt's time is over."""
        begun, deadline = self.attempt.started_at, self.attempt.deadline
        late = f"did not end within {in_seconds(deadline - begun) if deadline else 0} s"
        return f"{late}: {self.waits_for}" if self.waits_for else late

    @property
    def untouched(self) -> bool:
        """Whether it is sure that no pod of the attempt has begun: this operator made the Job, or did not get that far, and saw it all."""
        return self.asked and self.begun is None and not self.started and (self.witnessed or not self.existed)

    def say(self, text: str) -> None:
        """Write a line into the log, unless it is what was said last."""
        if text != self.said:
            self.said = text
            self.log.write(text)


def _turn(pod: Json) -> tuple[str, str | None, bool, list[str], list[str]]:
    meta, status = pod["metadata"], pod.get("status") or {}
    return meta["uid"], status.get("phase"), "deletionTimestamp" in meta, started_containers(pod), ended_containers(pod)
