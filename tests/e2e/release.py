"""Owns the release of the chart that the tests share: each test says which values it wants, and it is changed only if they differ."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster
from tests.support.apiserver import Body

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "obtask-operator"
LEASE = "obtask-operator"

# As the README installs it.
PLAIN: Body = {}
POD_START_SECONDS = 5
# What most tests want: a leader and a standby, and images that are given up soon.
PAIR: Body = {"replicas": 2, "settings": {"podStartSeconds": POD_START_SECONDS}}


@dataclass
class Release:
    """A release, in a namespace of the same name."""

    cluster: Cluster
    name: str
    _values: Body | None = field(default=None, init=False)

    @property
    def deployment(self) -> str:
        """Name of the Deployment, and of most other objects."""
        return f"{self.name}-obtask-operator"

    @property
    def installed(self) -> bool:
        """True from the first attempt to install it until it is removed."""
        return self._values is not None

    def shape(self, values: Body) -> None:
        """Have our chart installed with these values, and ready."""
        if self._values != values:
            self.have(values)

    def have(self, values: Body, chart: Path = CHART, image: str | None = None) -> None:
        """Install a chart as the README says, or upgrade to it, and wait until it is ready."""
        repository, _, tag = (image or self.cluster.image).rpartition(":")
        # The CRDs may have stayed when a suite before this one was ended halfway.
        verb = ["install", "--create-namespace", "--take-ownership"] if self._values is None else ["upgrade"]
        where = [self.name, str(chart), "-n", self.name, "--wait", "--timeout=120s"]
        which = ["--set", f"image.repository={repository}", "--set", f"image.tag={tag}", "--values=-"]
        self._values = values  # also when it fails: it is there then, and has to be removed
        self.cluster.helm(*verb, *where, *which, stdin=json.dumps(values))

    def uninstall(self) -> None:
        """Remove it, and wait until its Pods are gone."""
        if self._values is not None:
            self.cluster.helm("uninstall", self.name, "-n", self.name, "--wait", "--timeout=120s")
        self._values = None
        self.kubectl("wait", "--for=delete", "pods", "--all", "--timeout=120s")

    def kubectl(self, *words: str) -> str:
        """Run kubectl in its namespace."""
        return self.cluster.kubectl.run(["-n", self.name, *words], timeout=150)

    def pods(self) -> list[Body]:
        """Return the Pods of the operator that are there to stay."""
        listed = json.loads(
            self.kubectl(
                "get", "pods", "-l", f"app.kubernetes.io/name=obtask-operator,app.kubernetes.io/instance={self.name}", "-o", "json"
            )
        )["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """Return the name of the Pod that leads; empty if none does."""
        return leader_of(json.loads(self.kubectl("get", "lease", LEASE, "-o", "json")))


def leader_of(lease: dict[str, Any]) -> str:
    """Return the name of the Pod that a Lease names."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "").partition(".")[0]
