"""Plays a node, which devcluster.node runs for real: takes pods of one namespace, runs their commands as processes, serves their logs.

The API server, its Job controller and its log proxy are real; here are the scheduler and the kubelet. What cannot be had from a
process is asked for by the image: ``node/missing`` cannot be pulled, ``node/unschedulable`` fits nowhere, ``node/oom`` ends
OOMKilled, ``node/misconfigured`` cannot be made; every other image runs.
"""

import base64
import contextlib
import http
import os
import re
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.apiserver import Body, ServerError, api_server
from tests.support.container import Container, now

from devcluster.controlplane import ControlPlane

PODS = "/api/v1/namespaces/{}/pods"
WAITING = {
    "node/missing": {"reason": "ErrImagePull", "message": "node/missing: not found"},
    "node/misconfigured": {"reason": "CreateContainerConfigError", "message": 'secret "nowhere" not found'},
}


class _Pod:
    """A pod on the node."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.name: str = body["metadata"]["name"]
        self.leaving = threading.Event()
        self.gone = threading.Event()
        self.evicted = False
        self.containers: dict[str, Container] = {}


class Node:
    """A node as long as ``running`` lasts."""

    def __init__(self, cluster: ControlPlane, namespace: str, programs: Path | None = None) -> None:
        """Be a node whose images have the programs of this folder, too."""
        self._api = api_server(cluster)
        self._programs = programs
        self._pki = cluster.kubeconfig.parent / "pki"
        self.namespace = namespace
        self.name = f"node-{uuid.uuid4().hex[:8]}"
        self._pods: dict[str, _Pod] = {}
        self._stopping = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Node"]:
        """Take pods until the block ends, then kill what is left."""
        server = self._serve_logs()
        self._register(server.server_address[1])
        listed = self._api.get(PODS.format(self.namespace))
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,)), threading.Thread(target=self._watch, args=(listed,))]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for pod in list(self._pods.values()):
                pod.leaving.set()
                for container in pod.containers.values():
                    container.kill()
            server.shutdown()
            server.server_close()
            for thread in threads:
                thread.join()
            self._api.send("DELETE", f"/api/v1/nodes/{self.name}")

    def evict(self, name: str) -> None:
        """Do what a kubelet does when its node runs out of memory."""
        pod = next(pod for pod in self._pods.values() if pod.name == name)
        pod.evicted = True
        for container in pod.containers.values():
            container.kill()

    def _register(self, port: int) -> None:
        self._api.send("POST", "/api/v1/nodes", {"metadata": {"name": self.name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self._api.send("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status})

    def _watch(self, listed: Body) -> None:
        version = listed["metadata"]["resourceVersion"]
        for pod in listed["items"]:
            self._see(pod)
        while not self._stopping.is_set():
            for change, body in self._api.watch(PODS.format(self.namespace), version, 0.5):
                version = body["metadata"]["resourceVersion"]
                if change != "DELETED":
                    self._see(body)

    def _see(self, body: Body) -> None:
        pod = self._pods.get(body["metadata"]["uid"])
        if pod is None:
            pod = self._pods[body["metadata"]["uid"]] = _Pod(body)
            threading.Thread(target=self._live, args=(pod,), daemon=True).start()
        if body["metadata"].get("deletionTimestamp"):
            pod.leaving.set()

    def _live(self, pod: _Pod) -> None:
        with contextlib.suppress(ServerError):  # the namespace is going away
            images = [container["image"] for container in pod.body["spec"]["containers"]]
            if "node/unschedulable" in images:
                unfit = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
                self._status(pod, "Pending", conditions=[unfit])
                return  # a pod without a node is deleted at once
            target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
            self._api.send("POST", f"{self._path(pod)}/binding", {"metadata": {"name": pod.name}, "target": target})
            waiting = next((WAITING[image] for image in images if image in WAITING), None)
            if waiting is not None:
                self._status(pod, "Pending", containerStatuses=[_container(one, waiting=waiting) for one in pod.body["spec"]["containers"]])
                pod.leaving.wait()
                self._let_go(pod)
                return
            self._run(pod)
            if pod.leaving.is_set():
                self._let_go(pod)

    def _run(self, pod: _Pod) -> None:
        specs = pod.body["spec"]["containers"]
        for spec in specs:
            variables = self._variables(spec)
            words = [_expanded(word, variables) for word in [*spec.get("command", ["true"]), *spec.get("args", [])]]
            pod.containers[spec["name"]] = Container(words, variables)
        ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
        running = [_container(spec, pod.containers[spec["name"]], running={"startedAt": now()}) for spec in specs]
        self._status(pod, "Running", conditions=ready, containerStatuses=running, startTime=now())
        done = threading.Event()
        threading.Thread(target=self._stop_when_asked, args=(pod, done), daemon=True).start()
        codes: dict[str, int] = {}
        for spec in specs:
            codes[spec["name"]] = pod.containers[spec["name"]].wait()
            if len(codes) < len(specs):
                self._tell_ended(pod, specs, codes)
        done.set()
        self._end(pod, specs, codes)

    def _tell_ended(self, pod: _Pod, specs: list[Body], codes: Mapping[str, int]) -> None:
        """Tell of the containers that have ended while others run."""
        each = [
            _ended(spec, container, codes[spec["name"]])
            if spec["name"] in codes
            else _container(spec, container, running={"startedAt": container.started_at})
            for spec in specs
            for container in [pod.containers[spec["name"]]]
        ]
        self._status(pod, "Running", containerStatuses=each)

    def _end(self, pod: _Pod, specs: list[Body], codes: dict[str, int]) -> None:
        ends = [_ended(spec, pod.containers[spec["name"]], codes[spec["name"]]) for spec in specs]
        failed = pod.evicted or any(end["state"]["terminated"]["exitCode"] for end in ends)
        why = {"reason": "Evicted", "message": "The node was low on resource: memory."} if pod.evicted else {}
        conditions = [{"type": "Ready", "status": "False", "reason": "PodCompleted"}]
        self._status(pod, "Failed" if failed else "Succeeded", conditions=conditions, containerStatuses=ends, **why)

    def _stop_when_asked(self, pod: _Pod, done: threading.Event) -> None:
        while not done.is_set():
            if pod.leaving.wait(0.1):
                grace = pod.body["spec"].get("terminationGracePeriodSeconds", 30)
                for container in pod.containers.values():
                    container.stop(grace)
                return

    def _let_go(self, pod: _Pod) -> None:
        pod.gone.set()  # a kubelet removes the containers of a deleted pod, and their logs
        self._api.send("DELETE", self._path(pod), {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.body["metadata"]["uid"]}})

    def _variables(self, container: Body) -> dict[str, str]:
        found = {"PATH": f"{self._programs}:{os.environ['PATH']}"} if self._programs else {}
        for source in container.get("envFrom", []):
            found |= self._secret(source["secretRef"]["name"])
        for variable in container.get("env", []):
            ref = variable.get("valueFrom", {}).get("secretKeyRef")
            found[variable["name"]] = self._secret(ref["name"])[ref["key"]] if ref else variable.get("value", "")
        return found

    def _secret(self, name: str) -> dict[str, str]:
        data = self._api.get(f"/api/v1/namespaces/{self.namespace}/secrets/{name}").get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def _status(self, pod: _Pod, phase: str, **fields: Any) -> None:
        self._api.send("PATCH", f"{self._path(pod)}/status", {"status": {"phase": phase, **fields}})

    def _path(self, pod: _Pod) -> str:
        return f"{PODS.format(self.namespace)}/{pod.name}"

    def container(self, pod: str, name: str) -> Container | None:
        """Return a container whose log is still there."""
        found = next((one for one in self._pods.values() if one.name == pod and not one.gone.is_set()), None)
        return found.containers.get(name) if found else None

    def _serve_logs(self) -> ThreadingHTTPServer:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, node)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._pki / "apiserver.crt", self._pki / "apiserver.key")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        return server


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """Put in variables as a kubelet does: $(NAME), $$ for a dollar sign; an unknown name stays."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: variables.get(found[1], found[0]) if found[1] else "$", word)


