"""Owns which tasks are due for a turn: a queue by key, never two turns of one task at a time, namespaces in turn."""

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable

from obtask.model.task import Key

# A namespace that was alone for so long has most of the workers. One that comes back then finds a free worker at once, and the turns
# that are too many are over in a fraction of a second.
ALONE_AFTER_SECONDS = 10.0
# Of so many turns one goes to a task that is not urgent, however many are.
URGENT_IN_A_ROW = 3
MOST_LEFT_BEHIND = 64  # alarms of no use any more: one that is replaced a week before its time would stay for that week


class _Lines:
    """Keys that wait, in one line for each namespace; the lines are served in turn."""

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
        """Take the first key of the namespace whose turn it is among those that may have one."""
        # Only those that have turns already may not: there are fewer of them than workers.
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
    """How many turns a namespace may have at once: most of them while it is alone, ``most`` while others come too.

    That, and no more than are left for the others: a namespace whose turns take long does not keep all workers, and one with many
    turns does not fill the loop.
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
        """Return the number of turns that the namespace may have at once, while so many are under way."""
        _, others_came = self._newest_other if namespace == self._newest[0] else self._newest
        if now - others_came >= ALONE_AFTER_SECONDS:
            return max(self._most, self._workers - self._workers // 4)
        return max(1, min(self._most, self._workers - busy))


class WorkQueue:
    """The tasks that are to be reconciled. One that is enqueued while it is reconciled is reconciled once more; otherwise twice is once.

    ``workers`` is how many turns there can be at once; ``most`` is how many of them a namespace has while others come too.
    """

    def __init__(self, workers: int | None = None, most: int = 1) -> None:
        self._share = None if workers is None else _Share(workers, most)
        self._due = _Lines()
        self._urgent = _Lines()
        self._in_a_row = 0
        self._busy: set[Key] = set()
        self._turns_of: dict[str, int] = {}
        self._again: set[Key] = set()
        self._alarms: list[tuple[float, int, Key]] = []
        self._alarm_of: dict[Key, float] = {}
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
        self._alarm_of[key] = at
        heapq.heappush(self._alarms, (at, self._order, key))
        if len(self._alarms) > 2 * len(self._alarm_of) + MOST_LEFT_BEHIND:
            self._alarms = [alarm for alarm in self._alarms if self._alarm_of.get(alarm[2]) == alarm[0]]
            heapq.heapify(self._alarms)
        self._enqueue_due()

    async def next(self) -> Key:
        """Return the next task that is due, and reserve it until ``done``."""
        while True:
            key = self._take()
            if key is not None:
                return key
            turn = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._wake()  # somebody else must come
                raise

    def done(self, key: Key) -> None:
        """End the turn of a task; if it was enqueued meanwhile, it is due again."""
        self._busy.discard(key)
        left = self._turns_of.pop(key.namespace, 1) - 1
        if left:
            self._turns_of[key.namespace] = left
        if key in self._again:
            self._again.discard(key)
            self.enqueue(key, urgent=True)
        elif self.waiting:
            self._wake()  # a namespace that had its share may have another turn
        if not self._busy and not self.waiting:
            self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no task is due and none has its turn."""
        await self._quiet.wait()

    @property
    def waiting(self) -> int:
        """How many tasks are due."""
        return len(self._urgent) + len(self._due)

    def _take(self) -> Key | None:
        first, second = (self._urgent, self._due) if self._in_a_row < URGENT_IN_A_ROW else (self._due, self._urgent)
        for lines in (first, second):
            key = lines.take(self._may_have_a_turn)
            if key is not None:
                self._in_a_row = self._in_a_row + 1 if lines is self._urgent else 0
                self._alarm_of.pop(key, None)
                self._busy.add(key)
                self._turns_of[key.namespace] = self._turns_of.get(key.namespace, 0) + 1
                return key
        return None

    def _may_have_a_turn(self, namespace: str) -> bool:
        if self._share is None:
            return True
        now = asyncio.get_running_loop().time()
        return self._turns_of.get(namespace, 0) < self._share.of(namespace, now, len(self._busy))

    def _wake(self) -> None:
        """Have one worker look: one key needs no more."""
        while self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _enqueue_due(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._alarms:
            at, _, key = self._alarms[0]
            if self._alarm_of.get(key) != at:
                heapq.heappop(self._alarms)
            elif at <= loop.time():
                heapq.heappop(self._alarms)
                del self._alarm_of[key]
                self.enqueue(key)
            else:
                self._timer = loop.call_at(at, self._enqueue_due)
                return
