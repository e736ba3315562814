"""Owns how scenario tests speak with the API server: make tasks, annotate them, wait for what becomes of them by watching."""

import gzip
import http
import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.support.apiserver import CONFIG_MAPS, EVENTS, LEASES, OBTASKS, ApiServer, Body, ServerError, api_server

from devcluster.controlplane import ControlPlane
from devcluster.kubectl import Kubectl
from devcluster.sqlserver import SqlServer

WAIT_SECONDS = 30
FINISHED = ("Succeeded", "RolledBack", "Skipped", "Cancelled", "Rejected")


def wait_step(name: str, seconds: int = 0, **more: Any) -> Body:
    """Return a step that waits."""
    return {"name": name, "wait": {"seconds": seconds}, **more}


def sql_step(name: str, *statements: str, **more: Any) -> Body:
    """Return a step that runs statements."""
    return {"name": name, "sql": {"statements": list(statements)}, **more}


FAILING = "select * from no_such_table"


class Tasks:
    """OBTasks of one namespace of any cluster, as a person with kubectl sees them."""

    def __init__(self, kubectl: Kubectl, api: ApiServer, namespace: str, patience: float = WAIT_SECONDS) -> None:
        self._kubectl = kubectl
        self.api = api
        self.namespace = namespace
        self._patience = patience

    def manifest(self, name: str, **spec: Any) -> Body:
        """Return a task to be created; a Cluster task without maintenance unless told otherwise."""
        target = {} if spec.get("type") == "Local" else {"cluster": "obdemo"}
        full = {"type": "Cluster", "maintenance": "None", **target, **spec}
        return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": full}

    def create(self, name: str, **spec: Any) -> Body:
        """Create a task; a Cluster task without maintenance unless told otherwise."""
        return self.api.send("POST", OBTASKS.format(self.namespace), self.manifest(name, **spec))

    def get(self, name: str) -> Body:
        """Return a task."""
        return self.api.get(f"{OBTASKS.format(self.namespace)}/{name}")

    def status(self, name: str) -> Body:
        """Return a task's status."""
        status: Body = self.get(name).get("status", {})
        return status

    def annotate(self, name: str, *annotations: str) -> None:
        """Annotate a task as people do: without --overwrite."""
        self.kubectl("annotate", "obtask", name, *annotations)

    def delete(self, name: str) -> None:
        """Ask for a task's deletion; do not wait for it."""
        self.api.send("DELETE", f"{OBTASKS.format(self.namespace)}/{name}")

    def wait(self, name: str, until: Callable[[Body], object], what: str = "", seconds: float | None = None) -> Body:
        """Watch a task until the condition holds; return the task. Fails with its status when it does not in time."""
        seconds = seconds or self._patience
        deadline = time.monotonic() + seconds
        body = self.get(name)
        while not until(body):
            left = deadline - time.monotonic()
            assert left > 0, f"{what or 'the awaited state'} did not come in {seconds} s: {json.dumps(body.get('status'), indent=1)}"
            body = self._next(body, left) or self.get(name)
        return body

    def wait_phase(self, name: str, *phases: str, seconds: float | None = None) -> Body:
        """Watch a task until it is in one of the phases; return its status."""
        body = self.wait(name, lambda task: task.get("status", {}).get("phase") in phases, f"phase {phases} of {name}", seconds)
        status: Body = body["status"]
        return status

    def wait_let_go(self, name: str, *phases: str, seconds: float | None = None) -> Body:
        """Watch a task until it is in one of the phases, or in any finished one, and the operator is done with it; return its status."""
        wanted = phases or FINISHED
        let_go = self.wait(
            name,
            lambda task: task.get("status", {}).get("phase") in wanted and not task["metadata"].get("finalizers"),
            f"phase {wanted} of {name} without finalizer",
            seconds,
        )
        status: Body = let_go["status"]
        return status

    def wait_gone(self, name: str, seconds: float | None = None) -> None:
        """Watch a task until it is gone."""
        seconds = seconds or self._patience
        deadline = time.monotonic() + seconds
        while True:
            try:
                body = self.get(name)
            except ServerError as error:
                if error.status == http.HTTPStatus.NOT_FOUND:
                    return
                raise
            left = deadline - time.monotonic()
            assert left > 0, f"{name} was not gone in {seconds} s: {json.dumps(body, indent=1)}"
            self._next(body, left)

    def command(self, name: str, verb: str, **annotations: str) -> Body:
        """Give a command and wait until it is answered; return status.lastAction."""
        before = self.status(name).get("lastAction", {}).get("id")
        extra = [f"{key}={value}" for key, value in annotations.items()]
        self.annotate(name, f"action={verb}", *extra)
        return self.answer(name, before)

    def answer(self, name: str, before: str | None = None) -> Body:
        """Wait until a command after the one with this id is answered; return status.lastAction."""
        body = self.wait(
            name, lambda task: task.get("status", {}).get("lastAction", {}).get("id") not in (None, before), f"answer of {name}"
        )
        answer: Body = body["status"]["lastAction"]
        return answer

    def create_secret(self, name: str, kind: str = "task.oceanbase.com/connection", **data: str) -> None:
        """Create a Secret; a connection unless told otherwise."""
        body = {"metadata": {"name": name}, "type": kind, "stringData": data}
        self.api.send("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body)

    def create_connection(self, server: SqlServer) -> str:
        """Create the connection Secret of a SQL server; return its name."""
        data = {"host": server.host, "port": str(server.port), "user": server.user, "password": server.password}
        self.create_secret("seekdb", **data, database=server.database)
        return "seekdb"

    def kubectl(self, *words: str, manifest: Mapping[str, Any] | None = None) -> str:
        """Run kubectl in the namespace."""
        return self._kubectl.run(["-n", self.namespace, *words], json.dumps(manifest) if manifest else "")

    def leases(self) -> dict[str, Body]:
        """Return the Leases of the namespace by name."""
        return {lease["metadata"]["name"]: lease for lease in self.api.get(LEASES.format(self.namespace))["items"]}

    def lease(self, name: str) -> Body:
        """Return a Lease."""
        return self.api.get(f"{LEASES.format(self.namespace)}/{name}")

    def holders(self) -> set[str]:
        """Return the names of the tasks that hold a Lease."""
        return _holders(self.leases().values())

    def wait_free(self) -> None:
        """Watch the Leases until none names a task: an operator that is behind may claim one for a moment after the end."""
        deadline = time.monotonic() + self._patience
        path = LEASES.format(self.namespace)
        while holders := _holders((listed := self.api.get(path))["items"]):
            left = deadline - time.monotonic()
            assert left > 0, f"Leases still name {holders}"
            next(iter(self.api.watch(path, listed["metadata"]["resourceVersion"], left)), None)

    def wait_lease(self, name: str, until: Callable[[Body], object], what: str = "", seconds: float | None = None) -> Body:
        """Watch a Lease until the condition holds; a Lease that is not there is an empty object. Return it."""
        seconds = seconds or self._patience
        deadline = time.monotonic() + seconds
        path = LEASES.format(self.namespace)
        listed = self.api.get(path)
        version = listed["metadata"]["resourceVersion"]
        lease: Body = next((item for item in listed["items"] if item["metadata"]["name"] == name), {})
        while not until(lease):
            left = deadline - time.monotonic()
            assert left > 0, f"{what or 'the awaited Lease'} did not come in {seconds} s: {json.dumps(lease, indent=1)}"
            for change, body in self.api.watch(path, version, left, fieldSelector=f"metadata.name={name}"):
                version, lease = body["metadata"]["resourceVersion"], {} if change == "DELETED" else body
                break
        return lease

    def config_maps(self, task: str) -> list[Body]:
        """Return the ConfigMaps that belong to a task."""
        found: list[Body] = self.api.get(f"{CONFIG_MAPS.format(self.namespace)}?labelSelector=task.oceanbase.com/task%3D{task}")["items"]
        return found

    def log(self, subtask: Body) -> str:
        """Return the whole log of a subtask's last attempt, wherever it is kept."""
        if "logRef" not in subtask:
            return str(subtask.get("logTail", ""))
        reference = subtask["logRef"]
        stored = self.api.get(f"{CONFIG_MAPS.format(self.namespace)}/{reference['configMap']}")
        return gzip.decompress(b64decode(stored["binaryData"][reference["key"]])).decode()

    def events(self, task: str) -> list[Body]:
        """Return the Events about a task, oldest first."""
        found = self.api.get(f"{EVENTS.format(self.namespace)}?fieldSelector=involvedObject.name%3D{task}")["items"]
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def wait_events(self, task: str, *reasons: str) -> dict[str, Body]:
        """Wait until there is an Event of each reason about the task; return the newest Event of each reason."""
        deadline = time.monotonic() + self._patience
        path = EVENTS.format(self.namespace)
        while True:
            listed = self.api.get(path)
            found = {event["reason"]: event for event in self.events(task)}
            if set(reasons) <= set(found):
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"Events {set(reasons) - set(found)} of {task} did not come; there are {set(found)}"
            next(iter(self.api.watch(path, listed["metadata"]["resourceVersion"], left)), None)

    def _next(self, body: Body, seconds: float) -> Body | None:
        """Return the next version of a task; None if there is none in time, or the watch cannot tell."""
        meta = body["metadata"]
        changes = self.api.watch(
            OBTASKS.format(self.namespace), meta["resourceVersion"], seconds, fieldSelector=f"metadata.name={meta['name']}"
        )
        return next((found for change, found in changes if change != "BOOKMARK"), None)


class TaskClient(Tasks):
    """OBTasks of one namespace of a control plane of ours."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        super().__init__(cluster.kubectl, api_server(cluster), namespace)
        self.cluster = cluster


def _holders(leases: Iterable[Body]) -> set[str]:
    return {holder.split("/")[0] for lease in leases if (holder := lease["spec"].get("holderIdentity"))}
