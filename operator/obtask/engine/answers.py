"""Owns the answers to what must be known before steps begin. They are made again after a restart: what they depend on never changes."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from obtask.engine.asking import Asking
from obtask.engine.checks import PAUSE_SECONDS, Queue
from obtask.model.task import Key, Metadata, Task
from obtask.rules import machine
from obtask.rules.decision import Evaluate, Intent, Rest
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind
from obtask.rules.observation import Observation
from obtask.rules.opening import StepAnswers, StepQuestion

logger = logging.getLogger(__name__)

# What a reconcile waits for an answer, which usually takes some milliseconds: then it can be recorded together with what led to it.
PATIENCE_SECONDS = 0.1
# So many questions are answered while a task has its lock and nothing of that is recorded.
MOST_BEFORE_A_RECORD = 4

Evaluates = Callable[[str, StepQuestion], Awaitable[Any]]
"""Returns the value of an expression of a namespace, or an ExpressionFault."""


class Answers:
    """Has expressions of steps evaluated, and remembers the values until the step has begun."""

    def __init__(self, evaluates: Evaluates, queue: Queue) -> None:
        self._evaluates = evaluates
        self._queue = queue
        self._known: dict[str, dict[StepQuestion, Any]] = {}  # by uid of the task
        self._asking = Asking[str]("evaluating for")

    def known(self, uid: str) -> StepAnswers:
        """Return the answers that there are for a task."""
        return self._known.get(uid, {})

    def stand(self, metadata: Metadata | None) -> tuple[Metadata, int] | None:
        """Return what changes when a task gets on: its version, and how much is known of what its steps ask."""
        return (metadata, len(self.known(metadata.uid))) if metadata is not None else None

    async def ask(self, task: Task, question: StepQuestion) -> bool:
        """Have a question answered; return whether it is already. Otherwise the task is enqueued once it is."""
        uid = task.metadata.uid
        if uid not in self._asking:
            self._asking.begin(uid, partial(self._ask, task.key, uid, question))
        await self._asking.wait(uid, PATIENCE_SECONDS)
        return question in self._known.get(uid, {})

    async def decided(self, task: Task, observed: Observation) -> Intent:
        """Return what is decided once a few questions are answered; if there are more, or that takes long, what is to be done meanwhile."""
        intent = machine.decide(task, replace(observed, answers=self.known(task.metadata.uid)))
        for _ in range(MOST_BEFORE_A_RECORD):
            if not isinstance(intent, Evaluate) or not await self.ask(task, intent.question):
                break
            intent = machine.decide(task, replace(observed, answers=self.known(task.metadata.uid)))
        return (intent.meanwhile or Rest()) if isinstance(intent, Evaluate) else intent

    def used(self, uid: str) -> None:
        """Drop what is known for a task: its step has begun."""
        self._known.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Drop what is known for a task that is finished or gone, and stop asking for it."""
        self.used(uid)
        self._asking.forget(uid)

    async def close(self) -> None:
        """Stop asking."""
        await self._asking.close()

    async def _ask(self, key: Key, uid: str, question: StepQuestion) -> None:
        try:
            answer = await self._evaluates(key.namespace, question)
            unexpected = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the task must not wait for ever: nobody awaits this one
            answer, unexpected = None, error
        if unexpected is not None or (isinstance(answer, ExpressionFault) and answer.kind is ExpressionFaultKind.UNAVAILABLE):
            text = "%s: %s of step %s cannot be evaluated now, trying again in %g s"
            logger.warning(text, key, question.asked.value, question.step, PAUSE_SECONDS, exc_info=unexpected)
            self._queue.enqueue_after(key, PAUSE_SECONDS)
            return
        self._known.setdefault(uid, {})[question] = answer
        self._queue.enqueue(key, urgent=True)
