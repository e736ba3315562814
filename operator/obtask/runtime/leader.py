"""Owns leadership: of several operators one works, the others stand by. It avoids double work; the safety of locks does not rest on it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from obtask.kube.api import Requests
from obtask.kube.election import ElectionLease

logger = logging.getLogger(__name__)

LEASE_NAME = "obtask-operator"
LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10
RETRY_SECONDS = 1


class LeadershipLost(Exception):  # noqa: N818 - what happened
    """Another operator may lead now: this one must end at once."""


class Leadership:
    """Whether this operator is the one of several that works."""

    def __init__(
        self,
        api: Requests,
        *,
        namespace: str,
        identity: str,
        clock: Callable[[], datetime],
        deadline_seconds: float = RENEW_DEADLINE_SECONDS,
    ) -> None:
        self._identity = identity
        self._deadline_seconds = deadline_seconds
        self._lease = ElectionLease(api, name=LEASE_NAME, namespace=namespace, identity=identity, seconds=LEASE_SECONDS, clock=clock)
        self._leading = asyncio.Event()

    @property
    def leads(self) -> bool:
        """True while this operator leads."""
        return self._leading.is_set()

    async def leading(self) -> None:
        """Wait until this operator leads."""
        await self._leading.wait()

    async def confirmed(self) -> None:
        """Return while nobody else can lead; after a long pause of the process, not before a renewal: the process may end first."""
        await self._lease.renewed(self._deadline_seconds)

    async def run(self) -> None:
        """Stand for election, and stay leader as long as possible. Raises LeadershipLost when that ends."""
        while not await self._lease.take():  # noqa: ASYNC110 - the Lease tells nobody that it is free
            await asyncio.sleep(RETRY_SECONDS)
        logger.info("%s leads", self._identity)
        self._leading.set()
        try:
            while (left := self._deadline_seconds - self._lease.unrenewed_seconds) > 0:
                # A renewal that is not answered must not take the time in which nobody else can lead yet.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await asyncio.sleep(RETRY_SECONDS)
                        await self._lease.take()
        finally:
            self._leading.clear()
        raise LeadershipLost(f"{self._identity} could not renew the Lease {LEASE_NAME} in {self._deadline_seconds:g} s")

    async def resign(self) -> None:
        """Hand leadership over without waiting for the Lease to expire."""
        await self._lease.resign()
