"""Owns reading and writing Lease objects, as KEP-589 and coordination.k8s.io/v1 define them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, Json, Requests, path_of
from obtask.kube.errors import explained

LARGEST_TRANSITIONS = 2**31 - 1
LARGEST_TOKEN = 2**63 - 1
MOST_WRITTEN = 4096  # characters of labels, and of annotations


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as it was read at one resourceVersion. ``holder`` is empty when it is free; ``transitions`` is the fencing token."""

    namespace: str
    name: str
    holder: str
    transitions: int
    acquired_at: str | None
    version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    made_at: str | None = None
    renewed_at: str | None = None


def read_lease(body: Mapping[str, Any]) -> Lease:
    """Return the Lease in an API object, whatever was edited into it."""
    meta, spec = body["metadata"], body.get("spec") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    return Lease(
        namespace=meta["namespace"],
        name=meta["name"],
        holder=spec.get("holderIdentity") or "",
        transitions=max(spec.get("leaseTransitions") or 0, _large_token(annotations)),
        acquired_at=_moment(spec.get("acquireTime")),
        version=meta["resourceVersion"],
        labels=_short(labels),
        annotations=_short(annotations),
        made_at=meta.get("creationTimestamp"),
        renewed_at=_moment(spec.get("renewTime")),
    )


def _large_token(annotations: Mapping[str, str]) -> int:
    """Return the token in the annotation that is there once leaseTransitions, an int32, is at its end; 0 if there is none."""
    text = annotations.get(names.TOKEN_ANNOTATION, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_TOKEN)) else 0


def _moment(written: Any) -> str | None:
    """Return a time as it is written; None for one that Python knows no date for, such as the year 0."""
    try:
        return written if datetime.fromisoformat(written).tzinfo is not None else None
    except (TypeError, ValueError):
        return None


def _short(written: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out what others have written, if it is so much that it is not worth keeping: all Leases of locks are in memory."""
    if sum(len(key) + len(value) for key, value in written.items()) <= MOST_WRITTEN:
        return written
    return {key: value for key, value in written.items() if key.startswith(names.GROUP) and len(value) <= MOST_WRITTEN}


class Leases:
    """Leases in the API server. Every write carries the resourceVersion that was read."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def get(self, namespace: str, name: str) -> Lease | ApiError:
        """Return the Lease as it is now: a quorum read."""
        return _read(await self._api.send("GET", _path(namespace, name)))

    async def list_domain(self, namespace: str, domain: str, since: str) -> list[Lease]:
        """Return all Leases of a domain, as they were at the version ``since`` or at a later one.

        The API server answers from its cache as soon as that has come so far. Without a version it would first ask etcd which version is
        the newest of all objects, and wait for up to 100 ms until its cache of Leases has heard of that (KEP-2340).
        Raises ApiForbidden when listing is refused.
        """
        query = {"labelSelector": f"{names.DOMAIN_LABEL}={domain}", "resourceVersion": since, "resourceVersionMatch": "NotOlderThan"}
        answer = await self._api.send("GET", _path(namespace), query=query)
        if isinstance(answer, ApiError):
            raise ApiForbidden(f"cannot list leases in {namespace}: {explained(answer)}")
        return [read_lease(item) for item in answer.get("items") or []]

    async def create(self, lease: Lease, now: datetime) -> Lease | ApiError:
        """Create the Lease."""
        return _read(await self._api.send("POST", _path(lease.namespace), query=_MANAGER, body=_body(lease, now)))

    async def delete(self, lease: Lease) -> Json | ApiError:
        """Delete the Lease at the version that was read."""
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": lease.version}}
        return await self._api.send("DELETE", _path(lease.namespace, lease.name), body=options)

    async def write(self, lease: Lease, now: datetime) -> Lease | ApiError:
        """Store the Lease at the version that was read."""
        body = _body(lease, now)
        body["metadata"]["resourceVersion"] = lease.version
        return _read(await self._api.send("PUT", _path(lease.namespace, lease.name), query=_MANAGER, body=body))


_MANAGER = {"fieldManager": names.FIELD_MANAGER}


def _read(answer: Json | ApiError) -> Lease | ApiError:
    return answer if isinstance(answer, ApiError) else read_lease(answer)


def _path(namespace: str, *name: str) -> str:
    return path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", *name)


def _body(lease: Lease, now: datetime) -> Json:
    if lease.transitions > LARGEST_TOKEN:
        raise ApiForbidden(
            f"cannot write lease {lease.namespace}/{lease.name}: its fencing token is used up; "
            f"type: kubectl -n {lease.namespace} annotate lease {lease.name} {names.TOKEN_ANNOTATION}-"
        )
    spec: Json = {"leaseTransitions": min(lease.transitions, LARGEST_TRANSITIONS), "renewTime": micro_time(now)}
    large = {names.TOKEN_ANNOTATION: str(lease.transitions)} if lease.transitions > LARGEST_TRANSITIONS else {}
    if lease.holder:
        spec["holderIdentity"] = lease.holder
        spec["acquireTime"] = lease.acquired_at
    metadata = {
        "name": lease.name,
        "namespace": lease.namespace,
        "labels": dict(lease.labels),
        "annotations": {**lease.annotations, **large},
    }
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def micro_time(moment: datetime) -> str:
    """Return the moment as a Kubernetes MicroTime."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
