"""The command line of kind: python -m devcluster.kind COMMAND...: runs a command with a kind cluster, and removes the cluster."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from devcluster.__main__ import tell
from devcluster.build import build
from devcluster.errors import DevClusterError
from devcluster.files import checkout, locked
from devcluster.kind.image import node_image
from devcluster.node import cgroups, images
from devcluster.node.machine import FOLDERS, IMAGE_PROGRAMS, NAMESPACES, NODE_PROGRAMS, check, find_program, install, this_machine
from devcluster.programs import KIND
from devcluster.toolchain import Pins

PODMAN_PROGRAMS = {
    "podman": "podman",
    "conmon": "conmon",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "catatonit": "catatonit",
}

# podman's parent of all containers.
CGROUP = "libpod_parent"


def run(command: list[str]) -> int:
    """Run the command with KUBECONFIG, E2E_IMAGE, KUBECTL and HELM set, and return its exit code."""
    if packages := check(this_machine(), NODE_PROGRAMS | IMAGE_PROGRAMS | PODMAN_PROGRAMS):
        install(packages, tell)
    module = checkout() / "deploy/devcluster"
    programs = build(module, tell, programs=KIND)
    image = images.operator(tell)
    node = node_image(programs, Pins.parse((module / "go.mod").read_text()).kubernetes, tell)
    state, logs = checkout() / ".dev/kind", checkout() / ".dev/log/kind"
    with locked(state.with_suffix(".lock"), "another command uses kind in this checkout; waiting for it"):
        for folder in (state, logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        try:
            words = [state, logs, node, image.archive, *command]
            return _with_cluster(programs, list(map(str, words)), image.reference)
        finally:
            shutil.rmtree(state, ignore_errors=True)
            # Another podman may be at work in it.
            with suppress(DevClusterError):
                cgroups.remove(CGROUP, timeout=2.0)


def _with_cluster(programs: Path, words: list[str], image: str) -> int:
    # Every process of the cluster ends with this one, however that ends.
    tied = [find_program("setpriv") or "setpriv", "--pdeathsig=KILL", "--"]
    tools = {"KUBECTL": str(programs / "kubectl"), "HELM": str(programs / "helm"), "E2E_IMAGE": image}
    env = {**os.environ, **tools, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}{os.pathsep}{FOLDERS}"}
    command = [*tied, "unshare", *NAMESPACES, str(checkout() / "deploy/kind/run.sh"), *words]
    return subprocess.run(command, check=False, env=env).returncode  # noqa: S603 - what the person typed, in namespaces


def main() -> None:
    """Run the command line; an expected failure is one text without a traceback."""
    if len(sys.argv) < 2:  # noqa: PLR2004 - the program and a command
        sys.exit("usage: python -m devcluster.kind COMMAND...")
    try:
        sys.exit(run(sys.argv[1:]))
    except DevClusterError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
