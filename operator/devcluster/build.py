"""Download the programs pinned in deploy/devcluster/go.mod, or in a version of their own, or build them, once per user and pin."""

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.commands import run
from devcluster.download import fetch
from devcluster.errors import DevClusterError
from devcluster.files import locked
from devcluster.processes import tail
from devcluster.programs import CONTROL_PLANE, KIND, Program
from devcluster.progress import Meter, Report, reported
from devcluster.toolchain import Pins, find_go, go_environment

GIB = 1 << 30

SCRATCH = ".build-"

# Measured with Kubernetes 1.36: modules 0.9, compiled packages 3 to 5, programs 0.3 GiB.
DISK_FOR_MODULES = 2 * GIB
DISK_FOR_ALL_PACKAGES = 6 * GIB
# Measured with CoreDNS 1.15, the largest of the programs with a module of their own.
DISK_FOR_OTHER_MODULES = 3 * GIB

NETWORK_TROUBLE = re.compile(r"dial tcp|i/o timeout|connection refused|proxyconnect|TLS handshake|x509:|unexpected EOF|: [45]\d\d [A-Z]")


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user where built programs are kept."""
    # By the specification of the variable, a relative path is to be ignored.
    base = Path(env.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "obtask/devcluster"


def build_flags(kubernetes: str) -> list[str]:
    """Return the flags of `go build`; without the version, the programs say that they are v0.0.0."""
    major, minor = kubernetes.removeprefix("v").split(".")[:2]
    stamp = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    linker = ["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamp.items())]
    return ["-trimpath", "-ldflags", " ".join(linker)]


def cache_key(module: Path, flags: Sequence[str]) -> str:
    """Return the name of the folder for what these pins, sources and flags make on this kind of machine."""
    digest = hashlib.sha256()
    files = [module / "go.mod", module / "go.sum", *sorted(module.rglob("*.go"))]
    for part in (*(file.read_bytes() for file in files), *(flag.encode() for flag in flags)):
        digest.update(len(part).to_bytes(8) + part)
    digest.update(f"{platform.system()} {platform.machine()}".encode())
    return digest.hexdigest()[:16]


def build(module: Path, report: Report, env: Mapping[str, str] = os.environ, programs: Sequence[Program] = CONTROL_PLANE) -> Path:
    """Return the folder with these programs, after downloading or building those that are not there yet."""
    pins = Pins.parse((module / "go.mod").read_text())
    flags = build_flags(pins.kubernetes)
    cache = cache_root(env)
    # One folder for all: a new version of any program is a new folder, and Go's own cache makes the others in it cheap.
    folder = cache / cache_key(module, [*flags, *(program.source for program in KIND if program.version)])
    if all((folder / program.name).exists() for program in programs):
        return folder
    # A second process waits here, and then finds everything built.
    with locked(cache / f"{folder.name}.lock", "another process builds these programs; waiting for it"):
        folder.mkdir(parents=True, exist_ok=True)
        for abandoned in folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        missing = fetch([program for program in programs if not (folder / program.name).exists()], pins, folder, report, env)
        if missing:
            builder = _Builder(find_go(pins.go, cache, report, env), module, folder, flags, env)
            for program in missing:
                with reported(report, " ".join(filter(None, (program.name, pins.version(program), "built")))):
                    builder.build(program)
    return folder


@dataclass(frozen=True, slots=True)
class _Builder:
    go: Path
    module: Path
    folder: Path
    flags: list[str]
    env: Mapping[str, str]

    def build(self, program: Program) -> None:
        """Build one program; it appears in the folder when it is complete."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=SCRATCH) as scratch:
            meter = Meter(f"building {program.name}")
            output = Path(scratch) / program.name
            if program.version:
                self._require_disk(DISK_FOR_OTHER_MODULES)
                self._go(program.name, meter, ["install", "-v", *_stamped(program), program.source], scratch)
            else:
                stale = self._stale_packages(program, meter, scratch)
                self._go(program.name, meter, ["build", "-v", *self.flags, "-o", str(output), program.source], scratch, stale)
            output.rename(self.folder / program.name)

    def _stale_packages(self, program: Program, meter: Meter, scratch: str) -> int:
        """Return how many packages are to be compiled, and refuse if there is no room for them."""
        self._require_disk(DISK_FOR_MODULES)
        listed = self._go(program.name, meter, ["list", "-deps", *self.flags, "-f", "{{.Stale}}", program.source], scratch)
        stale, total = listed.count("true"), listed.count("\n")
        self._require_disk(GIB + DISK_FOR_ALL_PACKAGES * stale // max(total, 1))
        return stale

    def _go(self, name: str, meter: Meter, words: list[str], scratch: str, packages: int = 0) -> str:
        log = self.folder / f"{name}.{words[0]}.log"
        with log.open("wb") as errors, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603 - the words are those of this module
                [self.go, *words], cwd=self.module, env=self._environment(scratch), stdout=output, stderr=errors, start_new_session=True
            )
            try:
                while process.poll() is None:
                    meter.show(progress_in(log.read_text(errors="replace"), packages))
                    _wait(process, 0.3)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait()
                meter.clear()
            if process.returncode:
                raise DevClusterError(explanation(name, log, process.returncode))
            output.seek(0)
            return output.read().decode()

    def _environment(self, scratch: str) -> dict[str, str]:
        return go_environment(self.env) | {
            # Where the free disk was checked; /tmp is often a small RAM disk.
            "GOTMPDIR": scratch,
            # Where `go install` puts programs.
            "GOBIN": scratch,
        }

    def _require_disk(self, needed: int) -> None:
        caches = run([self.go, "env", "GOCACHE", "GOMODCACHE"], cwd=self.module, env=self._environment(""))
        for place in (self.folder, *map(Path, caches.stdout.splitlines())):
            require_disk(place, needed)


