"""Make the image of a kind node: Debian with systemd, the programs that are built here, and the images of the control plane in it."""

import platform
from collections.abc import Mapping
from pathlib import Path
from string import Template

from devcluster.commands import run
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.node import archive
from devcluster.node.images import debian
from devcluster.node.store import Store
from devcluster.progress import Report

REFERENCE = "localhost/obtask-kind-node:1"

ENTRYPOINT = ("/usr/local/bin/entrypoint", "/sbin/init")
NODE_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kubeadm", "kubectl")
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "runc",
    "containernetworking-plugins",
    "iproute2",
    "iptables",
    "nftables",
    "conntrack",
    "ethtool",
    "socat",
    "mount",
    "procps",
    "kmod",
    "hostname",
    "ca-certificates",
)
# What kube-proxy calls.
PROXY_PACKAGES = ("conntrack", "iptables", "kmod", "nftables")

STARTED = ("containerd", "node-images", "kubelet")
# What a container has no use for, or no rights to.
MASKED = (
    "systemd-resolved",
    "systemd-networkd",
    "systemd-udevd",
    "systemd-logind",
    "systemd-timesyncd",
    "systemd-udev-trigger",
    "systemd-random-seed",
    "systemd-sysctl",
    "systemd-modules-load",
    "console-getty",
    "getty.target",
    "systemd-tmpfiles-clean.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount",
)
UNITS = "etc/systemd/system"


def node_image(programs: Path, kubernetes: str, report: Report) -> Path:
    """Return the archive of the image, made if it is not there yet."""
    rootfs = checkout() / "deploy/kind/rootfs"
    files = {str(file.relative_to(rootfs)): file for file in sorted(rootfs.rglob("*")) if file.is_file()}
    contents = [part for path, file in files.items() for part in (path.encode(), file.read_bytes())]
    words = [*PACKAGES, *PROXY_PACKAGES, *MASKED, *ENTRYPOINT, kubernetes, programs.name, platform.machine()]

    def make(scratch: Path) -> Path:
        return _make(scratch, programs, kubernetes, files)

    return Store.of_user().ensure("kind", (*contents, *(word.encode() for word in words)), make, "image of a kind node", report)


def control_plane_images(listed: str) -> Mapping[str, str]:
    """Return the images that kubeadm wants, by the names of their programs."""
    return {reference.rpartition("/")[2].partition(":")[0]: reference for reference in listed.split()}


def _make(scratch: Path, programs: Path, kubernetes: str, files: Mapping[str, Path]) -> Path:
    answer = run([programs / "kubeadm", "config", "images", "list", f"--kubernetes-version={kubernetes}"], env={"HOME": str(scratch)})
    if answer.returncode:
        raise DevClusterError(f"kubeadm does not say which images it wants: {answer.stderr.strip()}")
    wanted = control_plane_images(answer.stdout)
    proxy = debian(PROXY_PACKAGES, scratch / "proxy.tar")
    (scratch / "version").write_text(kubernetes)
    (scratch / "config.toml").write_text(Template(files["etc/containerd/config.toml"].read_text()).substitute(pause=wanted["pause"]))
    (scratch / "machine-id").touch()
    placed: dict[str, Path] = {**files, **{f"usr/bin/{name}": programs / name for name in NODE_PROGRAMS}}
    placed |= {
        "kind/version": scratch / "version",
        "etc/containerd/config.toml": scratch / "config.toml",
        "etc/machine-id": scratch / "machine-id",
    }
    for name, reference in wanted.items():
        placed[f"kind/images/{name}.tar"] = _component(name, reference, programs, proxy, scratch)
    links = {f"{UNITS}/{unit if '.' in unit else unit + '.service'}": "/dev/null" for unit in MASKED}
    links |= {f"{UNITS}/multi-user.target.wants/{unit}.service": f"/{UNITS}/{unit}.service" for unit in STARTED}
    links |= {f"{UNITS}/default.target": "/lib/systemd/system/multi-user.target", "opt/cni/bin": "/usr/lib/cni"}
    layers = [debian(PACKAGES, scratch / "debian.tar"), archive.layer(scratch / "node.tar", placed, links)]
    return archive.write(scratch / "image.tar", REFERENCE, layers, platform.machine(), entrypoint=ENTRYPOINT, env=["container=podman"])


def _component(name: str, reference: str, programs: Path, proxy: Path, scratch: Path) -> Path:
    """Make the image of one component. Those that kubeadm names without a path are found on the usual one."""
    layer = archive.layer(scratch / f"{name}.layer.tar", {f"usr/local/bin/{name}": programs / name})
    layers = [proxy, layer] if name == "kube-proxy" else [layer]
    entrypoint = [f"/usr/local/bin/{name}"] if name in ("coredns", "pause") else []
    return archive.write(scratch / f"{name}.image.tar", reference, layers, platform.machine(), entrypoint=entrypoint)
