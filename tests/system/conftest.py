"""Owns the fixtures of scenario tests: an operator, a SQL server and tasks, on the real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.node import Node
from tests.support.operators import OperatorProcess, operator_settings, operator_thread
from tests.support.tasks import TaskClient
from tests.system.scene import Scene

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer
from obtask.settings import Settings


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs unless the test asks for one."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
def settings(control_plane: ControlPlane, namespace: str) -> Settings:
    """Return the settings of an operator for the test's namespace."""
    return operator_settings(control_plane.operator_kubeconfig, namespace)


@pytest.fixture
def operator(settings: Settings) -> Iterator[None]:
    """Run an operator for the test's namespace."""
    with operator_thread(settings):
        yield


@pytest.fixture
def operator_process(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator as a process, not started yet; it is ended after the test."""
    process = OperatorProcess(control_plane.operator_kubeconfig, namespace, tmp_path / "operator.log")
    yield process
    process.kill()


@pytest.fixture
def gateway(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Gateway]:
    """Return a gateway to the API server that can fail; whoever uses its kubeconfig goes through it."""
    with Gateway(control_plane, tmp_path).running() as running:
        yield running


@pytest.fixture
def history(tasks: TaskClient) -> Iterator[History]:
    """Return what a watcher sees of the namespace from now on."""
    with History(tasks.api, tasks.namespace).running() as watching:
        yield watching


@pytest.fixture
def journal(seekdb: SqlServer) -> Iterator[Journal]:
    """Return a table into which statements write which attempt executed them."""
    table = Journal(seekdb)
    yield table
    table.drop()


@pytest.fixture
def records(history: History, journal: Journal) -> tuple[History, Journal]:
    """Return what the API server and the SQL server saw."""
    return history, journal


@pytest.fixture
def scene(tasks: TaskClient, records: tuple[History, Journal], connection: str, settings: Settings) -> Scene:
    """Return the bundle of fixtures that most tests need."""
    history, journal = records
    return Scene(tasks, history, journal, connection, settings)


@pytest.fixture
def connection(tasks: TaskClient, seekdb: SqlServer) -> str:
    """Return the name of a connection Secret for the SQL server."""
    return tasks.create_connection(seekdb)


@pytest.fixture
def node(tasks: TaskClient) -> Iterator[Node]:
    """Return a node that runs the pods of the test's namespace."""
    with Node(tasks.cluster, tasks.namespace).running() as running:
        yield running
