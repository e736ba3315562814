"""Owns putting the chart's admission policies on a control plane, without the rest of the chart."""

import json

from tests.support.chart.installed import WAIT_SECONDS, eventually
from tests.support.chart.rendering import objects
from tests.support.patience import once_known

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError

OPERATOR = "obtask-operator"  # the user of the control plane's operator
PROBE = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTask",
    "metadata": {"name": "probe", "namespace": "default"},
    "spec": {"type": "Cluster", "cluster": "c", "maintenance": "None", "steps": [{"name": "s", "wait": {"seconds": 0}}]},
}


def put_policies(cluster: ControlPlane) -> None:
    """Apply them, and wait until the API server has taken them up."""
    values = {"admission": {"exemptUsers": [OPERATOR], "requestedBy": True, "markNew": True}}
    cluster.kubectl.apply([body for body in objects(values) if "Admission" in body["kind"]])
    words = ["create", "--dry-run=server", "-o", "json", "-f", "-"]

    def made() -> str:
        return once_known(lambda: cluster.kubectl.run(words, json.dumps(PROBE)), DevClusterError, WAIT_SECONDS)

    eventually(lambda: "task.oceanbase.com/adopted" in made(), "the policies")
