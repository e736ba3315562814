"""Owns the results of compiling expressions. The compiled programs themselves stay in the evaluation processes."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from obtask.engine.asking import Asking
from obtask.model.contract import Phase
from obtask.model.limits import one_line
from obtask.model.task import Key, Task
from obtask.rules.expressions import ExpressionFault, Question, Verdicts
from obtask.rules.validation import unchecked

logger = logging.getLogger(__name__)

# A task may have about 3,000 expressions: they must all fit at once and leave room for other tasks.
MOST_VERDICTS = 16_384
SHOWN_FAULT = 240
PAUSE_SECONDS = 5.0

Compiles = Callable[[str, Question], Awaitable[ExpressionFault | None]]
"""Returns why an expression of a namespace does not compile, or None. Raises OSError when no evaluation process can answer."""


class Queue(Protocol):
    """Has tasks reconciled."""

    def enqueue(self, key: Key, *, urgent: bool = False) -> None:
        """Have the task reconciled soon."""

    def enqueue_after(self, key: Key, seconds: float) -> None:
        """Have the task reconciled after this time."""


class Checks:
    """Has expressions compiled in the background, so that no reconcile waits for it, and remembers the results."""

    def __init__(self, compiles: Compiles, queue: Queue) -> None:
        self._compiles = compiles
        self._queue = queue
        self._verdicts: OrderedDict[bytes, ExpressionFault | None] = OrderedDict()
        self._asking = Asking[Key]("checking")

    def verdicts(self, task: Task) -> Verdicts:
        """Return the results that there are for the expressions of a task that is Pending: of others they are known to be sound."""
        verdicts: dict[Question, ExpressionFault | None] = {}
        if task.status.phase is not Phase.PENDING:
            return verdicts
        for question in unchecked(task, {}):
            name = _digest(question)
            if name in self._verdicts:
                self._verdicts.move_to_end(name)
                verdicts[question] = self._verdicts[name]
        return verdicts

    def ask(self, key: Key, questions: tuple[Question, ...]) -> None:
        """Have the questions answered one by one, up to the first fault; then the task is enqueued."""
        if key not in self._asking:
            self._asking.begin(key, partial(self._ask, key, questions))

    def forget(self, key: Key) -> None:
        """Stop asking for a deleted task."""
        self._asking.forget(key)

    async def close(self) -> None:
        """Stop asking."""
        await self._asking.close()

    async def _ask(self, key: Key, questions: tuple[Question, ...]) -> None:
        try:
            for question in questions:
                fault = await self._compiles(key.namespace, question)
                self._remember(question, fault)
                if fault is not None:
                    break
        except Exception:
            logger.warning("%s: its expressions cannot be checked now, trying again in %g s", key, PAUSE_SECONDS, exc_info=True)
            self._queue.enqueue_after(key, PAUSE_SECONDS)
            return
        self._queue.enqueue(key, urgent=True)

    def _remember(self, question: Question, fault: ExpressionFault | None) -> None:
        self._verdicts[_digest(question)] = fault and replace(fault, message=one_line(fault.message, SHOWN_FAULT))
        while len(self._verdicts) > MOST_VERDICTS:
            self._verdicts.popitem(last=False)


def _digest(question: Question) -> bytes:
    parts = (question.vocabulary.value, question.gives.value, ",".join(sorted(question.scope)), question.text)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
