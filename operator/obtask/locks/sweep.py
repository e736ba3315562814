"""Owns the search for Leases whose holder is finished or gone, and the deletion of unused ones. API.md section 4."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice

from obtask.cache.locks import LockCache
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable
from obtask.kube.leases import Lease, Leases
from obtask.kube.tasks import Tasks
from obtask.model.constraints import is_path_segment
from obtask.model.task import Key, is_finished
from obtask.rules.fencing import may_go
from obtask.rules.lock_keys import holder_name, holder_uid

logger = logging.getLogger(__name__)

COLLECTED_AT_ONCE = 20
LOOKED_AT_ONCE = 20


class Sweeper:
    """Empties Leases that name a finished or deleted task, and deletes Leases that have been free for long.

    A holder that is no task is a person's hold, and stays. ``runs_here`` tells whether something of a task, by its uid, still runs in
    this operator: its lock is not free before that has stopped, whatever its status says.
    """

    def __init__(
        self,
        leases: Leases,
        tasks: Tasks,
        cache: LockCache,
        clock: Callable[[], datetime],
        runs_here: Callable[[Key, str], bool] | None = None,
    ) -> None:
        self._leases = leases
        self._tasks = tasks
        self._cache = cache
        self._clock = clock
        self._runs_here = runs_here

    async def sweep(self) -> int:
        """Look at some of the held Leases, at others at the next call; return how many were freed.

        What the watches tell is believed: this finds what they have missed, which nobody has seen yet. Those of unknown holders are all
        looked at by the next ``sweep_strays``: what was in the way of freeing them may be gone.
        """
        self._cache.suspect_strays()
        return sum([await self._checked(lease) for lease in self._cache.some_held(LOOKED_AT_ONCE)])

    async def read(self, lease: Lease) -> Lease | ApiError:
        """Return a Lease as it is now."""
        return await self._leases.get(lease.namespace, lease.name)

    async def collect(self) -> int:
        """Delete some of the locks that nobody has wanted for long; return how many went. Others' Leases are left alone."""
        idle = (lease for lease in self._cache.some_free() if self._is_idle(lease))
        return sum([await self._collect(lease) for lease in islice(idle, COLLECTED_AT_ONCE)])

    def _is_idle(self, lease: Lease) -> bool:
        renewed = datetime.fromisoformat(lease.renewed_at) if lease.renewed_at else None
        return may_go(self._clock(), token=lease.transitions, renewed=renewed)

    async def _collect(self, lease: Lease) -> bool:
        # A claim in the meantime is a write: the version no longer matches, and the deletion is refused.
        answer = await self._leases.delete(lease)
        if isinstance(answer, ApiError) and not (answer.missing or answer.conflict):
            # It must not block the others in each round.
            self._cache.keep(lease)
            logger.warning("free lease %s/%s not deleted: %s", lease.namespace, lease.name, answer.message)
        left = await self._look_again(lease)
        if left is not None and not left.holder and not isinstance(answer, ApiError):
            self._cache.keep(left)  # somebody else's finalizer keeps it: asking again changes nothing
        return not isinstance(answer, ApiError)

    async def sweep_strays(self) -> int:
        """Check each Lease whose holder was unknown at the last call, too, once as far as the API server answers."""
        return sum([await self._checked(lease) for lease in self._cache.strays_again()])

    async def _checked(self, lease: Lease) -> bool:
        freed = False
        try:
            freed = await self.check(lease)
        except ApiUnavailable:
            raise
        except ApiForbidden as error:
            logger.warning("lease %s/%s: %s", lease.namespace, lease.name, error)
        except Exception:  # a fault with this one must not stop the others
            logger.exception("lease %s/%s not looked at", lease.namespace, lease.name)
        self._cache.looked_up(lease)
        return freed

    async def check(self, lease: Lease) -> bool:
        """Empty the Lease if its holder is finished or gone; return whether that freed it."""
        name_of_a_task = is_path_segment(holder_name(lease.holder)) and holder_uid(lease.holder)
        if not name_of_a_task or not await self._over(lease):
            return False
        answer = await self._leases.write(replace(lease, holder="", acquired_at=None), self._clock())
        if isinstance(answer, ApiError):
            await self._look_again(lease)
            return False
        logger.info("freed lease %s/%s: its holder %s is finished or gone", lease.namespace, lease.name, lease.holder)
        self._cache.update_lease(answer)
        return True

    async def _look_again(self, lease: Lease) -> Lease | None:
        """Update the cache with a Lease that has changed; its deletion may have gone unreported. Return it if it exists."""
        fresh = await self.read(lease)
        if not isinstance(fresh, ApiError):
            self._cache.update_lease(fresh)
            return fresh
        if fresh.missing:
            self._cache.forget_lease(lease)
        return None

    async def _over(self, lease: Lease) -> bool:
        key, uid = Key(lease.namespace, holder_name(lease.holder)), holder_uid(lease.holder)
        answer = await self._tasks.get(key)
        if isinstance(answer, ApiError):
            return answer.missing
        if answer["metadata"]["uid"] != uid:
            return True
        return is_finished(answer) and not (self._runs_here is not None and self._runs_here(key, uid))
