"""Owns the fixtures of the end-to-end suite: the cluster it was given, one release of the chart, namespaces of its own."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.cluster import Cluster, given_cluster
from tests.e2e.release import PAIR, PLAIN, Release
from tests.e2e.steps import Steps
from tests.support.tasks import Tasks

HERE = Path(__file__).parent
NEEDED = ("KUBECONFIG", "E2E_IMAGE")
CRD = "obtasks.task.oceanbase.com"
PATIENCE_SECONDS = 60
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run this folder without a cluster, when somebody asks for it."""
    asked = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    if missing() and any(path.resolve().is_relative_to(HERE) for path in asked):
        raise pytest.UsageError(f"tests/e2e needs a cluster: set {' and '.join(missing())} (`make e2e` brings one up)")


def pytest_ignore_collect() -> bool | None:
    """Leave this folder out of a run of everything when there is no cluster."""
    return True if missing() else None


def missing() -> list[str]:
    """Return the variables that are needed and not there."""
    return [name for name in NEEDED if not os.environ.get(name)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured."""
    for what, figure in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> dict[str, str]:
    """Return where figures go that are shown at the end."""
    return pytestconfig.stash.setdefault(FIGURES, {})


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Return the cluster that the suite was given."""
    with given_cluster(os.environ) as found:
        yield found


@pytest.fixture(scope="session")
def namespaces(cluster: Cluster) -> list[str]:
    """Return the namespaces of the tests; they go before the operator does, which has to let their tasks go."""
    operators = cluster.kubectl.run(["get", "deployments", "-A", "-l", "app.kubernetes.io/name=obtask-operator", "-o", "name"])
    assert not operators, "an OBTask operator is installed in this cluster already: the suite wants one without"
    return []


@pytest.fixture(scope="session")
def release(cluster: Cluster, namespaces: list[str]) -> Iterator[Release]:
    """Return the release that the tests share; at the end everything is removed that the suite made."""
    ours = Release(cluster, f"e2e-{uuid.uuid4().hex[:6]}")
    of_others = cluster.kubectl.run(["get", "crd", CRD, "--ignore-not-found", "-o", "name"])
    make_namespace(cluster, ours.name, RESTRICTED)
    try:
        yield ours
    finally:
        if not ours.installed:
            ours.have(PLAIN)
        for name in namespaces:
            cluster.kubectl.run(["delete", "namespace", name, "--wait=false"])
        for name in namespaces:
            cluster.kubectl.run(["-n", name, "wait", "--for=delete", "obtasks", "--all", "--timeout=100s"], timeout=120)
        ours.uninstall()
        cluster.kubectl.run(["delete", "namespace", ours.name, *namespaces, "--ignore-not-found", "--timeout=100s"], timeout=120)
        if not of_others and not cluster.kubectl.run(["get", "obtasks", "-A", "-o", "name"]):
            cluster.kubectl.run(["delete", "crd", CRD])


def make_namespace(cluster: Cluster, name: str, labels: Mapping[str, str]) -> None:
    """Make a namespace with these labels."""
    cluster.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels)}})


@pytest.fixture(scope="session")
def new_namespace(cluster: Cluster, namespaces: list[str]) -> Callable[..., Tasks]:
    """Return how to make a namespace; the answer is the tasks of it."""

    def make(**labels: str) -> Tasks:
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        make_namespace(cluster, name, labels)
        namespaces.append(name)
        return Tasks(cluster.kubectl, cluster.api, name, PATIENCE_SECONDS)

    return make


@pytest.fixture(scope="session")
def steps(cluster: Cluster) -> Steps:
    """Return what makes steps that are Jobs."""
    return Steps(cluster.step_image, foreign=cluster.step_image != cluster.image)


@pytest.fixture(scope="session")
def shared(new_namespace: Callable[..., Tasks]) -> Tasks:
    """Return the tasks of a namespace that takes only pods of Pod Security's level restricted; tests share it."""
    return new_namespace(**RESTRICTED)


@pytest.fixture
def tasks(release: Release, shared: Tasks) -> Tasks:
    """Return the tasks of the shared namespace, with a leader and a standby at work."""
    release.shape(PAIR)
    return shared
