"""Start and stop a real Kubernetes API in a state folder. Knows nothing about the operator that will use it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster import components, credentials, processes
from devcluster.binaries import Binaries, find_or_build
from devcluster.components import Layout, Ports
from devcluster.kubectl import Kubectl
from devcluster.leash import leash
from devcluster.ports import LOOPBACK, free_port, is_free, wanted_port
from devcluster.probe import Probe
from devcluster.processes import CommandLine, Process
from devcluster.progress import Report, reported, silent
from devcluster.resources import apply_resources

START_TIMEOUT = 60.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that runs."""

    url: str
    kubeconfig: Path
    operator_kubeconfig: Path
    audit_log: Path | None
    kubectl: Kubectl
    processes: tuple[Process, ...]


@contextmanager
def control_plane(state: Path, *, audit: bool = False) -> Iterator[ControlPlane]:
    """Run a control plane as long as the block lasts, or as long as this process lives; its data stay in the folder."""
    binaries = find_or_build()
    with leash(Layout(state.resolve()).run):
        try:
            yield ensure(binaries, state, state / "log", audit=audit)
        finally:
            stop(state)


def ensure(
    binaries: Binaries, state: Path, logs: Path, *, audit: bool = False, api_port: int | None = None, report: Report = silent
) -> ControlPlane:
    """Start what does not run yet of the control plane in this state folder, and return it when it is ready to be used."""
    layout = Layout(state.resolve())
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials.ensure_pki(layout.pki)
    layout.audit_policy.write_text(components.AUDIT_POLICY)
    starter = _Starter(binaries, layout, logs.resolve(), audit, report)
    for _ in range(ATTEMPTS - 1):
        try:
            return starter.start(_choose_ports(layout, api_port))
        except processes.AddressInUseError:
            # Somebody took a port between our choice and the server's start: choose again.
            stop(state)
            layout.ports.unlink()
    return starter.start(_choose_ports(layout, api_port))


def stop(state: Path) -> None:
    """End every process of this state folder."""
    known = {process.name: process for process in processes.recorded(Layout(state.resolve()).run)}
    # One after the other: an API server that still has its clients, or lost its database, takes much longer to end.
    for name in reversed(components.NAMES):
        processes.stop([known[name]] if name in known else [])


def _choose_ports(layout: Layout, api_port: int | None) -> Ports:
    """Return the ports of the last start if they still serve, or can be used again; otherwise new ones."""
    running = [process for process in processes.recorded(layout.run) if processes.is_alive(process)]
    known = _known_ports(layout)
    usable = known is not None and (running or all(is_free(port) for port in (known.etcd, known.peer, known.api)))
    if known and usable and api_port in (None, known.api):
        return known
    processes.stop(running)
    api = free_port() if api_port is None else wanted_port(api_port)
    etcd = free_port({api})
    ports = Ports(etcd, free_port({api, etcd}), api)
    layout.ports.write_text(json.dumps(asdict(ports)))
    return ports


def _known_ports(layout: Layout) -> Ports | None:
    try:
        return Ports(**json.loads(layout.ports.read_text()))
    except (OSError, ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Starter:
    """Starts the components one after the other; each is ready before the next one needs it."""

    binaries: Binaries
    layout: Layout
    logs: Path
    audit: bool
    report: Report

    def start(self, ports: Ports) -> ControlPlane:
        layout, binaries, state = self.layout, self.binaries, self.layout.state
        url = f"https://{LOOPBACK}:{ports.api}"
        credentials.write_kubeconfigs(state, layout.pki, url)
        kubectl = Kubectl(binaries.kubectl, state / "kubeconfig")
        database, api = Probe(ports.etcd, layout.pki, "etcd-ca", "etcd"), Probe(ports.api, layout.pki, "ca", "kubeconfig")
        running = [
            self._component(components.ETCD, components.etcd(binaries, layout, ports), database, "/readyz"),
            self._component(components.APISERVER, components.apiserver(binaries, layout, ports, audit=self.audit), api, "/readyz"),
        ]
        # Before the controllers start: they look for new kinds only every 30 s, and until then would not
        # collect what a deleted OBTask owned.
        with reported(self.report, "CRDs and RBAC"):
            served = apply_resources(kubectl)
            processes.wait_until(lambda: all(api.answers(path) for path in served), running[-1], START_TIMEOUT)
        if binaries.kube_controller_manager:
            words = components.controller_manager(binaries.kube_controller_manager, layout)
            # What it makes first in a new cluster.
            made = "/api/v1/namespaces/default/serviceaccounts/default"
            running.append(self._component(components.CONTROLLER_MANAGER, words, api, made))
        else:
            self.report("no kube-controller-manager in the assets: nothing is garbage-collected, and Jobs make no pods", None)
        return ControlPlane(
            url=url,
            kubeconfig=state / "kubeconfig",
            operator_kubeconfig=state / "operator.kubeconfig",
            audit_log=layout.audit_log if self.audit else None,
            kubectl=kubectl,
            processes=tuple(running),
        )

    def _component(self, name: str, argv: list[str | Path], probe: Probe, path: str) -> Process:
        began = time.monotonic()
        command = CommandLine(name, tuple(map(str, argv)), self.layout.run, self.logs / f"{name}.log")
        known = processes.running(command)
        process = known or processes.start(command)
        processes.wait_until(lambda: probe.answers(path), process, START_TIMEOUT)
        self.report(f"{name} already runs" if known else name, None if known else time.monotonic() - began)
        return process
