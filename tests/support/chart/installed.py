"""Owns installing the chart on a real API server, with Helm itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.chart.rendering import CHART, ROOT, Body, Values, read
from tests.support.patience import happens

from devcluster.controlplane import ControlPlane

WAIT_SECONDS = 120  # a busy API server takes its time to compile the policies of several releases
PAUSE_SECONDS = 0.05
CROWDED = {"templates": {"install": False, "visibleTo": []}}  # what belongs to the whole cluster, several releases would fight for


def small(namespace: str, **values: Any) -> Body:
    """Return the values of a release that cares for its own namespace alone: tests that run beside it do not notice."""
    own = {"fullnameOverride": namespace, "replicas": 0, "crds": {"install": False}, **CROWDED, "watch": {"namespaces": [namespace]}}
    return own | values


@dataclass(frozen=True)
class Release:
    """A release in a namespace, of the same name."""

    cluster: ControlPlane
    namespace: str
    chart: Path = CHART

    def install(self, values: Values) -> list[Body]:
        """Install the chart; return its objects."""
        return read(self._helm("install", values))

    def upgrade(self, values: Values) -> list[Body]:
        """Upgrade to these values; return the objects."""
        return read(self._helm("upgrade", values))

    def uninstall(self) -> None:
        """Remove the release."""
        self._helm("uninstall", {})

    def _helm(self, action: str, values: Values) -> str:
        kubeconfig = self.cluster.kubeconfig
        place = {"kubeconfig": str(kubeconfig), "namespace": self.namespace, "name": self.namespace}
        order = {"action": action, "chart": str(self.chart), "values": values, **place}
        answer = subprocess.run(
            [sys.executable, "-m", "tests.support.chart.helm"],
            input=json.dumps(order),
            env=os.environ | {"HOME": str(kubeconfig.parent / "helm-home")},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout


def home(namespace: str) -> str:
    """Return the namespace of the release that cares for this one: an operator takes no tasks in its own."""
    return f"{namespace}-operator"


@contextmanager
def release(cluster: ControlPlane, namespace: str, values: Values) -> Iterator[Release]:
    """Have the chart installed, beside the namespace of the tasks, as long as the block lasts."""
    found = Release(cluster, home(namespace))
    cluster.kubectl.run(["create", "namespace", found.namespace])
    try:
        found.install(values)
        yield found
    finally:
        found.uninstall()
        cluster.kubectl.run(["delete", "namespace", found.namespace, "--wait=false"])


def eventually(holds: Callable[[], object], what: str) -> None:
    """Ask until it holds: API servers take up new policies and roles when they have seen them."""
    happens(holds, what, WAIT_SECONDS, PAUSE_SECONDS)


def eventually_says(words: str, answer: Callable[[], str], what: str) -> None:
    """Ask until the answer has these words; else show what it was."""
    deadline = time.monotonic() + WAIT_SECONDS
    while words not in (said := answer()):
        assert time.monotonic() < deadline, f"{what} did not come in {WAIT_SECONDS} s: {said}"
        time.sleep(PAUSE_SECONDS)
