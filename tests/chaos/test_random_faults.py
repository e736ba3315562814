"""Random tasks under random faults keep every promise. `make chaos` does the same for longer. API.md sections 4 and 5."""

import pytest
from tests.chaos.rounds import Round

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", ["4.2", "ci.1"])
def test_a_round_of_faults_breaks_no_promise(control_plane: ControlPlane, seekdb: SqlServer, seed: str) -> None:
    """Whatever is refused, lost, repeated or killed: locks stay single, attempts run once, every task ends as it should."""
    outcome = Round(control_plane, seekdb, seed).play()

    assert not outcome.problems, "\n".join((*outcome.problems, *outcome.traces))
    assert outcome.injected
