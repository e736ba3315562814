"""Start a node, put images into it, and remove it without a trace."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from obtask.devcluster import processes
from obtask.devcluster.errors import DevClusterError
from obtask.devcluster.files import checkout
from obtask.devcluster.kubectl import Kubectl
from obtask.devcluster.leash import leash
from obtask.devcluster.node import cgroups, configuration
from obtask.devcluster.node.layout import ADDRESS, SERVICES, Node
from obtask.devcluster.node.machine import find_program
from obtask.devcluster.ports import LOOPBACK, free_port
from obtask.devcluster.probe import Probe
from obtask.devcluster.processes import Command, Process
from obtask.devcluster.progress import Report, reported, silent

START_TIMEOUT = 120.0

GUARD = "obtask.devcluster.node.guard"


@contextmanager
def running(node: Node, images: Sequence[Path], report: Report = silent) -> Iterator[None]:
    """Run a node as long as the block lasts, or as long as this process lives."""
    with leash(node.run, GUARD):
        try:
            up(node, images, report)
            yield
        finally:
            with reported(report, "node stopped"):
                down(node)


def up(node: Node, images: Sequence[Path], report: Report = silent) -> None:
    """Start a node with these images, the cluster's own first, and return when Pods can run; one that is there already is started anew."""
    down(node)
    node.state.mkdir(parents=True, mode=0o700)
    node.logs.mkdir(parents=True, exist_ok=True)
    node.bin.mkdir()
    for name in ("kubectl", "helm"):
        (node.bin / name).symlink_to(node.programs / name)
    sources = checkout() / "deploy/node"
    configuration.write(node, sources, _program("runc"))
    with reported(report, "API server"):
        process = processes.start(Command("node", _first_process(node, sources / "init.sh"), node.run, node.log))
        port = free_port()
        configuration.publish(node, port)
        door = (_program("socat"), f"TCP-LISTEN:{port},bind={LOOPBACK},reuseaddr,fork", f"UNIX-CONNECT:{node.socket}")
        processes.start(Command("node-door", door, node.run, node.logs / "node-door.log"))
        probe = Probe(port, node.pki, "ca", "kubeconfig")
        processes.wait_until(lambda: probe.answers("/readyz"), process, START_TIMEOUT)
        node.api_ready.touch()
    with reported(report, f"{len(images)} images"):
        processes.wait_until(lambda: _containerd(node, process, ["version"]).returncode == 0, process, START_TIMEOUT)
        for image in images:
            _import(node, process, image)
    with reported(report, "node, cluster DNS"):
        cluster = kubectl(node)
        cluster.apply_files([node.state / "coredns.yaml"])
        for words in (
            ["wait", "--for=create", f"node/{node.name}", "serviceaccount/default"],
            ["wait", "--for=condition=Ready", f"node/{node.name}"],
            ["rollout", "status", "deployment/coredns", "--namespace=kube-system"],
        ):
            cluster.run([*words, f"--timeout={START_TIMEOUT:.0f}s"], timeout=START_TIMEOUT + 10)


def down(node: Node) -> None:
    """End the node and remove everything but its logs; it may be called in any state, again and again."""
    # Nothing in it has data to save: the kernel ends all at once.
    processes.stop(processes.recorded(node.run), grace=0)
    cgroups.remove(node.name)
    shutil.rmtree(node.state, ignore_errors=True)


def is_up(node: Node) -> bool:
    """Tell whether the node runs."""
    return any(process.name == "node" and processes.is_alive(process) for process in processes.recorded(node.run))


def load(node: Node, image: Path) -> None:
    """Put an image archive into a running node."""
    found = [process for process in processes.recorded(node.run) if process.name == "node" and processes.is_alive(process)]
    if not found:
        raise DevClusterError("no node runs here; `make node-up` starts one")
    _import(node, found[0], image)


def kubectl(node: Node) -> Kubectl:
    """Return kubectl with the admin's rights."""
    return Kubectl(node.programs / "kubectl", node.kubeconfig)


def _program(name: str) -> str:
    return find_program(name) or name


def _first_process(node: Node, init: Path) -> tuple[str, ...]:
    namespaces = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation=private")
    return (_program("unshare"), *namespaces, str(init), node.name, str(node.state), str(node.logs), ADDRESS, SERVICES)


def _import(node: Node, process: Process, image: Path) -> None:
    with image.open("rb") as archive:
        answer = _containerd(node, process, ["--namespace=k8s.io", "images", "import", "-"], archive.fileno())
    if answer.returncode:
        raise DevClusterError(f"containerd does not take the image {image}: {answer.stderr.decode(errors='replace').strip()}")


def _containerd(node: Node, process: Process, words: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
    """Run ctr inside the namespaces of the node."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if not children:
        return subprocess.CompletedProcess([], 1, b"", b"the node has ended")
    enter = [_program("nsenter"), f"--target={children[0]}", "--mount", "--net", "--uts", "--ipc", "--pid"]
    return subprocess.run(  # noqa: S603 - all words are ours
        [*enter, node.programs / "ctr", *words], stdin=stdin, capture_output=True, check=False, env=os.environ, timeout=START_TIMEOUT
    )
