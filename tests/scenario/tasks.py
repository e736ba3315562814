"""Owns how scenario tests speak with the API server: make tasks, annotate them, wait for what becomes of them by watching."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from obtask.devcluster.controlplane import ControlPlane

WAIT_SECONDS = 30

Body = dict[str, Any]


class TaskClient:
    """OBTasks of one namespace, as a person with kubectl sees them."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    def create(self, name: str, **spec: Any) -> Body:
        """Create a task; a Cluster task without maintenance unless told otherwise."""
        target = {} if spec.get("type") == "Local" else {"cluster": "obdemo"}
        full = {"type": "Cluster", "maintenance": "None", **target, **spec}
        body = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": full}
        created: Body = json.loads(self.kubectl("create", "-o", "json", "-f", "-", manifest=body))
        return created

    def get(self, name: str) -> Body:
        """Return a task."""
        body: Body = json.loads(self.kubectl("get", "obtask", name, "-o", "json"))
        return body

    def status(self, name: str) -> Body:
        """Return a task's status."""
        status: Body = self.get(name).get("status", {})
        return status

    def annotate(self, name: str, *annotations: str) -> None:
        """Annotate a task as people do: without --overwrite."""
        self.kubectl("annotate", "obtask", name, *annotations)

    def wait(self, name: str, until: Callable[[Body], object], what: str = "", seconds: float = WAIT_SECONDS) -> Body:
        """Watch a task until the condition holds; return the task. Fails with its status when it does not in time."""
        deadline = time.monotonic() + seconds
        body = self.get(name)
        while not until(body):
            left = deadline - time.monotonic()
            assert left > 0, f"{what or 'the awaited state'} did not come in {seconds} s: {json.dumps(body.get('status'), indent=1)}"
            body = self._next(name, body["metadata"]["resourceVersion"], left) or self.get(name)
        return body

    def wait_phase(self, name: str, *phases: str, seconds: float = WAIT_SECONDS) -> Body:
        """Watch a task until it is in one of the phases; return its status."""
        body = self.wait(name, lambda task: task.get("status", {}).get("phase") in phases, f"phase {phases} of {name}", seconds)
        status: Body = body["status"]
        return status

    def command(self, name: str, verb: str, **annotations: str) -> Body:
        """Give a command and wait until it is answered; return status.lastAction."""
        before = self.status(name).get("lastAction", {}).get("id")
        extra = [f"{key}={value}" for key, value in annotations.items()]
        self.annotate(name, f"action={verb}", *extra)
        body = self.wait(name, lambda task: task["status"].get("lastAction", {}).get("id") not in (None, before), f"answer to {verb}")
        answer: Body = body["status"]["lastAction"]
        return answer

    def kubectl(self, *words: str, manifest: Mapping[str, Any] | None = None) -> str:
        """Run kubectl in the namespace."""
        return self._cluster.kubectl.run(["-n", self.namespace, *words], json.dumps(manifest) if manifest else "")

    def _next(self, name: str, version: str, seconds: float) -> Body | None:
        path = f"/apis/task.oceanbase.com/v1alpha1/namespaces/{self.namespace}/obtasks"
        query = f"?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3D{name}&timeoutSeconds={max(1, int(seconds))}"
        command = [str(self._cluster.kubectl.program), "--kubeconfig", str(self._cluster.kubeconfig), "get", "--raw", path + query]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
            assert process.stdout is not None
            line = process.stdout.readline()
            process.kill()
        event = json.loads(line) if line else {}
        found: Body | None = event["object"] if event.get("type") in {"ADDED", "MODIFIED", "DELETED"} else None
        return found
