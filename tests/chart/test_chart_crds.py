"""The CustomResourceDefinitions in the life of a release, on an API server of their own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import manifests
from tests.support.chart.installed import Release, eventually
from tests.support.chart.rendering import CHART

from devcluster.controlplane import ControlPlane, control_plane
from devcluster.errors import DevClusterError
from obtask.model.schema import custom_resource_definitions

pytestmark = pytest.mark.usefixtures("binaries")
NAME = "obtasks.task.oceanbase.com"
VALUES = {"replicas": 0}
TASK = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTask",
    "metadata": {"name": "kept"},
    "spec": {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", "steps": [{"name": "a", "wait": {"seconds": 0}}]},
}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ControlPlane]:
    """Return an API server that knows no OBTasks, and no templates."""
    with control_plane(tmp_path / "cluster") as cluster:
        cluster.kubectl.run(["delete", "crd", *(definition["metadata"]["name"] for definition in custom_resource_definitions())])
        yield cluster


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return the chart with definitions of another version: no columns."""
    copy = tmp_path / "older"
    shutil.copytree(CHART, copy)
    (file,) = (copy / "files/crds").glob("*_obtasks.yaml")
    (definition,) = manifests.read_all(file.read_text())
    definition["spec"]["versions"][0].pop("additionalPrinterColumns")
    file.write_text(yaml.safe_dump(definition))
    return copy


def columns(cluster: ControlPlane) -> list[Any]:
    """Return the columns of tasks."""
    definition = json.loads(cluster.kubectl.run(["get", "crd", NAME, "-o", "json"]))
    found: list[Any] = definition["spec"]["versions"][0].get("additionalPrinterColumns", [])
    return found


def test_definitions_are_upgraded_and_outlive_the_release(empty: ControlPlane, older: Path) -> None:
    """An upgrade brings the new definition; uninstalling leaves definition and tasks; installing again finds them."""

    def created() -> bool:
        try:
            empty.kubectl.apply([TASK])
        except DevClusterError as error:
            # What an API server says while it has not taken up a new kind everywhere.
            if any(
                said in str(error)
                for said in ("no matches for kind", "There can be a delay", "NotFound", "TooManyRequests", "ServiceUnavailable")
            ):
                return False
            raise
        return True

    empty.kubectl.run(["create", "namespace", "obtask-system"])
    Release(empty, "obtask-system", older).install(VALUES)
    before = columns(empty)
    eventually(created, "the task")
    release = Release(empty, "obtask-system")
    release.upgrade(VALUES)
    after = columns(empty)
    release.uninstall()
    left = empty.kubectl.run(["get", "obtasks", "-o", "name"])
    release.install(VALUES)

    assert [len(before), len(after) > 1] == [0, True]
    assert left.strip() == "obtask.task.oceanbase.com/kept"
    assert empty.kubectl.run(["get", "obtasks", "-o", "name"]) == left
