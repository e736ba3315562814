"""Owns what a turn has to do with locks: who is in the way, taking, verifying, giving back, and when to look again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.cache.locks import Board
from obtask.kube.leases import Lease
from obtask.locks.protocol import Claimed, Contended, Kept, Locks, Outpaced, Stolen
from obtask.locks.sweep import Sweeper
from obtask.model.attempt import AttemptId
from obtask.model.status import Phase
from obtask.model.task import InvalidSpec, Key, Task
from obtask.rules.bounds import NO_BOUNDS, Bounds
from obtask.rules.decision import TakeLock, VerifyLock
from obtask.rules.exclusion import Contender, InTheWay, as_blockers
from obtask.rules.lock_keys import LockKey, task_lock_key
from obtask.rules.nonces import Nonces
from obtask.rules.observation import Granted, LockAnswer, Observation, Obstacle, Refused, Renewed, Report, Taken

# A waiter far back in a long line shows changes later: the whole line costs a few writes per second at any length.
REFRESH_BASE_SECONDS = 3.0
REFRESH_PER_PLACE_SECONDS = 0.25
REFRESH_MOST_SECONDS = 60.0
RELOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What the lock protocol said, and a claim to give back once what follows from it is stored."""

    answer: LockAnswer
    give_back: Lease | None = None


@dataclass(frozen=True, slots=True)
class _Met:
    """Who was met at the Lease although the board knows of nobody, and until when that counts."""

    blockers: tuple[Contender, ...]
    until: datetime


class Locking:
    """Connects the pure rules of exclusion with the Leases."""

    def __init__(
        self,
        board: Board,
        locks: Locks,
        sweeper: Sweeper,
        jitter: Callable[[], float],
        runner: str,
        *,
        nonces: Nonces | None = None,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        self._board = board
        self._locks = locks
        self._sweeper = sweeper
        self._jitter = jitter
        self._runner = runner
        self._nonces = nonces
        self._bounds = bounds
        self._shown_at: dict[str, datetime] = {}
        self._met: dict[str, _Met] = {}
        self.draining = False

    def observe(self, task: Task, reports: Mapping[AttemptId, Report], now: datetime) -> Observation:
        """Return what the world says now, as far as it is in memory."""
        lock = task_lock_key(task)
        if lock is None:
            return Observation(now, self._runner, reports, draining=self.draining, nonces=self._nonces, bounds=self._bounds)
        claimed = self._board.claimed(task, lock)
        # A claim left behind by a turn that did not end is taken up or given back: others may be waiting for it.
        in_line = task.status.phase.in_line and not claimed
        found = self._in_the_way(task, lock, now) if in_line else InTheWay()
        # What another operator has shown before this one started counts as shown now: a start is no reason to write to a whole line.
        shown = self._shown_at.setdefault(task.metadata.uid, now) if task.status.phase is Phase.WAITING else None
        return Observation(
            now,
            self._runner,
            reports,
            obstacle=_obstacle(found),
            lock_in_doubt=task.status.lock is not None and not claimed,
            refresh_due=shown is None or now - shown >= self._refresh_pause(task),
            draining=self.draining,
            nonces=self._nonces,
            bounds=self._bounds,
        )

    async def ask(self, task: Task, intent: TakeLock | VerifyLock, now: datetime) -> Answered | None:
        """Try to take the task's lock, or look whether it still has it; None: look at the task again."""
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
                if not await self._free_holders(blockers, task) and not self._board.in_the_way(task, lock).count:
                    self._met[task.metadata.uid] = _Met(blockers, now + timedelta(seconds=REFRESH_BASE_SECONDS))
                return Answered(Refused(_obstacle(InTheWay(blockers, len(blockers)))), claim)
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
            case Kept() | Outpaced():
                return None

    def holds(self, task: Task) -> bool:
        """Return whether the lock that a task has by its status is its own, as far as is known here."""
        lock = task_lock_key(task)
        return task.status.lock is not None and (lock is None or self._board.claimed(task, lock))

    async def give_back(self, claim: Lease) -> None:
        """Give a claim back whose task is fenced."""
        await self._locks.give_back(claim)

    async def release(self, task: Task) -> LockKey | None:
        """Give back the lock of a task that is finished; return it if somebody was waiting for it to be free."""
        self.forget(task.metadata.uid)
        lock = task_lock_key(task)
        if lock is None:
            if isinstance(task.spec, InvalidSpec):
                await self.free_departed(task.key)  # it may have had a lock as long as its spec could be read
            return None
        awaited = self._board.claimed(task, lock) and bool(self._board.line(lock.domain).queues)
        await self._locks.release(task, lock)
        return lock if awaited else None

    async def take_back(self, task: Task) -> None:
        """Give back what was claimed for a task that another operator has ended in the meantime."""
        lock = task_lock_key(task)
        if lock is not None and self._board.claimed(task, lock):
            await self._locks.release(task, lock)

    async def free_departed(self, key: Key) -> None:
        """Free the Leases that name a task of this name which is gone."""
        for lease in self._board.leases_of(key):
            await self._sweeper.check(lease)

    def stored(self, task: Task, now: datetime) -> None:
        """Take note that a status was stored."""
        if task.status.phase is Phase.WAITING:
            self._shown_at[task.metadata.uid] = now
        else:
            self.forget(task.metadata.uid)

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a task that waits no more."""
        self._shown_at.pop(uid, None)
        self._met.pop(uid, None)

    def look_again_in(self, task: Task, wake_at: datetime | None, now: datetime) -> timedelta:
        """Return when to look at a resting unfinished task again if nothing happens before."""
        latest = timedelta(seconds=RELOOK_SECONDS)
        if task.status.phase is Phase.WAITING:
            latest = self._refresh_pause(task)
        latest *= 1 + self._jitter() / 4
        return min(wake_at - now, latest) if wake_at else latest

    def _in_the_way(self, task: Task, lock: LockKey, now: datetime) -> InTheWay:
        found = self._board.in_the_way(task, lock)
        met = self._met.get(task.metadata.uid)
        # A Lease that a person made, without our labels, is on no board: without this, the task would try again and again.
        return found if found.count or met is None or met.until <= now else InTheWay(met.blockers, len(met.blockers))

    async def _free_holders(self, blockers: tuple[Contender, ...], task: Task) -> bool:
        """Free the Leases of holders that are finished or gone; return whether there were any."""
        leases = [self._board.lease(task.metadata.namespace, other.lock) for other in blockers if not self._board.knows(other)]
        return any([await self._sweeper.check(lease) for lease in leases if lease is not None])

    def _refresh_pause(self, task: Task) -> timedelta:
        lock = task_lock_key(task)
        place = self._board.place(task, lock) if lock else 0
        return timedelta(seconds=min(REFRESH_BASE_SECONDS + place * REFRESH_PER_PLACE_SECONDS, REFRESH_MOST_SECONDS))


def _obstacle(found: InTheWay) -> Obstacle:
    return Obstacle(as_blockers(found.first), found.count)
