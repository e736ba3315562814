"""Owns the cluster that the suite was given: kubectl and helm as the person of its kubeconfig, and requests to its API server."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.apiserver import ApiServer

from devcluster.kubectl import Kubectl

COMMAND_SECONDS = 240


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the images that its nodes can run."""

    kubectl: Kubectl
    helm_program: Path
    api: ApiServer
    image: str
    step_image: str

    def helm(self, *words: str, stdin: str = "") -> str:
        """Run helm and return what it prints."""
        return self._run([self.helm_program, *words], stdin)

    def shell(self, script: str) -> str:
        """Run commands as a person types them, kubectl and helm among them; return what they print."""
        return self._run(["bash", "-euo", "pipefail"], script)

    def _run(self, words: list[str | Path], stdin: str) -> str:
        folder = self.kubectl.kubeconfig.parent
        # Caches go where the kubeconfig is, not where the person's are.
        homes = {f"HELM_{kind}_HOME": str(folder / "helm") for kind in ("CACHE", "CONFIG", "DATA")}
        own = {"KUBECONFIG": str(self.kubectl.kubeconfig), "KUBECACHEDIR": str(folder / "cache")}
        path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        answer = subprocess.run(  # noqa: S603 - the words of a test
            words, input=stdin, env=os.environ | homes | own | path, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )
        assert answer.returncode == 0, f"{' '.join(map(str, words))}: {answer.stdout[-2000:]} {answer.stderr[-2000:]}"
        return answer.stdout


@contextmanager
def given_cluster(environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Reach the cluster of KUBECONFIG as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="obtask-e2e-"))
    try:
        kubectl = Kubectl(_program(environment, "KUBECTL"), folder / "kubeconfig")
        kubectl.kubeconfig.touch(mode=0o600)
        view = subprocess.run(  # noqa: S603 - kubectl
            [kubectl.program, "config", "view", "--raw", "--minify", "--flatten"], capture_output=True, text=True, check=True
        )
        kubectl.kubeconfig.write_text(view.stdout)
        image, helm = environment["E2E_IMAGE"], _program(environment, "HELM")
        (folder / "bin").mkdir()
        for name, program in (("kubectl", kubectl.program), ("helm", helm)):
            (folder / "bin" / name).symlink_to(program)
        with _proxied(kubectl, folder / "api.sock") as api:
            yield Cluster(kubectl, helm, api, image, environment.get("E2E_STEP_IMAGE") or image)
    finally:
        shutil.rmtree(folder)


def _program(environment: Mapping[str, str], variable: str) -> Path:
    name = environment.get(variable) or variable.lower()
    found = shutil.which(name)
    assert found, f"{name} is not there: put it on the PATH, or name it in {variable}"
    return Path(found)


@contextmanager
def _proxied(kubectl: Kubectl, path: Path) -> Iterator[ApiServer]:
    """Let kubectl log in, whatever the kubeconfig asks for; only this user can open the socket."""
    words: list[str | Path] = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "proxy", f"--unix-socket={path}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603 - kubectl
        assert process.stdout is not None
        said = process.stdout.readline()
        assert "Starting to serve" in said, f"kubectl proxy: {said}"
        try:
            yield ApiServer(lambda seconds: _SocketConnection(path, seconds))
        finally:
            process.terminate()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
