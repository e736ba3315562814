"""Owns the steps of the tests that are Jobs, and what a person does with their pods."""

import json
import time
from dataclasses import dataclass
from typing import Any

from tests.support.apiserver import Body
from tests.support.tasks import Tasks

PODS = "/api/v1/namespaces/{}/pods"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
GATE = "/tmp/go"  # noqa: S108 - in a container
# Runs until somebody opens the gate, and ends when it is asked to; who opened it has time to leave the container.
GATED = f"trap 'echo asked to end; exit 9' TERM; echo begun; until [ -e {GATE} ]; do sleep 0.1; done; echo through the gate; sleep 0.5"


@dataclass(frozen=True)
class Steps:
    """Makes steps that are Jobs."""

    image: str
    foreign: bool  # an image of which nobody knows as whom it runs

    def job(self, name: str, script: str, **more: Any) -> Body:
        """Return a step that runs a shell script."""
        return {"name": name, **self.action(script, **more.pop("job", {})), **more}

    def action(self, script: str, **fields: Any) -> Body:
        """Return the action that runs a shell script."""
        job = {"image": self.image, "command": ["/bin/sh", "-c", script], **fields}
        if self.foreign:
            spec = job.setdefault("podTemplate", {}).setdefault("spec", {})
            spec["securityContext"] = {"runAsUser": 10001}
        return {"job": job}


def jobs(tasks: Tasks, task: str) -> list[Body]:
    """Return the Jobs of a task."""
    return _of(tasks, JOBS, task)


def pods(tasks: Tasks, task: str) -> list[Body]:
    """Return the pods of a task."""
    return _of(tasks, PODS, task)


def running_pod(tasks: Tasks, task: str, seconds: float = 60) -> str:
    """Wait until a pod of the task runs; return its name."""
    path, deadline = PODS.format(tasks.namespace), time.monotonic() + seconds
    version = tasks.api.get(path)["metadata"]["resourceVersion"]
    found = next(filter(_runs, pods(tasks, task)), None)
    while found is None:
        left = deadline - time.monotonic()
        assert left > 0, f"no pod of {task} ran in {seconds} s: {json.dumps(tasks.status(task), indent=1)}"
        for change, body in tasks.api.watch(path, version, left, labelSelector=f"task.oceanbase.com/task={task}"):
            version = body["metadata"]["resourceVersion"]
            if change != "DELETED" and _runs(body):
                found = body
                break
    return str(found["metadata"]["name"])


def open_gate(tasks: Tasks, task: str) -> None:
    """Let the pod of a gated step end well."""
    tasks.kubectl("exec", running_pod(tasks, task), "--", "touch", GATE)


def _runs(pod: Body) -> bool:
    return any("running" in status["state"] for status in pod["status"].get("containerStatuses", ()))


def _of(tasks: Tasks, path: str, task: str) -> list[Body]:
    found: list[Body] = tasks.api.get(f"{path.format(tasks.namespace)}?labelSelector=task.oceanbase.com/task%3D{task}")["items"]
    return found
