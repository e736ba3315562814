"""Owns fair shares: a number of slots, or of threads, given to namespaces in turn, so that none of them can take all."""

import asyncio
import heapq
import itertools
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")

MOST_LEFT_BEHIND = 64  # entries of no use in a heap that is small anyway

# Those of one namespace that wait, the longest first.
_Line = OrderedDict[asyncio.Future[None], None]


class Slot:
    """A slot that its holder may give back for a while."""

    def __init__(self, slots: "Slots", namespace: str) -> None:
        self._slots = slots
        self._namespace = namespace
        self.held = False

    def take_now(self) -> bool:
        """Take a slot if there is one for this namespace at once; return whether there was."""
        self.held = self.held or self._slots._take_now(self._namespace)  # noqa: SLF001
        return self.held

    async def take(self) -> None:
        """Wait until it is this namespace's turn; whoever is cancelled meanwhile holds nothing."""
        await self._slots._take(self._namespace)  # noqa: SLF001 - a slot is a part of its slots
        self.held = True

    def give_back(self) -> None:
        """Let somebody else have the slot; without one this does nothing."""
        if self.held:
            self.held = False
            self._slots._give_back(self._namespace)  # noqa: SLF001

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[None]:
        """Hold no slot as long as the block lasts, such as between two polls; then wait for one again."""
        self.give_back()
        yield
        await self.take()


