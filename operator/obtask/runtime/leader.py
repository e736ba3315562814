"""Owns leadership: one of several operators works, the others stand by. It keeps work from being done twice; locks do not rest on it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from obtask.kube.api import Refusal
from obtask.kube.leases import Leases

logger = logging.getLogger(__name__)

LEASE_NAME = "obtask-operator"
LEASE_SECONDS = 15.0
RENEW_DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 3.0


class LeadershipLost(Exception):  # noqa: N818 - what happened
    """Another operator may lead now: this one must end at once."""


class _PatientLeaseLock(LeaseLock):
    """A Lease that cannot be reached counts as not renewed, and no request outlasts the renew deadline."""

    async def get(self, name: str, namespace: str) -> Any:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await super().get(name, namespace)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return False, _Unreachable(error)

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        return await self._told(super().create(name, namespace, election_record))

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        return await self._told(super().update(name, namespace, updated_record))

    async def _told(self, write: Any) -> bool:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return bool(await write)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("the leader's Lease cannot be written: %s", error)
            return False


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """What the election library asks of a failed read."""

    error: Exception

    @property
    def reason(self) -> str:
        return str(self.error) or type(self.error).__name__


class Leadership:
    """The place of this operator among several."""

    def __init__(self, client: ApiClient, leases: Leases, *, namespace: str, identity: str, clock: Callable[[], datetime]) -> None:
        self._lock = _PatientLeaseLock(LEASE_NAME, namespace, identity, client)
        self._leases = leases
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._leading = asyncio.Event()

    async def leading(self) -> None:
        """Wait until this operator leads."""
        await self._leading.wait()

    async def run(self) -> None:
        """Stand for election, and stay leader as long as possible. Raises LeadershipLost when that ends."""
        config = Config(
            self._lock,
            lease_duration=LEASE_SECONDS,
            renew_deadline=RENEW_DEADLINE_SECONDS,
            retry_period=RETRY_SECONDS,
            onstarted_leading=self._started,
            onstopped_leading=self._stopped,
        )
        await LeaderElection(config).run()
        raise LeadershipLost(f"{self._identity} could not renew the Lease {LEASE_NAME} in {RENEW_DEADLINE_SECONDS:g} s")

    async def resign(self) -> None:
        """Hand leadership over: empty the Lease, if it is ours, so that nobody waits for it to expire."""
        lease = await self._leases.get(self._namespace, LEASE_NAME)
        if isinstance(lease, Refusal) or lease.holder != self._identity:
            return
        await self._leases.write(replace(lease, holder="", acquired_at=None), self._clock())

    async def _started(self) -> None:
        logger.info("%s leads", self._identity)
        self._leading.set()

    async def _stopped(self) -> None:
        self._leading.clear()
