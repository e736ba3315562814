"""Owns what a load costs: requests to the API server, and CPU of the API server and of the operator."""

import re
from dataclasses import dataclass

from tests.bench.operators import MeasuredOperator, cpu_seconds

from devcluster.controlplane import ControlPlane

# Lists and watches of tasks are the load's own: it asks in between whether all is done.
REQUESTS = re.compile(
    r'^apiserver_request_total\{.*resource="(?:obtasks.*verb="(?:POST|PUT|PATCH|DELETE|GET)"|(?:leases|events|configmaps).*verb="'
    r'(?:POST|PUT|PATCH|DELETE|GET|LIST)").*\} (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Meters:
    """What was used so far, or in between."""

    requests: float
    server_seconds: float
    operator_seconds: float

    def __sub__(self, before: "Meters") -> "Meters":
        """Return what was used since then."""
        return Meters(
            self.requests - before.requests, self.server_seconds - before.server_seconds, self.operator_seconds - before.operator_seconds
        )


def meters(cluster: ControlPlane, operator: MeasuredOperator) -> Meters:
    """Read all of them."""
    (server,) = [process for process in cluster.processes if process.name == "kube-apiserver"]
    answered = sum(float(count) for count in REQUESTS.findall(cluster.kubectl.run(["get", "--raw", "/metrics"])))
    return Meters(answered, cpu_seconds(server.pid), cpu_seconds(operator.pid))
