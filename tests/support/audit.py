"""Owns counting what the operator asks of the API server, from the API server's own audit log."""

import json
from collections import Counter
from dataclasses import dataclass

from devcluster.controlplane import ControlPlane
from devcluster.credentials import OPERATOR_USER

WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the operator that was answered."""

    verb: str
    resource: str
    name: str
    code: int

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def requests(cluster: ControlPlane, namespace: str) -> list[Request]:
    """Return all requests of the operator for objects of a namespace, in the order of their answers."""
    assert cluster.audit_log is not None
    found = []
    with cluster.audit_log.open() as lines:
        for line in lines:
            # The log is everybody's, and long: what cannot be about the namespace is not parsed.
            entry = json.loads(line) if namespace in line and line.endswith("\n") else {}
            target = entry.get("objectRef", {})
            if target.get("namespace") == namespace and entry["user"]["username"] == OPERATOR_USER:
                resource = "/".join(part for part in (target["resource"], target.get("subresource")) if part)
                found.append(Request(entry["verb"], resource, target.get("name", ""), entry["responseStatus"]["code"]))
    return found


def writes(cluster: ControlPlane, namespace: str) -> list[Request]:
    """Return the operator's write requests for objects of a namespace, logs in ConfigMaps excepted."""
    return [request for request in requests(cluster, namespace) if request.verb in WRITING and request.resource != "configmaps"]


def tally(found: list[Request]) -> str:
    """Return how many requests there were of each kind."""
    return ", ".join(f"{count} {what}" for what, count in sorted(Counter(map(str, found)).items()))
