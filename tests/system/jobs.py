"""Owns job steps for scenario tests, and what the API server has of their Jobs."""

from typing import Any

from tests.support.apiserver import Body
from tests.support.tasks import TaskClient
from tests.system.scene import happens

JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"


def job_step(name: str, script: str, image: str = "node/any", **more: Any) -> Body:
    """Return a step that runs a shell script in a Job."""
    fields = {"job": {"image": image, "command": ["sh", "-c", script], **more.pop("job", {})}, **more}
    return {"name": name, **fields}


def jobs(tasks: TaskClient) -> list[Body]:
    """Return the Jobs of the namespace, the oldest first."""
    found: list[Body] = tasks.api.get(JOBS.format(tasks.namespace))["items"]
    return sorted(found, key=lambda job: int(job["metadata"]["resourceVersion"]))


def pods(tasks: TaskClient) -> list[Body]:
    """Return the pods of the namespace."""
    found: list[Body] = tasks.api.get(PODS.format(tasks.namespace))["items"]
    return found


def running(tasks: TaskClient) -> Body:
    """Wait until a pod runs, and return it."""
    happens(lambda: any(pod["status"]["phase"] == "Running" for pod in pods(tasks)), "a running pod")
    return next(pod for pod in pods(tasks) if pod["status"]["phase"] == "Running")
