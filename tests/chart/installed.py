"""Owns installing the chart on a real API server, with Helm itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from helm_python import Config
from tests.chart.rendering import CHART, Body, Values

from obtask.devcluster.controlplane import ControlPlane

WAIT_SECONDS = 30


def small(namespace: str, **values: Any) -> Body:
    """Return the values of a release that cares for its own namespace alone: tests that run beside it do not notice."""
    own = {"fullnameOverride": namespace, "replicas": 0, "crds": {"install": False}, "watch": {"namespaces": [namespace]}}
    return own | values


@contextmanager
def helm(cluster: ControlPlane, namespace: str) -> Iterator[Config]:
    """Return Helm with the admin's rights."""
    with Config(kubeconfig_path=str(cluster.kubeconfig), namespace=namespace) as config:
        yield config


@contextmanager
def release(cluster: ControlPlane, namespace: str, values: Values) -> Iterator[str]:
    """Have the chart installed as long as the block lasts; return the manifest of the release."""
    with helm(cluster, namespace) as config:
        manifest: str = config.install(str(CHART), namespace, dict(values), namespace=namespace)["manifest"]
        try:
            yield manifest
        finally:
            config.uninstall(namespace)


def eventually(holds: Callable[[], object], what: str) -> None:
    """Ask until it holds: API servers take up new policies and roles when they have seen them."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come in {WAIT_SECONDS} s"
