"""The samples people copy from: every one does what its first lines say. This module runs those that need a SQL server only."""

from pathlib import Path

import pytest
import yaml
from tests.scenario.apiserver import OBTASKS, Body
from tests.scenario.tasks import TaskClient

from obtask.devcluster.sqlserver import SqlServer

SAMPLES = Path("deploy/samples")
pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def sys(tasks: TaskClient, database: SqlServer) -> None:
    """Create the connection that the samples name."""
    data = {"host": database.host, "port": str(database.port), "user": database.user, "password": database.password}
    tasks.create_secret("obdemo-sys", **data)


def applied(tasks: TaskClient, name: str) -> Body:
    """Apply a sample as it is; return it."""
    sample: Body = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return tasks.api.send("POST", OBTASKS.format(tasks.namespace), sample)


@pytest.mark.usefixtures("sys")
@pytest.mark.parametrize("name", ["change-parameters", "create-user", "major-freeze"])
def test_a_sample_succeeds(tasks: TaskClient, name: str) -> None:
    """It needs what its first lines say, and nothing else; a second run of the same succeeds as well."""
    sample = applied(tasks, name)
    tasks.wait_let_go(name, "Succeeded", seconds=120)
    tasks.delete(name)
    tasks.wait_gone(name)

    del sample["metadata"]
    tasks.create("again", **sample["spec"])

    assert tasks.wait_let_go("again", "Succeeded", seconds=120)["progress"].split("/")[0] == str(len(sample["spec"]["steps"]))
