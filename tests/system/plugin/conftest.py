"""Owns the fixtures of tests of the plugin: one operator and one namespace for each module, with tasks in the states that it needs."""

from collections.abc import Iterator

import pytest
from tests.support.operators import operator_settings, operator_thread
from tests.support.plugin import Plugin, plugin
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer


@pytest.fixture(scope="module")
def module_tasks(control_plane: ControlPlane, module_namespace: str, seekdb: SqlServer) -> TaskClient:
    """Return the tasks of the module's namespace, with a connection Secret."""
    client = TaskClient(control_plane, module_namespace)
    client.create_connection(seekdb)
    return client


@pytest.fixture(scope="module")
def module_operator(control_plane: ControlPlane, module_tasks: TaskClient) -> Iterator[None]:
    """Run an operator for the module's namespace."""
    with operator_thread(operator_settings(control_plane.operator_kubeconfig, module_tasks.namespace)):
        yield


@pytest.fixture(scope="module")
def obtask(control_plane: ControlPlane, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """Return `kubectl obtask` in the module's namespace."""
    return plugin(control_plane, module_namespace, tmp_path_factory.mktemp("plugin"))
