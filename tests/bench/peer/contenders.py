"""Owns the two controllers that are compared: how each is run, and what a task, its phases and its end are with each of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.bench.operators import measured_operator
from tests.bench.sightings import phase_of
from tests.support import manifests
from tests.support.apiserver import CONFIG_MAPS, OBTASKS, ApiServer, Body, api_server
from tests.support.chart.policies import put_policies
from tests.support.go_programs import built, go
from tests.support.kubectl import write_kubeconfig

from devcluster.controlplane import ControlPlane
from devcluster.progress import Report

NAMESPACE: Final = "race"
MODULE: Final = Path(__file__).parent / "argo"
ARGO: Final = "github.com/argoproj/argo-workflows/v4"
WORKFLOWS: Final = "/apis/argoproj.io/v1alpha1/namespaces/{}/workflows"
CONFIG: Final = "workflow-controller-configmap"
# Its defaults are made to be gentle to a shared cluster: 20 requests a second.
TUNED: Final = ("--workflow-workers=64", "--qps=5000", "--burst=10000", "--loglevel=error", "--namespaced", "--executor-image=unused")


class Contender(Protocol):
    """A controller, and its tasks in the namespace of the race."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...

    @property
    def path(self) -> str:
        """Where its tasks are, without the namespace."""
        ...

    def prepare(self, cluster: ControlPlane) -> None:
        """Make everything but the controller."""
        ...

    def controller(self, cluster: ControlPlane, folder: Path) -> AbstractContextManager[int]:
        """Run it until the block ends like a power cut; give the number of its process."""
        ...

    def task(self, name: str, lock: str, seconds: int) -> Body:
        """Return a task of one step that waits, or has nothing to wait for, under a lock."""
        ...

    def phase(self, body: Body) -> str:
        """Return Pending, Waiting (for its lock, and it says so), Running, Succeeded, or what else it calls it."""
        ...

    def stop(self, api: ApiServer, path: str) -> None:
        """Tell it to give up a task that holds a lock; what else has to be done is `let_go`."""
        ...

    def let_go(self, api: ApiServer, path: str) -> bool:
        """Take the next step to its end, if there is one; return whether there is nothing more to do."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Our operator, under the chart's policies, as an installation has them."""

    name: str = "OBTask operator"
    path: str = OBTASKS

    def prepare(self, cluster: ControlPlane) -> None:
        """Put the policies."""
        put_policies(cluster)

    @contextmanager
    def controller(self, cluster: ControlPlane, folder: Path) -> Iterator[int]:
        """Run `obtask run`."""
        kubeconfig, log = cluster.operator_kubeconfig, folder / "ours.log"
        with measured_operator(kubeconfig, log, namespace=NAMESPACE, kill=True, OBTASK_MARKED_AT_CREATION="true") as operator:
            yield operator.pid

    def task(self, name: str, lock: str, seconds: int) -> Body:
        """Return a Global task of a cluster."""
        steps = [{"name": "s", "wait": {"seconds": seconds}}]
        spec = {"type": "Cluster", "cluster": lock, "maintenance": "Global", "steps": steps}
        return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": spec}

    def phase(self, body: Body) -> str:
        """Return its phase."""
        return phase_of(body)

    def stop(self, api: ApiServer, path: str) -> None:
        """Cancel it."""
        api.send("PATCH", path, {"metadata": {"annotations": {"action": "cancel"}}})

    def let_go(self, api: ApiServer, path: str) -> bool:
        """Skip it once it is Failed: until then it keeps its lock."""
        if phase_of(api.get(path)) != "Failed":
            return False
        api.send("PATCH", path, {"metadata": {"annotations": {"action": "skip"}}})
        return True


@dataclass(frozen=True, slots=True)
class Argo:
    """Argo Workflows' controller: a workflow of one step under a mutex; waiting is a suspended step, nothing to wait for one left out."""

    report: Report
    name: str = "Argo Workflows 4.0.5"
    path: str = WORKFLOWS

    def prepare(self, cluster: ControlPlane) -> None:
        """Build it, and make its CustomResourceDefinitions and its configuration."""
        self._program()
        folder = Path(go(MODULE, "list", "-m", "-f", "{{.Dir}}", ARGO, report=self.report).strip())
        crds = [manifests.read(path.read_text()) for path in sorted((folder / "manifests/base/crds/minimal").glob("argoproj*.yaml"))]
        cluster.kubectl.apply(crds)
        quiet = {"config": "metricsConfig: {enabled: false}"}  # it would listen on all addresses
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}, "data": quiet}
        api_server(cluster).send("POST", CONFIG_MAPS.format(NAMESPACE), config)

    def _program(self) -> Path:
        return built(MODULE, "workflow-controller", self.name, package=f"{ARGO}/cmd/workflow-controller", report=self.report)

    @contextmanager
    def controller(self, cluster: ControlPlane, folder: Path) -> Iterator[int]:
        """Run it with more workers and requests a second than it asks for by itself."""
        write_kubeconfig(cluster, NAMESPACE, folder / "argo.kubeconfig")
        words = [str(self._program()), f"--kubeconfig={folder / 'argo.kubeconfig'}", *TUNED]
        environment = {**os.environ, "LEADER_ELECTION_DISABLE": "true"}
        with (folder / "argo.log").open("a") as log, subprocess.Popen(words, stdout=log, stderr=log, env=environment) as process:  # noqa: S603
            try:
                yield process.pid
            finally:
                process.kill()

    def task(self, name: str, lock: str, seconds: int) -> Body:
        """Return a workflow."""
        pause: Body = {"name": "pause", "suspend": {"duration": str(max(1, seconds))}}
        left_out: Body = {"name": "main", "steps": [[{"name": "s", "template": "pause", "when": "false"}]]}
        templates = {"entrypoint": "pause", "templates": [pause]} if seconds else {"entrypoint": "main", "templates": [left_out, pause]}
        spec = {"synchronization": {"mutexes": [{"name": lock}]}, **templates}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}

    def phase(self, body: Body) -> str:
        """Return Waiting for a pending one that names its lock, else its phase."""
        status = body.get("status", {})
        phase: str = status.get("phase") or "Pending"
        return "Waiting" if phase == "Pending" and "lock" in status.get("message", "") else phase

    def stop(self, api: ApiServer, path: str) -> None:
        """Terminate it."""
        api.send("PATCH", path, {"spec": {"shutdown": "Terminate"}})

    def let_go(self, api: ApiServer, path: str) -> bool:  # noqa: ARG002 - as the others
        """Do nothing: it lets go of its lock by itself."""
        return True
