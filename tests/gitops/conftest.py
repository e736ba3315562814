"""Owns the fixtures of the tests with GitOps tools: their code, and an operator for the test's namespace."""

from collections.abc import Iterator

import pytest
from tests.gitops import judging
from tests.gitops.judging import Judges
from tests.support.operators import operator_settings
from tests.support.programs import build_if_asked
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from obtask.settings import Settings


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the code of Argo CD, Flux and kstatus if a chosen test needs it; it takes minutes where it has never been done."""
    build_if_asked(session, "judges", judging.build)


@pytest.fixture(scope="session")
def judges() -> Iterator[Judges]:
    """Return the code of Argo CD, Flux and kstatus."""
    with judging.judges() as running:
        yield running


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs unless the test starts one."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
def settings(control_plane: ControlPlane, namespace: str) -> Settings:
    """Return the settings of an operator for the test's namespace."""
    return operator_settings(control_plane.operator_kubeconfig, namespace)
