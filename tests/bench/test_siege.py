"""All hostile targets at once cost the operator a bounded amount of memory, and a neighbour next to nothing."""

from pathlib import Path

import pytest
from tests.bench.operators import measured_operator
from tests.bench.siege import LARGEST_MIB, LONGEST_SECONDS, besiege
from tests.support.kubectl import Kubectl
from tests.support.neighbour import move_in

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

SECONDS = 60


@pytest.mark.timeout(300)
def test_a_minute_of_siege(control_plane: ControlPlane, kubectl: Kubectl, namespace: str, seekdb: SqlServer, tmp_path: Path) -> None:
    """Every target is met, memory stays below its limit and the neighbour works on; `make siege` does it for ten minutes."""
    attacker = f"{namespace}-attacker"
    kubectl("create", "namespace", attacker)
    neighbour = move_in(control_plane, namespace, seekdb)
    with measured_operator(control_plane.operator_kubeconfig, tmp_path / "operator.log", namespace=f"{namespace},{attacker}") as operator:
        found = besiege(control_plane, neighbour, attacker, operator, SECONDS)

    assert not found.unmet, found
    assert not found.failures, found
    assert max(found.memory_mib) < LARGEST_MIB, found
    assert found.delay < LONGEST_SECONDS * found.busy, found
