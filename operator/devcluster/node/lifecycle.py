"""Start a node, put images into it, and remove it without a trace."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from devcluster import processes
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.kubectl import Kubectl
from devcluster.leash import leash
from devcluster.node import cgroups, configuration
from devcluster.node.folder import make_folder, refuse_foreign, remove_folder
from devcluster.node.layout import ADDRESS, SERVICES, Node
from devcluster.node.machine import NAMESPACES, find_program
from devcluster.ports import LOOPBACK, free_port
from devcluster.probe import Probe
from devcluster.processes import CommandLine, Process
from devcluster.progress import Report, reported, silent

START_TIMEOUT = 120.0

GUARD = "devcluster.node.guard"


@contextmanager
def running(node: Node, lock: int, images: Sequence[Path], report: Report = silent) -> Iterator[None]:
    """Run a node as long as the block lasts, or as long as this process lives.

    If this process is killed, nobody else gets the lock before the node is removed.
    """
    with leash(node.run, GUARD, [lock]):
        try:
            up(node, images, report)
            yield
        finally:
            with reported(report, "node stopped"):
                down(node)


def up(node: Node, images: Sequence[Path], report: Report = silent) -> None:
    """Start a node with these images, the cluster's own first, and return when Pods can run; one that is there already is started anew."""
    down(node)
    make_folder(node.state)
    node.logs.mkdir(parents=True, exist_ok=True)
    node.bin.mkdir()
    for name in ("kubectl", "helm"):
        (node.bin / name).symlink_to(node.programs / name)
    sources = checkout() / "deploy/node"
    configuration.write(node, sources, _program("runc"))
    process = processes.start(CommandLine("node", _first_process(node, sources / "init.sh"), node.run, node.log))
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(_import_all, node, process, images)
        with reported(report, "API server"):
            _open_door(node, process)
        with reported(report, f"{len(images)} images"):
            importing.result()
    with reported(report, "node, cluster DNS"):
        cluster = kubectl(node)
        cluster.apply_files([node.state / "coredns.yaml"])
        for words in (
            ["wait", "--for=create", f"node/{node.name}", "serviceaccount/default"],
            ["wait", "--for=condition=Ready", f"node/{node.name}"],
            ["rollout", "status", "deployment/coredns", "--namespace=kube-system"],
        ):
            try:
                cluster.run([*words, f"--timeout={START_TIMEOUT:.0f}s"], timeout=START_TIMEOUT + 10)
            except DevClusterError as error:
                raise DevClusterError(f"{error}; look at the logs of its components in {node.logs}") from error
    node.complete.touch()


def _open_door(node: Node, process: Process) -> None:
    """Make the API server reachable on a port of this machine, and wait until it answers."""
    port = free_port()
    configuration.publish(node, port)
    door = (_program("socat"), f"TCP-LISTEN:{port},bind={LOOPBACK},reuseaddr,fork", f"UNIX-CONNECT:{node.socket}")
    processes.start(CommandLine("node-door", door, node.run, node.logs / "node-door.log"))
    probe = Probe(port, node.pki, "ca", "kubeconfig")
    processes.wait_until(lambda: probe.answers("/readyz"), process, START_TIMEOUT)
    node.api_ready.touch()


def down(node: Node) -> None:
    """End the node and remove everything but its logs; it may be called in any state, again and again."""
    refuse_foreign(node.state)
    node.complete.unlink(missing_ok=True)
    # Nothing in it has data to save: the kernel ends all at once.
    processes.stop(processes.recorded(node.run), grace=0)
    cgroups.remove(node.name)
    remove_folder(node.state)


def is_up(node: Node) -> bool:
    """Tell whether the node runs; one whose start was ended halfway does not."""
    return node.complete.exists() and any(
        process.name == "node" and processes.is_alive(process) for process in processes.recorded(node.run)
    )


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
    return (_program("unshare"), *NAMESPACES, str(init), node.name, str(node.state), str(node.logs), ADDRESS, SERVICES)


def _import_all(node: Node, process: Process, images: Sequence[Path]) -> None:
    processes.wait_until(lambda: _containerd(node, process, ["version"]).returncode == 0, process, START_TIMEOUT)
    for image in images:
        _import(node, process, image)


def _import(node: Node, process: Process, image: Path) -> None:
    with image.open("rb") as archive:
        answer = _containerd(node, process, ["--namespace=k8s.io", "images", "import", "-"], archive.fileno())
    if answer.returncode:
        raise DevClusterError(f"containerd does not take the image {image}: {answer.stderr.decode(errors='replace').strip()}")


def _containerd(node: Node, process: Process, words: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
    """Run ctr inside the namespaces of the node."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except FileNotFoundError:
        children = []
    if not children:
        return subprocess.CompletedProcess([], 1, b"", b"the node has ended")
    enter = [_program("nsenter"), f"--target={children[0]}", "--mount", "--net", "--uts", "--ipc", "--pid"]
    return subprocess.run(  # noqa: S603 - all words are ours
        [*enter, node.programs / "ctr", *words], stdin=stdin, capture_output=True, check=False, env=os.environ, timeout=START_TIMEOUT
    )
