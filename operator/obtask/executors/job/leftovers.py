"""Owns giving up Jobs of earlier attempts: of each subtask and direction the first and the last two stay, as their logs do."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from obtask.executors.job.ending import is_finished
from obtask.executors.job.manifest import is_of
from obtask.kube.api import Refusal
from obtask.kube.jobs import Jobs
from obtask.model.attempt import Attempt, AttemptId
from obtask.rules.job_names import job_name

logger = logging.getLogger(__name__)

FIRST = 1
LAST = 2


def surplus(attempt: AttemptId) -> AttemptId | None:
    """Return the attempt whose Job is one too many once this attempt has one; None if there is none such."""
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
        given up. Whatever has no end yet is not touched. Raises kube.api.Unavailable.
        """
        earlier = surplus(attempt.id)
        if earlier is None:
            return
        job = await self._jobs.get(attempt.namespace, job_name(attempt.task, earlier))
        # The status has no proof of ended attempts any more. Whoever could imitate these annotations may delete that Job himself.
        if isinstance(job, Refusal) or not is_of(job, replace(attempt, id=earlier, nonce_digests=())) or not is_finished(job):
            return
        if job["spec"].get("ttlSecondsAfterFinished") is not None or job["metadata"].get("deletionTimestamp"):
            return
        await self._confirmed()
        answer = await self._jobs.let_expire(job)
        if isinstance(answer, Refusal) and not (answer.missing or answer.conflict):
            logger.warning("Job %s/%s cannot be given up: %s", attempt.namespace, job["metadata"]["name"], answer.message)
