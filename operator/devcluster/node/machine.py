"""Say whether this machine can run a node and build images, and what to do where it cannot."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.commands import run
from devcluster.errors import DevClusterError
from devcluster.progress import Report, reported

# Each program with the Debian package that has it.
NODE_PROGRAMS = {
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "setpriv": "util-linux",
    "socat": "socat",
}
IMAGE_PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux"}

# What the first process of a node is started with.
NAMESPACES = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation=private")

ELSEWHERE = "run the suite elsewhere: make e2e E2E=kubeconfig KUBECONFIG=... E2E_IMAGE=..."

# Root's programs are not on everybody's path.
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL_TIMEOUT = 900.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What has to be known about a machine."""

    platform: str
    root: bool
    # The file systems by where they are mounted.
    mounts: Mapping[str, str]
    # What it says to root that asks for namespaces and mounts; empty if it gives them.
    refusal: str
    find: Callable[[str], str | None]

    def program(self, name: str) -> str:
        """Return the path of a program that was found to be there before."""
        return self.find(name) or name


def this_machine() -> Machine:
    """Look at this machine."""
    mounts = Path("/proc/mounts")
    lines = [line.split() for line in mounts.read_text().splitlines()] if mounts.exists() else []
    return Machine(sys.platform, os.geteuid() == 0, {line[1]: line[2] for line in lines}, _refusal(), find_program)


def _refusal() -> str:
    """Make the namespaces of a node and leave them at once. Where there is no unshare, it has to be installed first."""
    unshare = find_program("unshare")
    if unshare is None or os.geteuid() != 0:
        return ""
    answer = run([unshare, *NAMESPACES, "true"], env=os.environ)
    return (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1] if answer.returncode else ""


def find_program(name: str) -> str | None:
    """Return the path of a program, or nothing."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}{FOLDERS}")


def check(machine: Machine, programs: Mapping[str, str], *, pods: bool = True) -> list[str]:
    """Refuse a machine that cannot do it, with one line that says what to do; return the Debian packages to install first."""
    if machine.platform != "linux":
        raise DevClusterError(f"a node needs Linux; {ELSEWHERE}")
    if not machine.root:
        raise DevClusterError(f"a node needs root (namespaces, mounts, cgroups): sudo make e2e, or {ELSEWHERE}")
    if pods and machine.mounts.get("/sys/fs/cgroup") != "tmpfs":
        found = machine.mounts.get("/sys/fs/cgroup", "nothing")
        raise DevClusterError(f"the node is written for cgroup v1 under /sys/fs/cgroup, and there is {found}; {ELSEWHERE}")
    if pods and machine.refusal:
        raise DevClusterError(f"a node needs namespaces and mounts, and root gets none here ({machine.refusal}); {ELSEWHERE}")
    packages = sorted({package for program, package in programs.items() if machine.find(program) is None})
    if packages and machine.find("apt-get") is None:
        raise DevClusterError(f"missing here: {', '.join(packages)} (the names of Debian's packages); on Debian: {command(packages)}")
    return packages


def command(packages: Sequence[str]) -> str:
    """Return what a person types to install Debian packages."""
    return f"apt-get install -y --no-install-recommends {' '.join(packages)}"


def install(packages: Sequence[str], report: Report) -> None:
    """Install Debian packages."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{FOLDERS}"}
    with reported(report, f"Debian packages {' '.join(packages)} installed"):
        for line in ("apt-get update", command(packages)):
            answer = run(["env", *line.split(), "-q"], env=env, timeout=INSTALL_TIMEOUT)
        if answer.returncode:
            raise DevClusterError(f"Debian packages cannot be installed; look at what this says: {command(packages)}")
