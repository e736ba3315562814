"""Owns the Lease of leader election, for the election algorithm that the Kubernetes client ships.

The client's own LeaseLock cannot create a Lease in 37.0 (it passes a value that its own API class refuses), so this one stands in.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kubernetes.aio.client import ApiException
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from obtask.kube.api import Json, Refusal, Requests, Unavailable, path_of
from obtask.kube.leases import micro_time

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 3.0


class ElectionLock(BaseLock):
    """The Lease that the leader renews. One that cannot be reached in time counts as not renewed."""

    def __init__(self, api: Requests, *, name: str, namespace: str, identity: str, seconds: int, clock: Callable[[], datetime]) -> None:
        super().__init__(name, namespace, identity)
        self._api = api
        self._seconds = seconds
        self._clock = clock
        self._seen: Json = {}
        self._renewed_at = float("-inf")
        self._others_until = float("-inf")
        self._renewal = asyncio.Event()

    async def renewed(self, within_seconds: float) -> None:
        """Return once a renewal was sent and answered that is not older than this; a process that was paused waits for the next."""
        while asyncio.get_running_loop().time() - self._renewed_at > within_seconds:
            self._renewal.clear()
            await self._renewal.wait()

    async def get(self, name: str, namespace: str) -> Any:
        """Return (True, who leads), or (False, why that cannot be told)."""
        answer = await self._send("GET", path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", name))
        if isinstance(answer, Refusal):
            return False, ApiException(answer.status, answer.message, body=json.dumps({"code": answer.status}))
        self._seen = answer
        spec = answer.get("spec") or {}
        theirs = spec.get("holderIdentity") not in (None, "", self.identity)
        self._others_until = asyncio.get_running_loop().time() + self._seconds if theirs else float("-inf")
        # A record without a holder is free for anybody; the version tells a renewal from what was seen before.
        return True, LeaderElectionRecord(spec.get("holderIdentity") or None, "seconds", "held", answer["metadata"]["resourceVersion"])

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease in our name; return whether that worked. One that was deleted under a leader is left to it for its time."""
        if asyncio.get_running_loop().time() < self._others_until:
            return False
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": self._spec(election_record.holder_identity, 1)}
        return await self._write("POST", path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases"), body)

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Take or renew the Lease at the version that was read; return whether that worked."""
        before = self._seen.get("spec") or {}
        mine = before.get("holderIdentity") == updated_record.holder_identity
        spec = self._spec(updated_record.holder_identity, (before.get("leaseTransitions") or 0) + (0 if mine else 1))
        if mine:
            spec["acquireTime"] = before.get("acquireTime")
        body = {"metadata": self._seen["metadata"], "spec": spec}
        return await self._write("PUT", path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", name), body)

    async def resign(self) -> None:
        """Empty the Lease if it is ours, so that nobody waits for it to expire."""
        found, _ = await self.get(self.name, self.namespace)
        spec = self._seen.get("spec") or {}
        if found and spec.get("holderIdentity") == self.identity:
            path = path_of("apis", "coordination.k8s.io", "v1", "namespaces", self.namespace, "leases", self.name)
            await self._write("PUT", path, {"metadata": self._seen["metadata"], "spec": {"leaseTransitions": spec.get("leaseTransitions")}})

    def _spec(self, holder: str | None, transitions: int) -> Json:
        now = micro_time(self._clock())
        times = {"acquireTime": now, "renewTime": now}
        return {"holderIdentity": holder, "leaseDurationSeconds": self._seconds, "leaseTransitions": transitions, **times}

    async def _write(self, method: str, path: str, body: Json) -> bool:
        sent_at = asyncio.get_running_loop().time()
        answer = await self._send(method, path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **body})
        if isinstance(answer, Refusal):
            logger.debug("leader's Lease not written: %s", answer.message)
            return False
        self._seen = answer
        if (answer.get("spec") or {}).get("holderIdentity") == self.identity:
            self._renewed_at = sent_at
            self._renewal.set()
        return True

    async def _send(self, method: str, path: str, body: Json | None = None) -> Json | Refusal:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._api.send(method, path, body=body)
        except (Unavailable, TimeoutError) as error:
            logger.warning("the leader's Lease cannot be reached: %s", error or "no answer in time")
            return Refusal(503, "ServiceUnavailable", str(error))
