"""Owns the fixtures of chaos tests: a gateway, witnesses, and the ends of what was started."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
def gateway(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Gateway]:
    """Return a gateway to the API server that can fail."""
    with Gateway(control_plane, tmp_path).running() as running:
        yield running


@pytest.fixture
def seen(tasks: TaskClient, seekdb: SqlServer) -> Iterator[tuple[History, Journal]]:
    """Return what the API server and the SQL server see from now on."""
    journal = Journal(seekdb)
    with History(tasks.api, tasks.namespace).running() as history:
        yield history, journal
    journal.drop()
