"""Owns what a reconcile does with locks: finding who is in the way, taking, verifying, giving back, and when to look again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.cache.cluster import ClusterCache
from obtask.cache.locks import key_of
from obtask.cache.tracked import Met
from obtask.kube.leases import Lease
from obtask.locks.protocol import Claimed, Contended, Locks, Outpaced, StillHeld, Stolen
from obtask.locks.sweep import Sweeper
from obtask.model.attempt import AttemptId
from obtask.model.contract import Phase
from obtask.model.task import InvalidSpec, Key, Task
from obtask.rules.bounds import NO_BOUNDS, Bounds
from obtask.rules.decision import TakeLock, VerifyLock
from obtask.rules.exclusion import Contender, InTheWay, as_blockers
from obtask.rules.lock_keys import LockKey, holder_uid, task_lock_key
from obtask.rules.nonces import Nonces
from obtask.rules.observation import Granted, LockAnswer, Observation, ObservedAttempt, Obstacle, Refused, Renewed, Taken

# The further back a waiter is, the later it shows a new position: the whole line costs at most about 18 writes a second at any length,
# half of them for the FRONT, which shows changes after 3 to 35 s; the others follow after a minute, or later in a line of thousands.
REFRESH_BASE_SECONDS = 3.0
REFRESH_PER_PLACE_SECONDS = 0.25
FRONT = 128
REFRESH_BEHIND_SECONDS = 60.0
WRITES_PER_SECOND_BEHIND = 8
RELOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of the lock protocol, and a claim to give back once the consequence is stored."""

    answer: LockAnswer
    give_back: Lease | None = None


