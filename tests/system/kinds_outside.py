"""Owns the kinds of the conformance suite whose attempts live outside of the operator: in Kubernetes or in obshell."""

# ruff: noqa: D102 - what a method is for is said once, by the kind in general

import re
from pathlib import Path

from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Node, Step
from tests.support.apiserver import Body, ServerError
from tests.support.kubectl import Kubectl
from tests.support.rights import grant
from tests.support.tasks import TaskClient
from tests.system.kinds import TargetKind

ALWAYS = frozenset({"recorded", "started"})
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
WATCHES = re.compile(
    r'^apiserver_longrunning_requests\{[^}]*resource="deployments"[^}]*scope="resource"[^}]*verb="WATCH"[^}]*\} (\d+)', re.MULTILINE
)


class Job(TargetKind):
    """Commands in pods, on a node that runs them as processes."""

    outlives = ALWAYS
    seconds = 5
    failure = ("NonZeroExit", "3")
    trace = "begun"
    secret = "s3cr3t-7788"  # noqa: S105 - of a test

    def __init__(self, tasks: TaskClient, folder: Path) -> None:
        self._tasks, self._folder = tasks, folder
        self.spec: Body = {}
        tasks.create_secret("api", "Opaque", token=self.secret)

    def lasting(self) -> Body:
        return _job(f"echo begun; echo . >> {self._folder}/begun; until test -e {self._folder}/gate; do sleep 0.05; done")

    def finish(self) -> None:
        (self._folder / "gate").touch()

    def broken(self) -> Body:
        return _job(f"test -e {self._folder}/mended || exit 3")

    def mend(self) -> None:
        (self._folder / "mended").touch()

    def refused(self) -> Body:
        return _job("true", resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})

    def undo(self) -> Body:
        return _job(f"echo . >> {self._folder}/undone")

    brief = undo

    def telling(self) -> Body:
        env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}]
        return _job("echo using $TOKEN; exit 3", env=env)

    def begun(self) -> int:
        return _lines(self._folder / "begun")

    def undone(self) -> int:
        return _lines(self._folder / "undone")

    def works(self) -> bool:
        pods = self._tasks.api.get(f"/api/v1/namespaces/{self._tasks.namespace}/pods")["items"]
        return self.begun() > 0 and any(pod["status"]["phase"] == "Running" for pod in pods)


def _job(script: str, **fields: object) -> Body:
    return {"job": {"image": "node/any", "command": ["sh", "-c", script], **fields}}


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


class Resource(TargetKind):
    """Objects of Kubernetes, changed as a service account."""

    outlives = ALWAYS
    failure = ("NotFound", "404")
    trace = "watching until"
    secret = "s3cr3t-7788"  # noqa: S105 - of a test

    def __init__(self, tasks: TaskClient, kubectl: Kubectl) -> None:
        self._tasks = tasks
        self._path = f"{DEPLOYMENTS.format(tasks.namespace)}/proxy"
        self._opened = False
        self.spec = {"serviceAccountName": "runner"}
        grant(kubectl, tasks.namespace, "runner")
        tasks.create_secret("api", "Opaque", token=self.secret)

    def lasting(self) -> Body:
        labels = {"app": "proxy"}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "proxy", "image": "proxy"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
        manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "proxy"}, "spec": spec}
        expect = "true" if self._opened else "object.metadata.labels.gate == 'open'"
        return {"resource": {"apply": manifest, "until": {"expect": expect}}}

    def finish(self) -> None:
        self._opened = True
        if self.begun():
            self._tasks.api.send("PATCH", self._path, {"metadata": {"labels": {"gate": "open"}}})

    def broken(self) -> Body:
        return {"resource": {"patch": {"apiVersion": "v1", "kind": "ConfigMap", "name": "later", "patch": {"data": {"a": "b"}}}}}

    def mend(self) -> None:
        self._tasks.kubectl("create", "configmap", "later")

    def refused(self) -> Body:
        return {"resource": {"apply": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"}}}}

    def undo(self) -> Body:
        return {"resource": {"restore": True}}

    def brief(self) -> Body:
        return {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "brief"}, "data": {"a": "b"}}}}

    def telling(self) -> Body:
        patch = {"apiVersion": "v1", "kind": "Secret", "name": "api", "patch": {"metadata": {"labels": {"a": "b"}}}}
        return {"resource": {"patch": patch, "until": {"expect": "int(object.data.token) == 1"}}}

    def begun(self) -> int:
        try:
            return int(self._tasks.api.get(self._path)["metadata"]["generation"])
        except ServerError:
            return 0

    def undone(self) -> int:
        return int(not self.begun())

    def works(self) -> bool:
        return any(map(int, WATCHES.findall(self._tasks.kubectl("get", "--raw", "/metrics"))))


class Obshell(TargetKind):
    """Operations of a fake agent that speaks the real protocol."""

    outlives = frozenset({"started"})
    failure = ("ObshellTaskFailed", None)
    trace = "POST /api/v1/ob/stop"

    def __init__(self, tasks: TaskClient, agent: FakeAgent) -> None:
        self._agent = agent
        self._held = True
        self._fails = 1
        self.spec = {"connection": {"secretName": "obshell"}}
        self.secret = agent.password
        agent.operations |= {
            ("POST", "/api/v1/ob/stop"): lambda: _dag(Step("kill", held=self._held)),
            ("POST", "/api/v1/ob/start"): lambda: _dag(Step("start")),
            ("POST", "/api/v1/ob/fragile"): lambda: _dag(Step("break", fails=self._fails)),
            ("POST", "/api/v1/ob/tell"): lambda: _dag(Step("tell", fails=1, logs=(f"ERROR: using {agent.password}",))),
        }
        tasks.create_secret("obshell", url=agent.url, password=agent.password)

    def lasting(self) -> Body:
        return {"obshell": {"path": "/api/v1/ob/stop"}}

    def finish(self) -> None:
        self._held = False
        self._agent.release()

    def broken(self) -> Body:
        return {"obshell": {"path": "/api/v1/ob/fragile"}}

    def mend(self) -> None:
        self._fails = 0

    def refused(self) -> Body:
        return {"obshell": {"connection": {"secretName": "missing"}, "path": "/api/v1/ob/stop"}}

    def undo(self) -> Body:
        return {"obshell": {"path": "/api/v1/ob/start"}}

    brief = undo

    def telling(self) -> Body:
        return {"obshell": {"path": "/api/v1/ob/tell"}}

    def begun(self) -> int:
        return self._agent.starts().count("/api/v1/ob/stop")

    def undone(self) -> int:
        return self._agent.starts().count("/api/v1/ob/start")

    def works(self) -> bool:
        with self._agent.lock:
            return any(dag.state in {"READY", "RUNNING"} for dag in self._agent.dags.values())

    def settled(self, task: Body) -> bool:
        return "external" in task["status"]["steps"][0]["subtasks"][0]


def _dag(step: Step) -> list[Node]:
    return [Node(f"Stage {step.name}", [step])]
