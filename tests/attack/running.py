"""Owns the attacked operator: `obtask run` as a process, with the token of the chart's service account and the chart's settings."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.attack.session import Session

from devcluster.files import write_private
from devcluster.ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 40.0
PROBE_SECONDS = 5.0
LOOPBACK = "127.0.0.1"
ISOLATED = ("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')


class MuteResolver:
    """A UDP socket where a resolver is expected; it takes every question and answers none. No test needs a name."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        # Another run beside this one has another.
        self.address = f"127.99.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"

    def start(self) -> bool:
        """Listen; return whether this machine lets us."""
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            found.bind((self.address, 53))
        except OSError:
            found.close()
            return False
        self._socket = found
        return subprocess.run([*ISOLATED[:4], "true"], capture_output=True, check=False).returncode == 0  # noqa: S603 - ours

    def stop(self) -> None:
        """Stop listening."""
        if self._socket:
            self._socket.close()


@dataclass
class RunningOperator:
    """The operator of the chart, outside a Pod."""

    folder: Path
    kubeconfig: Path
    settings: dict[str, str]
    resolver: str
    log: Path
    process: subprocess.Popen[str] | None = None
    health: int = 0
    metrics: int = 0
    starts: int = field(default=0)

    def start(self, **more: str) -> bool:
        """Start it; return whether it says that it is ready."""
        self.health, self.metrics = free_port(), free_port()
        addresses = {"OBTASK_HEALTH_ADDRESS": f"{LOOPBACK}:{self.health}", "OBTASK_METRICS_ADDRESS": f"{LOOPBACK}:{self.metrics}"}
        words = [sys.executable, "-m", "obtask", "run", "--kubeconfig", str(self.kubeconfig)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OBTASK_")}
        self.starts += 1
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - ours
                [*self._isolation(), *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment | self.settings | addresses | more,
            )
        return self._line(self.process.stdout).strip() == "obtask: ready"

    def _isolation(self) -> list[str]:
        if not self.resolver:
            return []
        file = self.folder / "resolv.conf"
        file.write_text(f"nameserver {self.resolver}\n")
        return [*ISOLATED, str(file)]

    def _line(self, pipe: IO[str] | None) -> str:
        # An operator that cannot start ends, and with it the line.
        return pipe.readline() if pipe else ""

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End it as Kubernetes does: ask, then kill."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def kill(self) -> None:
        """End it like a power cut."""
        if self.process is not None:
            self.process.kill()
        self.stop()

    def restart(self, **more: str) -> bool:
        """End it, and start it with other settings; return whether it is ready."""
        self.stop()
        return self.start(**more)

    def memory_mib(self) -> float:
        """Return the resident memory of it and its children."""
        if self.process is None:
            return 0.0
        pids, total = [self.process.pid], 0.0
        while pids:
            pid = pids.pop()
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
                pids += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            except (OSError, IndexError):
                continue
        return total

    def own_mib(self) -> float:
        """Return the resident memory of its own process, without those it started."""
        if self.process is None:
            return 0.0
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir())) if self.process else 0

    def probe(self, path: str = "/healthz") -> float:
        """Return the seconds until it answers a probe; the patience of a kubelet if it does not, or says that it is not well."""
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.health}{path}", timeout=PROBE_SECONDS):
                return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            return max(PROBE_SECONDS, time.monotonic() - began)

    def logged(self, since: int = 0) -> str:
        """Return what it has logged since that position."""
        with self.log.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def position(self) -> int:
        """Return how much it has logged."""
        return self.log.stat().st_size if self.log.exists() else 0


def settings_of(deployment: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables that the chart gives its container; the namespace is the release's."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found = {}
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        found[variable["name"]] = deployment["metadata"]["namespace"] if reference == "metadata.namespace" else variable.get("value", "")
    return found | {"OBTASK_LOG_FORMAT": "text"}


def write_kubeconfig(file: Path, admin: Session, namespace: str, account: str) -> str:
    """Write a kubeconfig with a token of a service account; return the token."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    token = str(admin.send("POST", path, request).body()["status"]["token"])
    authority = admin.cluster.kubeconfig.parent / "pki/ca.crt"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": admin.cluster.url, "certificate-authority": str(authority)}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }
    write_private(file, json.dumps(content).encode())
    return token
