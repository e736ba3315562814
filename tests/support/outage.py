"""Owns an API server that is gone for a while, and comes back with all that it knew."""

from collections.abc import Iterator
from contextlib import contextmanager

from devcluster import components, processes
from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane, ensure


@contextmanager
def without_api_server(cluster: ControlPlane, binaries: Binaries) -> Iterator[None]:
    """End the API server of a control plane, and start it again, until it is ready, when the block is over."""
    processes.stop(process for process in cluster.processes if process.name == components.APISERVER)
    try:
        yield
    finally:
        state = cluster.kubeconfig.parent
        ensure(binaries, state, state / "log")
