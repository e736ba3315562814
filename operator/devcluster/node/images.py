"""Build the images of a node and of the operator without Docker and without a registry; what was built from the same is not built again."""

import os
import platform
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.files import checkout, write_private
from devcluster.node import archive, package_index
from devcluster.node.layout import COREDNS, PAUSE
from devcluster.node.machine import FOLDERS
from devcluster.node.store import Store
from devcluster.processes import tail
from devcluster.progress import Report

SUITE = "bookworm"
BASE = "localhost/obtask-base:1"
# What the operator needs, and what building its image needs.
BASE_PACKAGES = ("ca-certificates", "libstdc++6", "python3", "python3-venv")
UNNEEDED = ("man", "doc", "locale", "info")
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"

# Bytes of the operator's image, base and all.
LARGEST = 250_000_000

IMAGE_FILES = (
    "pyproject.toml",
    "uv.lock",
    "README.md",
    "LICENSE",
    "deploy/Dockerfile",
    "deploy/slim-image.sh",
    "deploy/web-assets.sh",
    "deploy/pins/node.txt",
    "deploy/pins/uv.txt",
    "operator/hatch_build.py",
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image: what Pods call it, and the archive it is in."""

    reference: str
    archive: Path


def of_cluster(programs: Path, report: Report) -> list[Path]:
    """Return the archives of what every node needs."""
    return [_of_program(programs / name, reference, report) for name, reference in (("pause", PAUSE), ("coredns", COREDNS))]


def _of_program(program: Path, reference: str, report: Report) -> Path:
    def make(scratch: Path) -> Path:
        layer = archive.layer(scratch / "layer.tar", {program.name: program})
        return archive.write(scratch / "image.tar", reference, [layer], platform.machine(), entrypoint=[f"/{program.name}"])

    # The folder of a program is named after all it was built from.
    parts = (program.parent.name.encode(), reference.encode())
    return Store.of_user().ensure(program.name, parts, make, f"image {program.name}", report)


def base(report: Report) -> Path:
    """Return the archive of a small Debian with Python, to build the operator's image on."""

    def make(scratch: Path) -> Path:
        return archive.write(scratch / "image.tar", BASE, [debian(BASE_PACKAGES, scratch / "layer.tar")], platform.machine())

    parts = (word.encode() for word in (*_debian(BASE_PACKAGES), platform.machine()))
    return Store.of_user().ensure("base", parts, make, "base image (Debian with Python)", report)


def operator(report: Report) -> Image:
    """Return the operator's image, built from this checkout with deploy/Dockerfile."""
    root = checkout()
    # The build has no way to npm's registry but its own; what is there already is taken.
    subprocess.run(["make", "--no-print-directory", "web-assets"], cwd=root, check=True, stdout=subprocess.DEVNULL)  # noqa: S607 - as a person would
    reference = f"obtask-operator:{tomllib.loads((root / 'pyproject.toml').read_text())['project']['version']}"
    below = base(report)

    def make(scratch: Path) -> Path:
        return _build(root, below, reference, scratch)

    parts = (below.name.encode(), reference.encode(), *sources(root))
    return Image(reference, Store.of_user().ensure("operator", parts, make, f"image {reference}", report))


def debian(packages: Sequence[str], layer: Path) -> Path:
    """Write a layer with a small Debian that has these packages, and return it."""
    _run([*_debian(packages), str(layer)], "mmdebstrap", layer.parent)
    return layer


def _debian(packages: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=essential",
        f"--hook-dir={MERGED_USR}",
        # Instead of usrmerge, which brings all of Perl.
        f"--include=usr-is-merged,{','.join(packages)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNNEEDED),
        '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*.log',
        SUITE,
    ]


def sources(root: Path) -> Iterable[bytes]:
    """Return the content of everything that can make a difference to the operator's image, with its names."""
    package = root / "operator/obtask"
    files = [file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    for file in sorted([*files, *(root / name for name in IMAGE_FILES)]):
        yield str(file.relative_to(root)).encode()
        yield file.read_bytes()


def _build(root: Path, below: Path, reference: str, scratch: Path) -> Path:
    index = package_index.of_this_machine(os.environ, Path.home())
    write_private(scratch / "pip.conf", index.pip.encode())
    write_private(scratch / "uv.toml", index.uv.encode())
    mounts = {**index.mounts, "/etc/pip.conf": scratch / "pip.conf", "/etc/uv/uv.toml": scratch / "uv.toml"}
    draft = scratch / "image.tar"
    words = [str(root / "deploy/node/build-image.sh"), str(root), str(below), BASE, reference, str(draft), str(scratch)]
    _run([*words, *(f"--volume={source}:{place}:ro" for place, source in mounts.items())], "buildah", scratch)
    size = archive.unpacked_size(draft)
    if size > LARGEST:
        raise DevClusterError(f"{reference} has {size / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}; deploy/slim-image.sh says what is cut")
    return draft


def _run(words: list[str], name: str, scratch: Path) -> None:
    """Run a program in a mount namespace of its own: whatever it mounts ends with it, even if it is killed."""
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation=private"]
    env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}{os.pathsep}{FOLDERS}", "TMPDIR": str(scratch)}
    log = Store.of_user().folder / f"{name}.log"
    with log.open("wb") as output:
        # No shell; the words come from this module.
        code = subprocess.run([*namespaces, *words], stdout=output, stderr=subprocess.STDOUT, check=False, env=env).returncode  # noqa: S603
    if code:
        raise DevClusterError(f"{name} failed with exit code {code}. The last lines of {log}:\n{tail(log)}")
