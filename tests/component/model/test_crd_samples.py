"""The samples that people start from are accepted as they are."""

from pathlib import Path

import pytest
from tests.support.kubectl import Kubectl

from devcluster.files import checkout

SAMPLES = sorted((checkout() / "deploy/samples").glob("*.yaml"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_server_accepts_sample(sample: Path, kubectl: Kubectl, module_namespace: str) -> None:
    """The API server takes every object of the file, and the file says on top what it does and needs."""
    made = kubectl("create", "--dry-run=server", "--validate=strict", "-n", module_namespace, "-f", str(sample))

    assert "obtask.task.oceanbase.com/" in made
    assert sample.read_text().startswith("# ")
