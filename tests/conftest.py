"""Owns what every suite on the real API server stands on: one control plane per test run, kubectl, a namespace per test."""

import fcntl
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.patience import once_known
from tests.support.programs import build_if_asked, mark

from devcluster.binaries import Binaries, find_or_build
from devcluster.controlplane import ControlPlane, ensure, stop
from devcluster.errors import DevClusterError
from devcluster.leash import leash
from devcluster.sqlserver import SqlServer, sql_server

# How long one example takes says more about the machine than about the code.
settings.register_profile("obtask", deadline=None)
settings.load_profile("obtask")

# The API server's policies that change objects learn of a new kind some seconds after its definition, and refuse it until then.
LEARNING_SECONDS = 60
RUN_FOLDER = pytest.StashKey[Path]()
LEASH = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder that all processes of this test run share; the controller of pytest-xdist tells its workers."""
    worker_input = getattr(config, "workerinput", None)
    folder = worker_input["run_folder"] if worker_input else tempfile.mkdtemp(prefix="obtask-tests-")
    config.stash[RUN_FOLDER] = Path(folder)
    config.stash[LEASH] = ExitStack()
    if worker_input is None:
        # Even a test run that is killed leaves no process behind.
        config.stash[LEASH].enter_context(leash(Path(folder) / "cluster" / "run"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run folder is."""
    node.workerinput["run_folder"] = str(node.config.stash[RUN_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started for the run, whichever process started it: the last one to leave is the controller."""
    folder = config.stash.get(RUN_FOLDER, None)
    if folder is None or hasattr(config, "workerinput"):
        return
    if (folder / "cluster").exists():
        stop(folder / "cluster")
    config.stash[LEASH].close()
    shutil.rmtree(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, before `-m` chooses."""
    mark(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the control plane's programs if a chosen test needs them; it takes minutes where it has never been done."""
    build_if_asked(session, "binaries", find_or_build)


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Return the programs of the control plane; a module that starts a control plane of its own uses this fixture, too."""
    return find_or_build()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, binaries: Binaries) -> ControlPlane:
    """Return the control plane of this test run; the first test that asks for it starts it."""
    folder = pytestconfig.stash[RUN_FOLDER]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return ensure(binaries, folder / "cluster", folder / "log", audit=True)


@pytest.fixture(scope="session")
def seekdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlServer]:
    """Return a real OceanBase-lineage SQL server: one per worker, whichever suites it runs."""
    with sql_server(tmp_path_factory.mktemp("seekdb")) as running:
        yield running


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """Return kubectl with the admin's rights."""

    def run(*words: str, manifest: Mapping[str, Any] | None = None) -> str:
        try:
            text = json.dumps(manifest) if manifest else ""
            return once_known(lambda: control_plane.kubectl.run(words, text), DevClusterError, LEARNING_SECONDS)
        except DevClusterError as error:
            raise KubectlError(str(error)) from error

    return run


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """Return the name of a namespace that only this test uses."""
    yield from _namespace(kubectl)


@pytest.fixture(scope="module")
def module_namespace(kubectl: Kubectl) -> Iterator[str]:
    """Return the name of a namespace that only this module's tests use."""
    yield from _namespace(kubectl)


def _namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
