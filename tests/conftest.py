"""Owns what every suite on the real API server stands on: one control plane per test run, kubectl, a namespace per test."""

import fcntl
import gc
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.support import chromium
from tests.support.kubectl import Kubectl, kubectl_of
from tests.support.programs import build_if_asked, mark

from devcluster.binaries import Binaries, find_or_build
from devcluster.controlplane import ControlPlane, ensure, stop
from devcluster.leash import leash
from devcluster.sqlserver import SqlServer, sql_server
from devcluster.taskcenter import bring_scripts

# How long one example takes says more about the machine than about the code.
settings.register_profile("obtask", deadline=None)
settings.load_profile("obtask")

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
    """Build the control plane's programs, and install a browser, if a chosen test needs them; it takes minutes where neither is there."""
    build_if_asked(session, "binaries", find_or_build)
    with _one_worker(session.config):
        build_if_asked(session, "browser", chromium.prepare)
        build_if_asked(session, "browser", bring_scripts)
    # Thousands of tests are garbage of no collection: without them one takes milliseconds, and every operator under test ends with two.
    gc.collect()
    gc.freeze()


@contextmanager
def _one_worker(config: pytest.Config) -> Iterator[None]:
    """Have one worker of pytest-xdist do something, and the others wait."""
    with (config.stash[RUN_FOLDER] / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Return the programs of the control plane; a module that starts a control plane of its own uses this fixture, too."""
    return find_or_build()


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, binaries: Binaries) -> ControlPlane:
    """Return the control plane of this test run; the first test that asks for it starts it."""
    folder = pytestconfig.stash[RUN_FOLDER]
    with _one_worker(pytestconfig):
        return ensure(binaries, folder / "cluster", folder / "log", audit=True)


@pytest.fixture(scope="session")
def seekdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlServer]:
    """Return a real OceanBase-lineage SQL server: one per worker, whichever suites it runs."""
    with sql_server(tmp_path_factory.mktemp("seekdb")) as running:
        yield running


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """Return kubectl with the admin's rights."""
    return kubectl_of(control_plane)


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
