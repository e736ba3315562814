"""Owns leadership: one of several operators works, the others stand by. It keeps work from being done twice; locks do not rest on it."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection

from obtask.kube.api import Requests
from obtask.kube.election import ElectionLock

logger = logging.getLogger(__name__)

LEASE_NAME = "obtask-operator"
LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10
RETRY_SECONDS = 1


class LeadershipLost(Exception):  # noqa: N818 - what happened
    """Another operator may lead now: this one must end at once."""


class Leadership:
    """The place of this operator among several."""

    def __init__(self, api: Requests, *, namespace: str, identity: str, clock: Callable[[], datetime]) -> None:
        self._identity = identity
        self._lock = ElectionLock(api, name=LEASE_NAME, namespace=namespace, identity=identity, seconds=LEASE_SECONDS, clock=clock)
        self._leading = asyncio.Event()

    @property
    def leads(self) -> bool:
        """True while this operator leads."""
        return self._leading.is_set()

    async def leading(self) -> None:
        """Wait until this operator leads."""
        await self._leading.wait()

    async def confirmed(self) -> None:
        """Return while nobody else can lead. One that was paused for long gets no answer: it ends before it does harm."""
        await self._lock.renewed(RENEW_DEADLINE_SECONDS)

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
        raise LeadershipLost(f"{self._identity} could not renew the Lease {LEASE_NAME} in {RENEW_DEADLINE_SECONDS} s")

    async def resign(self) -> None:
        """Hand leadership over without waiting for the Lease to expire."""
        await self._lock.resign()

    async def _started(self) -> None:
        logger.info("%s leads", self._identity)
        self._leading.set()

    async def _stopped(self) -> None:
        self._leading.clear()
