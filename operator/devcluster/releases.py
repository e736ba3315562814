"""Say where the projects publish the programs that are built here otherwise, and how each is checked. No network is used."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass

from devcluster.programs import Program
from devcluster.toolchain import Pins

# A mirror of the release sites, or OFF. On a mirror a file is below the name of its site: https://mirror/dl.k8s.io/release/...
RELEASES = "DEVCLUSTER_RELEASES"
OFF = "off"

GITHUB = "github.com"
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True, slots=True)
class Release:
    """A published file: a program, or an archive with programs."""

    # The address without its scheme, as in deploy/devcluster/releases.sha256.
    file: str
    # Where the project publishes its SHA-256, alone or in a list.
    checksum: str
    # The program's path in the archive; empty if the file is the program.
    member: str = ""


def release(program: Program, pins: Pins, system: str = "", machine: str = "") -> Release | None:
    """Return what is published of a program in the pinned version for a machine (this one if not given); None if nothing is."""
    arch = ARCHITECTURES.get((machine or platform.machine()).lower())
    # Of a control plane nothing is published for other systems.
    if (system or platform.system()) != "Linux" or arch is None:
        return None
    version = pins.version(program)
    if program.package.startswith("k8s.io/kubernetes/"):
        file = f"dl.k8s.io/release/{version}/bin/linux/{arch}/{program.name}"
        return Release(file, f"{file}.sha256")
    known = _OTHERS.get(program.name)
    if known is None or not version:
        return None
    names = {"version": version, "number": version.removeprefix("v"), "arch": arch}
    file = known.file.format_map(names)
    return Release(file, known.checksum.format_map({**names, "file": file}), known.member.format_map(names))


def address(file: str, env: Mapping[str, str]) -> str:
    """Return where a file is fetched from: its site, or the mirror of the environment."""
    mirror = env.get(RELEASES, "").rstrip("/")
    return f"{mirror}/{file}" if mirror else f"https://{file}"


def _containerd(member: str) -> Release:
    file = f"{GITHUB}/containerd/containerd/releases/download/{{version}}/containerd-static-{{number}}-linux-{{arch}}.tar.gz"
    return Release(file, "{file}.sha256sum", f"bin/{member}")


_ETCD = f"{GITHUB}/etcd-io/etcd/releases/download/{{version}}"

_OTHERS: Mapping[str, Release] = {
    "etcd": Release(f"{_ETCD}/etcd-{{version}}-linux-{{arch}}.tar.gz", f"{_ETCD}/SHA256SUMS", "etcd-{version}-linux-{arch}/etcd"),
    **{name: _containerd(name) for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    "helm": Release("get.helm.sh/helm-{version}-linux-{arch}.tar.gz", "{file}.sha256sum", "linux-{arch}/helm"),
    "coredns": Release(
        f"{GITHUB}/coredns/coredns/releases/download/{{version}}/coredns_{{number}}_linux_{{arch}}.tgz", "{file}.sha256", "coredns"
    ),
    "kind": Release(f"{GITHUB}/kubernetes-sigs/kind/releases/download/{{version}}/kind-linux-{{arch}}", "{file}.sha256sum"),
}