def require_disk(place: Path, needed: int) -> None:
    """Refuse to begin what would fill the disk."""
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DevClusterError(
            f"building Kubernetes needs about {needed / GIB:.0f} GiB in {place}, and {free / GIB:.1f} GiB are free; "
            "free some, or set GOCACHE, GOMODCACHE and XDG_CACHE_HOME to a larger disk"
        )


def progress_in(log: str, packages: int) -> str:
    """Say in a few words how far Go has come, from what it has printed so far."""
    lines = log.splitlines()
    downloads = sum(line.startswith("go: downloading ") for line in lines)
    compiled = len(lines) - sum(line.startswith("go: ") for line in lines)
    if not packages and not compiled:
        return f"{downloads} modules downloaded" if downloads else "looking at the modules"
    if not packages:
        return f"{compiled} packages compiled"
    # The last package is the program itself, which Go names only when it has linked it.
    return "linking" if compiled >= packages - 1 else f"{compiled}/{packages} packages compiled"


def explanation(name: str, log: Path, code: int) -> str:
    """Return the text of the error for a build that failed."""
    text = log.read_text(errors="replace")
    if code == -signal.SIGKILL or "signal: killed" in text:
        hint = "it was killed, probably for want of memory: give this machine 4 GiB or more"
    elif "no space left on device" in text:
        hint = "the disk is full: free about 8 GiB, or set GOCACHE, GOMODCACHE and XDG_CACHE_HOME to a larger disk"
    elif NETWORK_TROUBLE.search(text):
        hint = "Go modules cannot be downloaded: check the network, or set GOPROXY to a mirror that can be reached"
    else:
        hint = f"`go` ended with exit code {code}"
    return f"building {name} failed; {hint}. The last lines of {log}:\n{tail(log)}"


def _stamped(program: Program) -> list[str]:
    stamp = f" -X {program.stamp}={program.version}" if program.stamp else ""
    return ["-trimpath", "-ldflags", f"-s -w{stamp}"]


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
