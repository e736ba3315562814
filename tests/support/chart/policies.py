"""Owns putting the chart's admission policies on a control plane, without the rest of the chart."""

import json
import time

from tests.support.chart.rendering import objects

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError

OPERATOR = "obtask-operator"  # the user of the control plane's operator
PROBE = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTask",
    "metadata": {"name": "probe", "namespace": "default"},
    "spec": {"type": "Cluster", "cluster": "c", "maintenance": "None", "steps": [{"name": "s", "wait": {"seconds": 0}}]},
}
WAIT_SECONDS, PAUSE_SECONDS = 30, 0.2


def put_policies(cluster: ControlPlane) -> None:
    """Apply them, and wait until the API server has taken them up."""
    values = {"admission": {"exemptUsers": [OPERATOR], "requestedBy": True, "markNew": True}}
    cluster.kubectl.apply([body for body in objects(values) if "Admission" in body["kind"]])
    deadline = time.monotonic() + WAIT_SECONDS
    words = ["create", "--dry-run=server", "-o", "json", "-f", "-"]
    while True:
        try:
            if "task.oceanbase.com/adopted" in cluster.kubectl.run(words, json.dumps(PROBE)):
                return
        except DevClusterError:  # the kind is new, too
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError(f"the policies did not work after {WAIT_SECONDS} s")
        time.sleep(PAUSE_SECONDS)
