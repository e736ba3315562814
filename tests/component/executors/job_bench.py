"""Owns what tests of Jobs share: attempts of a task that is there, a node that runs their pods, and a look that lasts until the end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.support.attempts import PlainLog, attempt
from tests.support.node import Node
from tests.support.tasks import TaskClient, wait_step

from obtask.executors.job.executor import JobExecutor
from obtask.model.attempt import Attempt, AttemptState, Running
from obtask.model.kubernetes_actions import JobAction
from obtask.rules.nonces import Nonces
from obtask.rules.owned import attempt_annotations, job_name, owner_reference, task_labels

JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"
LASTING = "trap 'echo asked to end; exit 0' TERM; echo begun; while true; do sleep 0.05; done"
Make = Callable[..., JobExecutor]


@contextmanager
def a_node(tasks: TaskClient) -> Iterator[Node]:
    """Run a node for the test's namespace."""
    with Node(tasks.cluster, tasks.namespace).running() as running:
        yield running


def of_task(tasks: TaskClient, script: str = "true", **fields: Any) -> Attempt:
    """Return an attempt of a task that is there."""
    uid = tasks.create("owner", steps=[wait_step("s")])["metadata"]["uid"]
    action = JobAction.model_validate({"image": "node/any", "command": ["sh", "-c", script], **fields})
    one = attempt(action)
    return replace(one, id=replace(one.id, uid=uid), namespace=tasks.namespace, task="owner")


def jobs(tasks: TaskClient) -> list[str]:
    """Return the names of the Jobs of the namespace."""
    return [job["metadata"]["name"] for job in tasks.api.get(JOBS.format(tasks.namespace))["items"]]


async def watch(
    executor: JobExecutor,
    one: Attempt,
    log: PlainLog,
    until: Callable[[AttemptState], object] = lambda _: False,
    *,
    told: TaskClient | None = None,
) -> AttemptState:
    """Look again and again, as the engine does when it is rung, until the end or until the condition holds.

    ``told``: the executor hears of the Jobs of these tasks, and has missed nothing; otherwise it may have.
    """
    async with asyncio.timeout(40):
        while True:
            if told is None:
                executor.mark_stale()
            else:
                for job in told.api.get(JOBS.format(one.namespace))["items"]:
                    executor.see("MODIFIED", job)
            seen = await executor.observe(one, log)
            if not isinstance(seen, Running) or until(seen):
                return seen
            await asyncio.sleep(0.1)


def recorded(one: Attempt, *by: Nonces) -> Attempt:
    """Return the attempt as operators with these nonces have recorded it."""
    return replace(one, nonce_digests=tuple(nonces.digest(one.id) for nonces in by))


def imitation(one: Attempt, **more: Any) -> dict[str, Any]:
    """Return a Job as whoever may read the task can make it beforehand."""
    annotations = attempt_annotations(one) | {"task.oceanbase.com/nonce": one.nonce_digests[0]} | more
    meta = {"name": job_name(one.task, one.id), "labels": task_labels(one), "annotations": annotations}
    pod = {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "attacker/true"}]},
    }
    return {"metadata": meta | {"ownerReferences": [owner_reference(one)]}, "spec": {"template": pod}}
