"""Run kubectl against one control plane; objects go in on stdin, so that no secret is ever in a command line."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.commands import run
from devcluster.errors import DevClusterError

FIELD_MANAGER = "obtask-devcluster"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the credentials of one kubeconfig."""

    program: Path
    kubeconfig: Path

    def apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Apply objects on the server side; doing it again changes nothing."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.run(["apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", "-"], manifest)

    def apply_files(self, files: Sequence[Path]) -> None:
        """Apply manifest files on the server side."""
        names = [f"--filename={file}" for file in files]
        self.run(["apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", *names])

    def run(self, words: Sequence[str], stdin: str = "", timeout: float = 60.0) -> str:
        """Run one command and return its output; a failure is an error with what kubectl said."""
        # Its discovery cache would otherwise be written below the home directory, once for each port ever used.
        command: list[str | Path] = [
            self.program,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}",
            *words,
        ]
        try:
            answer = run(command, stdin=stdin, timeout=timeout, env=_environment())
        except subprocess.TimeoutExpired as error:
            raise DevClusterError(f"`kubectl {' '.join(words)}` did not end within {timeout:.0f} s") from error
        if answer.returncode:
            raise DevClusterError(f"`kubectl {' '.join(words)}` failed: {answer.stderr.strip()}")
        return answer.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
