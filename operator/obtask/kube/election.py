"""Owns the Lease of leader election: taking it, renewing it, handing it over. Rules: client-go, tools/leaderelection.

Whether a leader is still there is told by the Lease's version, and by this process's monotonic clock: neither the times that are written in
it nor the clock of the machine decide anything. Why this is not the client's own class: docs/design/decisions/0021.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from obtask.kube.api import ApiError, ApiUnavailable, Json, Requests, path_of
from obtask.kube.leases import micro_time

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 3.0


class ElectionLease:
    """The Lease that the leader renews. One that cannot be reached in time counts as not renewed. ``timer`` returns monotonic seconds."""

    def __init__(
        self,
        api: Requests,
        *,
        name: str,
        namespace: str,
        identity: str,
        seconds: int,
        clock: Callable[[], datetime],
        timer: Callable[[], float] | None = None,
    ) -> None:
        self._api = api
        self._collection = path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases")
        self._path = path_of("apis", "coordination.k8s.io", "v1", "namespaces", namespace, "leases", name)
        self._metadata: Json = {"name": name, "namespace": namespace}
        self._identity = identity
        self._seconds = seconds
        self._clock = clock
        self._timer = timer or asyncio.get_running_loop().time
        self._version = ""
        self._others_until = float("-inf")
        self._renewed_at = float("-inf")
        self._renewal = asyncio.Event()

    @property
    def unrenewed_seconds(self) -> float:
        """For how long the last renewal that was answered has been sent; infinite if there was none."""
        return self._timer() - self._renewed_at

    async def renewed(self, within_seconds: float) -> None:
        """Return once a renewal was sent and answered that is not older than this; a process that was paused waits for the next."""
        while self.unrenewed_seconds > within_seconds:
            self._renewal.clear()
            await self._renewal.wait()

    async def take(self) -> bool:
        """Take the Lease, or renew it if it is ours already; return whether it is ours now.

        Somebody else's is left to it until it was not renewed for as long as a Lease lasts, even if it is deleted meanwhile.
        """
        answer = await self._send("GET", self._path)
        if isinstance(answer, ApiError):
            if not answer.missing or self._timer() < self._others_until:
                return False
            return await self._write("POST", self._collection, {"metadata": self._metadata, "spec": self._spec(1)})
        before = answer.get("spec") or {}
        holder, transitions = before.get("holderIdentity"), before.get("leaseTransitions") or 0
        if holder == self._identity:
            spec = self._spec(transitions) | {"acquireTime": before.get("acquireTime")}
        else:
            if not self._is_free(holder, answer["metadata"]["resourceVersion"]):
                return False
            spec = self._spec(transitions + 1)
        return await self._write("PUT", self._path, {"metadata": answer["metadata"], "spec": spec})

    async def resign(self) -> None:
        """Empty the Lease if it is ours, so that nobody waits for it to expire."""
        answer = await self._send("GET", self._path)
        spec = {} if isinstance(answer, ApiError) else answer.get("spec") or {}
        if not isinstance(answer, ApiError) and spec.get("holderIdentity") == self._identity:
            await self._write(
                "PUT", self._path, {"metadata": answer["metadata"], "spec": {"leaseTransitions": spec.get("leaseTransitions")}}
            )

    def _is_free(self, holder: str | None, version: str) -> bool:
        """Return whether nobody has the Lease, or has it no longer; note when it was seen to be renewed."""
        if not holder:
            self._others_until = float("-inf")
        elif version != self._version:
            self._others_until = self._timer() + self._seconds
        self._version = version
        return self._timer() >= self._others_until

    def _spec(self, transitions: int) -> Json:
        now = micro_time(self._clock())
        times = {"acquireTime": now, "renewTime": now}
        return {"holderIdentity": self._identity, "leaseDurationSeconds": self._seconds, "leaseTransitions": transitions, **times}

    async def _write(self, method: str, path: str, body: Json) -> bool:
        sent_at = self._timer()
        answer = await self._send(method, path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **body})
        if isinstance(answer, ApiError):
            logger.debug("leader's Lease not written: %s", answer.message)
            return False
        if (answer.get("spec") or {}).get("holderIdentity") != self._identity:
            return False
        self._renewed_at = sent_at
        self._renewal.set()
        return True

    async def _send(self, method: str, path: str, body: Json | None = None) -> Json | ApiError:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._api.send(method, path, body=body)
        except (ApiUnavailable, TimeoutError) as error:
            logger.warning("the leader's Lease cannot be reached: %s", error or "no answer in time")
            return ApiError(503, "ServiceUnavailable", str(error))
