"""Owns the fixtures of chart tests that need tasks."""

import pytest
from tests.scenario.tasks import TaskClient

from obtask.devcluster.controlplane import ControlPlane


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs unless the test starts one."""
    return TaskClient(control_plane, namespace)