class Locking:
    """Connects the pure rules of exclusion with the Leases."""

    def __init__(
        self,
        cache: ClusterCache,
        locks: Locks,
        sweeper: Sweeper,
        jitter: Callable[[], float],
        runner: str,
        *,
        nonces: Nonces | None = None,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        self._cache = cache
        self._locks = locks
        self._sweeper = sweeper
        self._jitter = jitter
        self._runner = runner
        self._nonces = nonces
        self._bounds = bounds
        self.draining = False

    def observe(self, task: Task, reports: Mapping[AttemptId, ObservedAttempt], now: datetime) -> Observation:
        """Return the observation of a task, as far as it can be had from memory."""
        lock = task_lock_key(task)
        if lock is None:
            return Observation(now, self._runner, reports, draining=self.draining, nonces=self._nonces, bounds=self._bounds)
        claimed = self._cache.locks.claimed(task, lock)
        # A claim left behind by a reconcile that was cut short is taken up or given back: others may be waiting for it.
        in_line = task.status.phase.in_line and not claimed
        rivals = self._in_the_way(task, lock, now) if in_line else InTheWay()
        # What another operator showed before this one started counts as shown now: a restart must not cause a write for every waiter.
        shown = self._shown_at(task, now) if task.status.phase is Phase.WAITING else None
        return Observation(
            now,
            self._runner,
            reports,
            obstacle=self._obstacle(rivals),
            lock_in_doubt=task.status.lock is not None and not claimed,
            refresh_due=shown is None or now - shown >= self._refresh_pause(task),
            draining=self.draining,
            nonces=self._nonces,
            bounds=self._bounds,
        )

    async def ask(self, task: Task, intent: TakeLock | VerifyLock, now: datetime) -> Answered | None:
        """Try to take the task's lock, or check whether it still has it; None: decide again."""
        match intent:
            case TakeLock():
                return await self._take(task, now)
            case VerifyLock():
                return await self._verify(task)

    async def _take(self, task: Task, now: datetime) -> Answered | None:
        lock = task_lock_key(task)
        if lock is None:
            return Answered(Granted(None))
        answer = await self._locks.take(task, lock)
        match answer:
            case Claimed(lock=held):
                return Answered(Granted(held))
            case Contended(blockers=blockers, claim=claim):
                freed = await self._free_holders(blockers, task)
                if not freed and not self._cache.locks.in_the_way(task, lock).count:
                    self._cache.tasks.track(task.key).meet(Met(blockers, now + timedelta(seconds=REFRESH_BASE_SECONDS)))
                return Answered(Refused(self._obstacle(InTheWay(blockers, len(blockers))), freed), claim)
            case Outpaced():
                return None

    async def _verify(self, task: Task) -> Answered | None:
        lock = task_lock_key(task)
        if lock is None:
            return None
        answer = await self._locks.verify(task, lock)
        match answer:
            case Claimed(lock=held):
                return Answered(Renewed(held))
            case Stolen(holder=holder, claim=claim):
                return Answered(Taken(holder), claim)
            case StillHeld() | Outpaced():
                return None

    def holds(self, task: Task) -> bool:
        """Return whether the lock in the task's status is its own according to the cache."""
        lock = task_lock_key(task)
        return task.status.lock is not None and (lock is None or self._cache.locks.claimed(task, lock))

    async def give_back(self, claim: Lease) -> None:
        """Give a claim back whose task is fenced."""
        await self._locks.give_back(claim)

    async def release(self, task: Task) -> LockKey | None:
        """Give back the lock of a task that is finished; return it if somebody was waiting for it to be free."""
        lock = task_lock_key(task)
        if lock is None:
            if isinstance(task.spec, InvalidSpec):
                await self.free_deleted(task.key)  # it may have taken a lock while its spec was readable
            return None
        awaited = self._cache.locks.claimed(task, lock) and bool(self._cache.locks.length(lock))
        await self._locks.release(task, lock)
        return lock if awaited else None

    async def take_back(self, task: Task) -> None:
        """Give back a claim for a task that another operator has finished in the meantime."""
        lock = task_lock_key(task)
        if lock is not None and self._cache.locks.claimed(task, lock):
            await self._locks.release(task, lock)

    async def free_deleted(self, key: Key) -> None:
        """Free the Leases that name a deleted task of this name."""
        for lease in self._cache.locks.leases_of(key):
            await self._sweeper.check(lease)

    def stored(self, task: Task, now: datetime) -> None:
        """Note that a status was stored."""
        tracked = self._cache.tasks.tracked(task.key)
        if tracked is not None:
            tracked.show(now, waits=task.status.phase is Phase.WAITING)

    def look_again_in(self, task: Task, wake_at: datetime | None, now: datetime) -> timedelta:
        """Return when to reconcile a resting unfinished task again, unless it is enqueued before."""
        latest = timedelta(seconds=RELOOK_SECONDS)
        if task.status.phase is Phase.WAITING:
            latest = self._relook_pause(task)
        latest *= 1 + self._jitter() / 4
        return min(wake_at - now, latest) if wake_at else latest

    def _in_the_way(self, task: Task, lock: LockKey, now: datetime) -> InTheWay:
        rivals = self._cache.locks.in_the_way(task, lock)
        tracked = self._cache.tasks.tracked(task.key)
        met = tracked.met if tracked is not None else None
        # A Lease that a person made without our labels is not in the cache: without this, the task would retry at once for ever.
        return rivals if rivals.count or met is None or met.until <= now else InTheWay(met.blockers, len(met.blockers))

    def _obstacle(self, rivals: InTheWay) -> Obstacle:
        return Obstacle(as_blockers(rivals.first), rivals.count, hearsay=not any(map(self._cache.locks.knows, rivals.first)))

    async def _free_holders(self, blockers: tuple[Contender, ...], task: Task) -> bool:
        """Free the Leases of holders that are finished or gone; return whether one is free now, whoever has freed it."""
        unknown = [other for other in blockers if not self._cache.locks.knows(other)]
        for other in unknown:
            lease = self._cache.locks.lease(task.metadata.namespace, other.lock)
            if lease is not None:
                await self._sweeper.check(lease)
        return not all(self._still_holds(task.metadata.namespace, other) for other in unknown)

    def _still_holds(self, namespace: str, other: Contender) -> bool:
        leases = self._cache.locks.leases_of(Key(namespace, other.name))
        # One that cannot be read counts as one of the whole domain.
        return any(holder_uid(lease.holder) == other.uid and key_of(lease) in {other.lock, None} for lease in leases)

    def _refresh_pause(self, task: Task) -> timedelta:
        return refresh_pause(*self._place(task))

    def _relook_pause(self, task: Task) -> timedelta:
        position, length = self._place(task)
        return min(refresh_pause(position, length), relook_pause(position))

    def _place(self, task: Task) -> tuple[int, int]:
        """Return how many wait in front of a task, and how many in all."""
        lock = task_lock_key(task)
        return (self._cache.locks.position(task, lock), self._cache.locks.length(lock)) if lock is not None else (0, 0)

    def _shown_at(self, task: Task, now: datetime) -> datetime:
        return self._cache.tasks.track(task.key).last_shown(now)


def refresh_pause(position: int, length: int) -> timedelta:
    """Return the pause between two updates of the shown position, for a waiter at this position in a line of this length."""
    if position < FRONT:
        return timedelta(seconds=REFRESH_BASE_SECONDS + position * REFRESH_PER_PLACE_SECONDS)
    return timedelta(seconds=max(REFRESH_BEHIND_SECONDS, length / WRITES_PER_SECOND_BEHIND))


def relook_pause(position: int) -> timedelta:
    """Return how soon a waiter at this position may be among the first, who show changes more often: it is reconciled by then."""
    return timedelta(seconds=max(REFRESH_BEHIND_SECONDS, (position - FRONT) / WRITES_PER_SECOND_BEHIND))
