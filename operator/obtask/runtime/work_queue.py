"""Owns the work queue: which tasks are due, never one task twice at the same time, fair among namespaces."""

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable

from obtask.model.task import Key

# A namespace that was alone for so long has most of the workers. One that comes back then finds a free worker at once, and the
# surplus reconciles are over in a fraction of a second.
ALONE_AFTER_SECONDS = 10.0
# After so many urgent tasks in a row a task that is not urgent is reconciled, if there is one.
URGENT_IN_A_ROW = 3
MOST_LEFT_BEHIND = 64  # superseded timers that are kept: one that is replaced a week before its time would stay for that week


class _Lines:
    """Keys that wait, in one line for each namespace; the lines are served in waiter."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()
        self._count = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._lines.get(key.namespace, ())

    def add(self, key: Key) -> None:
        self._lines.setdefault(key.namespace, OrderedDict())[key] = None
        self._count += 1

    def remove(self, key: Key) -> None:
        line = self._lines[key.namespace]
        del line[key]
        self._count -= 1
        if not line:
            del self._lines[key.namespace]

    def take(self, may: Callable[[str], bool]) -> Key | None:
        """Take the first key of the next namespace that may have another worker."""
        # Only namespaces with workers already may not: there are fewer of them than workers.
        namespace = next(filter(may, self._lines), None)
        if namespace is None:
            return None
        key = next(iter(self._lines[namespace]))
        self.remove(key)
        if namespace in self._lines:
            self._lines.move_to_end(namespace)
        return key

    def __len__(self) -> int:
        return self._count


class _Share:
    """How many workers a namespace may have at once: most of them while it is alone, ``most`` while others come too.

    That, and no more than are left for the others: a namespace whose reconciles take long does not keep all workers, and one with
    many does not fill the loop.
    """

    def __init__(self, workers: int, most: int) -> None:
        self._workers = workers
        self._most = most
        # Who came last, and who came last apart from that one.
        self._newest = ("", -ALONE_AFTER_SECONDS)
        self._newest_other = ("", -ALONE_AFTER_SECONDS)

    def came(self, namespace: str, now: float) -> None:
        """Remember that the namespace had something due."""
        if namespace != self._newest[0]:
            self._newest_other = self._newest
        self._newest = (namespace, now)

    def of(self, namespace: str, now: float, busy: int) -> int:
        """Return how many workers the namespace may have while so many are busy."""
        _, others_came = self._newest_other if namespace == self._newest[0] else self._newest
        if now - others_came >= ALONE_AFTER_SECONDS:
            return max(self._most, self._workers - self._workers // 4)
        return max(1, min(self._most, self._workers - busy))


class WorkQueue:
    """The tasks that are to be reconciled. One that is enqueued while it is reconciled is reconciled once more; otherwise twice is once.

    ``workers`` is how many tasks are reconciled at once; ``most`` is how many of them are one namespace's while others come too.
    """

    def __init__(self, workers: int | None = None, most: int = 1) -> None:
        self._share = None if workers is None else _Share(workers, most)
        self._due = _Lines()
        self._urgent = _Lines()
        self._in_a_row = 0
        self._busy: set[Key] = set()
        self._busy_of: dict[str, int] = {}
        self._again: set[Key] = set()
        self._timers: list[tuple[float, int, Key]] = []
        self._due_at: dict[Key, float] = {}
        self._order = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle: deque[asyncio.Future[None]] = deque()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def enqueue(self, key: Key, *, urgent: bool = False) -> None:
        """Have the task reconciled soon; urgent ones (an attempt ended, a lock is free) go first, also if they were enqueued before."""
        if self._share is not None:
            self._share.came(key.namespace, asyncio.get_running_loop().time())
        if key in self._busy:
            self._again.add(key)
            return
        if urgent and key in self._due:
            self._due.remove(key)
        elif key in self._due or key in self._urgent:
            return
        (self._urgent if urgent else self._due).add(key)
        self._quiet.clear()
        self._wake()

    def enqueue_after(self, key: Key, seconds: float) -> None:
        """Have the task reconciled after this time, unless it is enqueued before. The last time set counts."""
        at = asyncio.get_running_loop().time() + max(seconds, 0)
        self._order += 1
        self._due_at[key] = at
        heapq.heappush(self._timers, (at, self._order, key))
        if len(self._timers) > 2 * len(self._due_at) + MOST_LEFT_BEHIND:
            self._timers = [timer for timer in self._timers if self._due_at.get(timer[2]) == timer[0]]
            heapq.heapify(self._timers)
        self._enqueue_due()

    async def next(self) -> Key:
        """Return the next task that is due, and reserve it until ``done``."""
        while True:
            key = self._take()
            if key is not None:
                return key
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():
                    self._wake()  # somebody else must come
                raise

    def done(self, key: Key) -> None:
        """Note that a task was reconciled; if it was enqueued meanwhile, it is due again."""
        self._busy.discard(key)
        left = self._busy_of.pop(key.namespace, 1) - 1
        if left:
            self._busy_of[key.namespace] = left
        if key in self._again:
            self._again.discard(key)
            self.enqueue(key, urgent=True)
        elif self.waiting:
            self._wake()  # a namespace that had its share may have a worker again
        if not self._busy and not self.waiting:
            self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no task is due and none is being reconciled."""
        await self._quiet.wait()

    @property
    def waiting(self) -> int:
        """How many tasks are due."""
        return len(self._urgent) + len(self._due)

    def _take(self) -> Key | None:
        first, second = (self._urgent, self._due) if self._in_a_row < URGENT_IN_A_ROW else (self._due, self._urgent)
        for lines in (first, second):
            key = lines.take(self._may_have_a_worker)
            if key is not None:
                self._in_a_row = self._in_a_row + 1 if lines is self._urgent else 0
                self._due_at.pop(key, None)
                self._busy.add(key)
                self._busy_of[key.namespace] = self._busy_of.get(key.namespace, 0) + 1
                return key
        return None

    def _may_have_a_worker(self, namespace: str) -> bool:
        if self._share is None:
            return True
        now = asyncio.get_running_loop().time()
        return self._busy_of.get(namespace, 0) < self._share.of(namespace, now, len(self._busy))

    def _wake(self) -> None:
        """Have one worker look: one key needs no more."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _enqueue_due(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._timers:
            at, _, key = self._timers[0]
            if self._due_at.get(key) != at:
                heapq.heappop(self._timers)
            elif at <= loop.time():
                heapq.heappop(self._timers)
                del self._due_at[key]
                self.enqueue(key)
            else:
                self._timer = loop.call_at(at, self._enqueue_due)
                return
