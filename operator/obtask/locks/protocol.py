"""Owns the order of API calls by which a lock is taken, checked and given back.

Every write carries the resourceVersion that was read. Both sides of a conflict write their own Lease before they read those
of their rivals, and that read is consistent: at least one of them sees the other. docs/design/lock-protocol.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from obtask.cache.locks import LockCache, is_marked, key_of
from obtask.kube.api import ApiError, ApiForbidden
from obtask.kube.errors import explained
from obtask.kube.leases import Lease, Leases, micro_time
from obtask.model.contract import Phase
from obtask.model.status import LockStatus
from obtask.model.task import Task
from obtask.rules.exclusion import Contender, conflicts
from obtask.rules.fencing import first_token, next_token
from obtask.rules.lock_keys import LockKey, holder_identity, holder_name, holder_uid

# After losing so many races the task waits: others need the worker.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Claimed:
    """The Lease names the task by our own write, and after that write there was no conflicting holder."""

    lock: LockStatus


@dataclass(frozen=True, slots=True)
class Contended:
    """Somebody is in the way. ``claim`` is our own claim, to be given back once the task is fenced."""

    blockers: tuple[Contender, ...]
    claim: Lease | None


@dataclass(frozen=True, slots=True)
class Outpaced:
    """Somebody else wrote the Lease at the same time: look again."""


@dataclass(frozen=True, slots=True)
class StillHeld:
    """The Lease names the task, as its status says."""


@dataclass(frozen=True, slots=True)
class Stolen:
    """The Lease, or one that conflicts with it, names somebody else. ``claim`` is ours, to be given back."""

    holder: str
    claim: Lease | None = None


class Locks:
    """Takes and gives back locks."""

    def __init__(self, leases: Leases, cache: LockCache, clock: Callable[[], datetime]) -> None:
        self._leases = leases
        self._cache = cache
        self._clock = clock

    async def take(self, task: Task, lock: LockKey) -> Claimed | Contended | Outpaced:
        """Claim the Lease of the task's scope key, then check that nobody conflicts."""
        # The cache may be behind: then the write is refused, and the Lease is read.
        lease = self._cache.lease(task.metadata.namespace, lock)
        me = holder_identity(task)
        if lease is not None and lease.holder not in ("", me):
            lease = await self._read(task, lock)
        if lease is not None and lease.holder not in ("", me):
            return Contended((_stranger(lease, lock),), None)
        claim = await self._claim(task, lock, lease)
        if isinstance(claim, ApiError):
            await self._read(task, lock)
            return Outpaced()
        others = await self._others(task, lock, claim)
        if others:
            return Contended(tuple(others), claim)
        return self._claimed(claim, lock)

    async def give_back(self, claim: Lease) -> None:
        """Empty the Lease at the version of our own claim; whoever wrote it since then keeps it."""
        answer = await self._leases.write(replace(claim, holder="", acquired_at=None), self._clock())
        if not isinstance(answer, ApiError):
            self._cache.update_lease(answer)

    async def release(self, task: Task, lock: LockKey) -> None:
        """Empty the Lease if it still names this very task. Only for a task whose end is stored.

        Raises ApiForbidden if the API server does not let it be emptied.
        """
        lease = self._cache.lease(task.metadata.namespace, lock)
        if lease is None or not self._names(lease, task):
            lease = await self._read(task, lock)
        for _ in range(TRIES):
            if lease is None or not self._names(lease, task):
                return
            answer = await self._leases.write(replace(lease, holder="", acquired_at=None), self._clock())
            if not isinstance(answer, ApiError):
                self._cache.update_lease(answer)
                return
            if not (answer.conflict or answer.missing):
                raise ApiForbidden(f"cannot free lease {lock.lease_name}: {explained(answer)}")
            lease = await self._read(task, lock)
        raise ApiForbidden(f"cannot free lease {lock.lease_name}: somebody else changes it all the time")

    async def verify(self, task: Task, lock: LockKey) -> StillHeld | Claimed | Stolen | Outpaced:
        """Check the Lease of a task that holds a lock by its status; restore it if it was deleted, emptied or unmarked by hand."""
        lease = await self._read(task, lock)
        if lease is not None and self._names(lease, task) and is_marked(lease, lock):
            return StillHeld()
        if lease is not None and lease.holder and not self._names(lease, task):
            return Stolen(lease.holder)
        claim = await self._claim(task, lock, lease)
        if isinstance(claim, ApiError):
            return Outpaced()
        others = await self._others(task, lock, claim)
        return Stolen(others[0].name, claim) if others else self._claimed(claim, lock)

    def _claimed(self, claim: Lease, lock: LockKey) -> Claimed:
        acquired = datetime.fromisoformat(claim.acquired_at) if claim.acquired_at else self._clock()
        return Claimed(LockStatus(lease=claim.name, scope=lock.scope.value, acquired_at=acquired, token=claim.transitions))

    async def _read(self, task: Task, lock: LockKey) -> Lease | None:
        answer = await self._leases.get(task.metadata.namespace, lock.lease_name)
        if isinstance(answer, ApiError):
            if not answer.missing:
                raise ApiForbidden(f"cannot read lease {lock.lease_name}: {explained(answer)}")
            gone = self._cache.lease(task.metadata.namespace, lock)
            if gone is not None:
                self._cache.forget_lease(gone)
            return None
        self._cache.update_lease(answer)
        return answer

    async def _claim(self, task: Task, lock: LockKey, lease: Lease | None) -> Lease | ApiError:
        now = self._clock()
        holder = holder_identity(task)
        if lease is None:
            token = first_token(now, held=_token_of(task))
            fresh = Lease(task.metadata.namespace, lock.lease_name, holder, token, micro_time(now), "", lock.labels, lock.annotations)
            answer = await self._leases.create(fresh, now)
        else:
            mine = self._names(lease, task)
            made = datetime.fromisoformat(lease.made_at) if lease.made_at else None
            token = (
                max(lease.transitions, _token_of(task))
                if mine
                else next_token(now, before=lease.transitions, made=made, held=_token_of(task))
            )
            claim = replace(
                lease,
                holder=holder,
                transitions=token,
                acquired_at=lease.acquired_at if mine and lease.acquired_at else micro_time(now),
                labels={**lease.labels, **lock.labels},
                annotations={**lease.annotations, **lock.annotations},
            )
            answer = await self._leases.write(claim, now)
        if not isinstance(answer, ApiError):
            self._cache.update_lease(answer)
        elif not (answer.conflict or answer.missing):
            raise ApiForbidden(f"cannot claim lease {lock.lease_name}: {explained(answer)}")
        return answer

    async def _others(self, task: Task, lock: LockKey, claim: Lease) -> list[Contender]:
        others = []
        for lease in await self._held(task, lock, claim):
            self._cache.update_lease(lease)
            if self._names(lease, task):
                continue
            theirs = key_of(lease)
            # An unreadable Lease may stand for anything: waiting in vain is better than a double hold.
            if theirs is None or conflicts(theirs, lock):
                others.append(_stranger(lease, theirs or lock.whole))
        return others

    async def _held(self, task: Task, lock: LockKey, claim: Lease) -> list[Lease]:
        """Return the Leases that name somebody and may conflict, besides the own one, from one consistent read.

        Our cache would miss a claim of this moment. What is read is not older than our own claim: of two claims the one with the lower
        version is seen by whoever made the other. The whole domain conflicts with everything in it, so all of it is listed. Of the others
        each has one rival besides its own Lease, or none: a Lease at a name that can be computed, which a GET finds whatever was edited
        into it, and however many others there are.
        """
        if lock.whole == lock:
            listed = await self._leases.list_domain(task.metadata.namespace, lock.domain.label, claim.version)
            return [lease for lease in listed if lease.holder]
        if not conflicts(lock.whole, lock):
            return []
        lease = await self._read(task, lock.whole)
        return [lease] if lease is not None and lease.holder else []

    def _names(self, lease: Lease, task: Task) -> bool:
        """Return whether the Lease names this very task, by name and uid: a namesake does not inherit it."""
        return lease.holder == holder_identity(task)


def _token_of(task: Task) -> int:
    """Return the token that the task holds by its status, or 0."""
    return task.status.lock.token if task.status.lock else 0


def _stranger(lease: Lease, lock: LockKey) -> Contender:
    since = datetime.fromisoformat(lease.acquired_at) if lease.acquired_at else None
    created = since or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return Contender(holder_name(lease.holder), holder_uid(lease.holder), lock, Phase.RUNNING, created, since)
