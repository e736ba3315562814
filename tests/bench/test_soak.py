"""The operator's memory does not grow with the tasks that have come and gone."""

from pathlib import Path

import pytest
from tests.bench.operators import measured_operator
from tests.bench.soak import ALLOWED_MIB, growth, soak

from devcluster.controlplane import ControlPlane

SECONDS = 120


@pytest.mark.timeout(600)
def test_memory_does_not_grow(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Two minutes of tasks that run, wait for each other, finish and are deleted; `python -m tests.bench.soak` does it for an hour."""
    with measured_operator(control_plane.operator_kubeconfig, tmp_path / "operator.log", namespace=namespace) as operator:
        samples = list(soak(control_plane, namespace, operator, SECONDS))

    assert len(samples) >= 3
    assert growth(samples) < ALLOWED_MIB, samples