class Slots:
    """Slots that namespaces share.

    A namespace gets another slot as long as it holds fewer than half of what is free (the dynamic threshold of Choudhury and Hahne,
    1998): alone it can have a third of all, ``n`` greedy ones at once an (n+2)th each, and something is left for the next one. One
    slot may be had by everybody. Of those that wait, the namespace that holds the fewest is next, and among equals the one that has waited
    longest since its last turn. ``most`` is what a namespace holds at most, whatever is free. Everything takes O(log namespaces).
    """

    def __init__(self, slots: int, *, most: int | None = None) -> None:
        self._slots = slots
        self._most = slots if most is None else most
        self._free = slots
        self._held: dict[str, int] = {}
        self._waiting: dict[str, _Line] = {}
        # (held, turn, namespace): only the last entry of a namespace counts, those before it are left behind.
        self._line: list[tuple[int, int, str]] = []
        self._turn_of: dict[str, int] = {}
        self._turns = itertools.count()

    def __repr__(self) -> str:
        return f"Slots({self._slots}, free={self._free}, held={self._held}, waiting={self.waiting})"

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait, by namespace."""
        return {namespace: len(line) for namespace, line in self._waiting.items()}

    def held(self, namespace: str) -> int:
        """Return how many slots the namespace has."""
        return self._held.get(namespace, 0)

    def full(self, namespace: str) -> bool:
        """Return whether this namespace would have to wait for a slot."""
        return namespace in self._waiting or not self._may_take(namespace)

    @asynccontextmanager
    async def of(self, namespace: str) -> AsyncGenerator[Slot]:
        """Hold one of the namespace's slots as long as the block lasts."""
        slot = Slot(self, namespace)
        await slot.take()
        try:
            yield slot
        finally:
            slot.give_back()

    def _may_take(self, namespace: str) -> bool:
        return self._free > 0 and self.held(namespace) < max(1, min(self._most, self._free // 2))

    def _grant(self, namespace: str) -> None:
        self._free -= 1
        self._held[namespace] = self.held(namespace) + 1

    def _take_now(self, namespace: str) -> bool:
        if self.full(namespace):
            return False
        self._grant(namespace)
        return True

    async def _take(self, namespace: str) -> None:
        if self._take_now(namespace):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(namespace, OrderedDict())
        line[turn] = None
        if len(line) == 1:
            self._queue(namespace)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give_back(namespace)
            elif turn in line:
                del line[turn]
                self._end_line(namespace, line)
            raise

    def _give_back(self, namespace: str) -> None:
        self._free += 1
        left = self._held.pop(namespace) - 1
        if left:
            self._held[namespace] = left
        if namespace in self._waiting:
            self._queue(namespace)
        self._serve()

    def _queue(self, namespace: str) -> None:
        turn = self._turn_of[namespace] = next(self._turns)
        heapq.heappush(self._line, (self.held(namespace), turn, namespace))
        if len(self._line) > 2 * len(self._waiting) + MOST_LEFT_BEHIND:
            self._line = [entry for entry in self._line if self._turn_of.get(entry[2]) == entry[1]]
            heapq.heapify(self._line)

    def _serve(self) -> None:
        while self._line:
            _, turn_number, namespace = self._line[0]
            line = self._waiting.get(namespace)
            if line is None or self._turn_of[namespace] != turn_number:
                heapq.heappop(self._line)
            elif not self._may_take(namespace):
                return  # nobody who waits holds fewer
            else:
                heapq.heappop(self._line)
                turn, _ = line.popitem(last=False)
                if not turn.done():  # else it was cancelled, and has not noticed yet
                    self._grant(namespace)
                    turn.set_result(None)
                if not self._end_line(namespace, line):
                    self._queue(namespace)

    def _end_line(self, namespace: str, line: _Line) -> bool:
        """Forget a line in which nobody waits; return whether it is one."""
        if line or self._waiting.get(namespace) is not line:
            return not line
        del self._waiting[namespace], self._turn_of[namespace]
        return True


class Amount:
    """An amount, such as of memory, that namespaces share. Nobody waits for it: whoever asks is told whether there is some left.

    One may have half of what is left: alone a third of all, and there is always something for the next one.
    """

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """How much of it is taken."""
        return self._held.total()

    def has_room(self, namespace: str) -> bool:
        """Return whether the namespace may have more."""
        return self._held[namespace] < (self._whole - self.held) // 2

    def keep(self, namespace: str, change: int) -> None:
        """Take note that the namespace has so much more, or less."""
        self._held[namespace] += change
        if self._held[namespace] <= 0:
            del self._held[namespace]


class Pace:
    """How often in a second the work of one namespace may go on. What is too early waits; nobody else does.

    Slots bound how much runs at once, not how much of the event loop's time it takes: work that is quick, and comes again and again,
    would keep the loop busy from one slot.
    """

    def __init__(self, per_second: float, *, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 1 / per_second
        self._ahead = burst / per_second
        self._clock = clock
        self._next_at: dict[str, float] = {}

    async def turn(self, namespace: str) -> None:
        """Wait until the namespace may go on."""
        now = self._clock()
        if len(self._next_at) > MOST_LEFT_BEHIND:
            self._next_at = {name: at for name, at in self._next_at.items() if at > now - self._ahead}
        at = max(self._next_at.get(namespace, 0.0), now - self._ahead) + self._gap
        self._next_at[namespace] = at
        if at > now:
            try:
                await asyncio.sleep(at - now)
            except asyncio.CancelledError:
                if namespace in self._next_at:
                    self._next_at[namespace] -= self._gap  # who waits no longer leaves the turn to somebody else
                raise


class Threads:
    """Threads that namespaces share. A thread cannot be cancelled: until it ends it counts as its namespace's, whoever still waits."""

    def __init__(self, threads: int, *, most: int | None = None) -> None:
        self._slots = Slots(threads, most=most)

    def full(self, namespace: str) -> bool:
        """Return whether this namespace would have to wait for a thread."""
        return self._slots.full(namespace)

    async def run(self, namespace: str, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises; it runs in a thread that does not keep the process from ending."""
        slot = Slot(self._slots, namespace)
        await slot.take()
        loop = asyncio.get_running_loop()
        end: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            slot.give_back()
            if end.done():
                return
            if error is not None:
                end.set_exception(error)
            else:
                end.set_result(result)  # type: ignore[arg-type]  # without an error it is a T

        def carry_out() -> None:
            result, error = None, None
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 - whatever it is, whoever waits gets it
                error = raised
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the loop has ended before

        try:
            threading.Thread(target=carry_out, name=f"for {namespace}", daemon=True).start()
        except RuntimeError:
            slot.give_back()
            raise
        return await end
