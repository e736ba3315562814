"""Owns the fixtures of chart tests that need tasks."""

import pytest
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs unless the test starts one."""
    return TaskClient(control_plane, namespace)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what waits for the policies of a release the time to do so; `pytest` hands over the tests of all suites."""
    for item in items:
        if item.path.parent.name == "chart":
            item.add_marker(pytest.mark.timeout(300))
