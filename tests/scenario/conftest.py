"""Owns the fixtures of scenario tests: an operator, a SQL server and tasks, on the real API server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.operators import OperatorProcess, operator_thread
from tests.scenario.tasks import TaskClient

from obtask.devcluster.controlplane import ControlPlane
from obtask.devcluster.sqlserver import SqlServer, sql_server
from obtask.settings import Settings


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlServer]:
    """Return a real OceanBase-lineage SQL server."""
    with sql_server(tmp_path_factory.mktemp("seekdb")) as running:
        yield running


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of the test's namespace; no operator runs unless the test asks for one."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str) -> Iterator[None]:
    """Run an operator for the test's namespace."""
    with operator_thread(
        Settings(kubeconfig=str(control_plane.operator_kubeconfig), namespaces=(namespace,), runner="test", grace_seconds=1)
    ):
        yield


@pytest.fixture
def operator_process(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator as a process, not started yet; it is ended after the test."""
    process = OperatorProcess(control_plane.operator_kubeconfig, namespace, tmp_path / "operator.log")
    yield process
    process.kill()


@pytest.fixture
def connection(tasks: TaskClient, database: SqlServer) -> str:
    """Return the name of a connection Secret for the SQL server."""
    data = {"host": database.host, "port": str(database.port), "user": database.user, "password": database.password}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "task.oceanbase.com/connection",
        "metadata": {"name": "seekdb"},
        "stringData": {**data, "database": database.database},
    }
    tasks.kubectl("create", "-f", "-", manifest=json.loads(json.dumps(secret)))
    return "seekdb"
