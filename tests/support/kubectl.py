"""Owns how tests speak of kubectl: what the fixture of that name is, and what it raises."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from tests.support.patience import once_known

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError

# The API server's policies that change objects learn of a new kind some seconds after its definition, and refuse it until then.
LEARNING_SECONDS: Final = 60


class KubectlError(Exception):
    """A kubectl command failed; the text is what it said on stderr."""


class Kubectl(Protocol):
    """Runs kubectl as the admin of the control plane."""

    def __call__(self, *words: str, manifest: Mapping[str, Any] | None = None) -> str:
        """Run one command and return what it prints; raises KubectlError. `-f -` reads the manifest."""


def write_kubeconfig(cluster: ControlPlane, namespace: str, path: Path) -> None:
    """Write a kubeconfig of a control plane's admin whose contexts are in a namespace."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    path.write_text(yaml.safe_dump(config))


def kubectl_of(cluster: ControlPlane) -> Kubectl:
    """Return kubectl with the rights of a control plane's admin."""

    def run(*words: str, manifest: Mapping[str, Any] | None = None) -> str:
        text = json.dumps(manifest) if manifest else ""
        try:
            return once_known(lambda: cluster.kubectl.run(words, text), DevClusterError, LEARNING_SECONDS)
        except DevClusterError as error:
            raise KubectlError(str(error)) from error

    return run
