"""Owns what one step of each kind, and one from a template, costs: writes to the API server by the operator, and milliseconds."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.operators import measured_operator
from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Node as Stage
from tests.support.agent.dags import Step
from tests.support.apiserver import Body
from tests.support.audit import WRITING, requests
from tests.support.node import Node
from tests.support.tasks import TaskClient
from tests.support.templates import create

from devcluster.controlplane import ControlPlane
from devcluster.ports import LOOPBACK
from devcluster.sqlserver import sql_server
from obtask.executors.registry import REGISTRY
from obtask.model.contract import ActionKind
from obtask.model.reasons import Reason
from obtask.model.template_contract import TemplateKind
from obtask.names import API_VERSION

STOP = "/api/v1/ob/stop"
KIND = TemplateKind.NAMESPACED.value
MAP: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "changed"}, "data": {"key": "value"}}
EDITOR: Body = {"metadata": {"name": "editor"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]}
BINDING: Body = {
    "metadata": {"name": "editor"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "editor"},
    "subjects": [{"kind": "ServiceAccount", "name": "default"}],
}


@dataclass(frozen=True, slots=True)
class Kinds:
    """Runs tasks of one step, one after the other, of each kind in a namespace of its own."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]

    def measure(self, count: int) -> list[Figure]:
        """Return the costs of each kind. The node of jobs and the obshell agent are played by this process."""
        with ExitStack() as stack:
            steps = self._steps(stack)
            found: list[Figure] = []
            for kind in REGISTRY:
                step = steps[kind]
                self.say(f"{count} tasks of one {kind} step, one after the other")
                found += self._cost(f"one {kind} step", f"kind-{kind}", partial(_written, step), count)
            self.say(f"{count} tasks of one step from a template, one after the other")
            return found + self._cost("one wait step from a template", "from-template", _from_template, count)

    def _steps(self, stack: ExitStack) -> dict[ActionKind, Callable[[TaskClient], Body]]:
        server = stack.enter_context(sql_server(self.folder / "seekdb"))
        agent = stack.enter_context(FakeAgent(operations={("POST", STOP): lambda: [Stage("Stop", [Step("stop")])]}).running())
        url = stack.enter_context(_website())

        def sql(tasks: TaskClient) -> Body:
            return {"sql": {"connection": {"secretName": tasks.create_connection(server)}, "statements": ["select 1"]}}

        def obshell(tasks: TaskClient) -> Body:
            tasks.create_secret("agent", url=agent.url, password=agent.password)
            return {"obshell": {"connection": {"secretName": "agent"}, "path": STOP, "body": {}}}

        def resource(tasks: TaskClient) -> Body:
            place = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tasks.namespace}"
            tasks.api.send("POST", f"{place}/roles", EDITOR)
            tasks.api.send("POST", f"{place}/rolebindings", BINDING)
            return {"resource": {"apply": MAP}}

        def job(tasks: TaskClient) -> Body:
            stack.enter_context(Node(self.cluster, tasks.namespace).running())
            return {"job": {"image": "node/any", "command": ["true"]}}

        return {
            ActionKind.WAIT: lambda _: {"wait": {"seconds": 0}},
            ActionKind.SQL: sql,
            ActionKind.HTTP: lambda _: {"http": {"url": url}},
            ActionKind.RESOURCE: resource,
            ActionKind.OBSHELL: obshell,
            ActionKind.JOB: job,
            ActionKind.APPROVE: lambda _: {"approve": {}},
        }

    def _cost(self, what: str, namespace: str, spec: Callable[[TaskClient], Body], count: int) -> list[Figure]:
        self.cluster.kubectl.run(["create", "namespace", namespace])
        tasks = TaskClient(self.cluster, namespace)
        fields = spec(tasks)
        log = self.folder / f"{namespace}.log"
        with measured_operator(self.cluster.operator_kubeconfig, log, namespace=namespace) as operator:
            self._run(tasks, "warm", fields)
            before, used = self._writes(namespace), operator.usage().cpu_seconds
            times = [self._run(tasks, f"task-{number}", fields) for number in range(count)]
            writes, cpu = self._writes(namespace) - before, operator.usage().cpu_seconds - used
        return [
            Figure(f"{what}: writes of its task, Job, logs and Events included", writes / count, ""),
            Figure(f"{what}: recorded as started to recorded as ended, p50", percentile(times, 50) * 1000, "ms"),
            Figure(f"{what}: operator CPU of its task", cpu / count * 1000, "ms"),
        ]

    def _run(self, tasks: TaskClient, name: str, fields: Body) -> float:
        tasks.create(name, maintenance="Global", **fields)
        if "approve" in fields.get("steps", [{}])[0]:
            tasks.wait(name, lambda task: task.get("status", {}).get("reason") == Reason.AWAITING_APPROVAL)
            tasks.annotate(name, "action=approve")
        status = tasks.wait_let_go(name)
        if status["phase"] != "Succeeded":
            raise RuntimeError(f"{name} did not succeed: {status.get('message')}")
        subtask = status["steps"][0]["subtasks"][0]
        begun, ended = (datetime.fromisoformat(subtask[field]) for field in ("startedAt", "finishedAt"))
        return (ended - begun).total_seconds()

    def _writes(self, namespace: str) -> int:
        return sum(request.verb in WRITING for request in requests(self.cluster, namespace))


def _written(step: Callable[[TaskClient], Body], tasks: TaskClient) -> Body:
    return {"steps": [{"name": "only", **step(tasks)}]}


def _from_template(tasks: TaskClient) -> Body:
    """Create the template of a task that waits for no time; return what the task says."""
    step = {"name": "only", "wait": {"seconds": 0}}
    spec = {"title": {"en": "Wait"}, "type": "Cluster", "maintenance": "Global", "steps": [step]}
    create(tasks.api, tasks.namespace, {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "wait"}, "spec": spec})
    return {"templateRef": {"kind": KIND, "name": "wait"}}


@contextmanager
def _website() -> Iterator[str]:
    """Serve 200 to every request; yield where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