def _answer(request: BaseHTTPRequestHandler, node: Node) -> None:
    url = urlsplit(request.path)
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    _, kind, _, pod, name = url.path.split("/", 4)
    container = node.container(pod, name) if kind == "containerLogs" else None
    if container is None:
        request.send_error(http.HTTPStatus.NOT_FOUND)
        return
    request.send_response(http.HTTPStatus.OK)
    request.send_header("Content-Type", "text/plain")
    request.end_headers()
    lines = container.log(follow=query.get("follow") == "true")
    if "tailLines" in query:
        lines = iter(list(lines)[-int(query["tailLines"]) :])
    since = query.get("sinceTime", "").removesuffix("Z").encode()  # whole seconds: the API server passes on no more
    left = int(query.get("limitBytes", 1 << 62))
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        request.wfile.flush()
        for at, text in lines:
            if at < since:
                continue
            line = (at + b" " + text if query.get("timestamps") == "true" else text)[:left]
            left -= len(line)
            request.wfile.write(line)
            if not left:
                return


def _ended(spec: Body, container: Container, code: int) -> Body:
    out_of_memory = spec["image"] == "node/oom"
    end = {
        "exitCode": 137 if out_of_memory else code,
        "reason": "OOMKilled" if out_of_memory else "Error" if code else "Completed",
        "startedAt": container.started_at,
        "finishedAt": now(),
        "containerID": container.id,
    }
    return _container(spec, container, terminated=end)


def _container(spec: Body, container: Container | None = None, **state: Any) -> Body:
    started = {"containerID": container.id} if container else {}
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    } | started
