"""What steps ask before they begin is answered beside the reconciles of tasks; nobody waits for ever."""

import asyncio
from typing import Any

import pytest
from tests.component.engine.test_checks import KEY, Queue
from tests.support.builders import a_task

from obtask.engine.answers import Answers
from obtask.engine.checks import PAUSE_SECONDS
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind
from obtask.rules.opening import StepField, StepQuestion

TASK = a_task().named("a").build()
UID = TASK.metadata.uid
QUESTION = StepQuestion("s", StepField.WHEN, "1 + 1 == 2", {})


class Evaluating:
    """Answers once it is let."""

    def __init__(self, answer: Any) -> None:
        self.let = asyncio.Event()
        self.answer = answer
        self.asked = 0

    async def __call__(self, namespace: str, question: StepQuestion) -> Any:  # noqa: ARG002 - the protocol's argument
        """Answer."""
        self.asked += 1
        await self.let.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_quick_answer_is_there_at_once_and_slow_one_enqueues_the_task() -> None:
    """A question is asked once, however often the task is reconciled meanwhile."""
    evaluating, queue = Evaluating(answer=True), Queue()
    answers = Answers(evaluating, queue)
    assert not await answers.ask(TASK, QUESTION)
    assert not await answers.ask(TASK, QUESTION)
    evaluating.let.set()
    assert await queue.enqueued.get() == (KEY, 0)
    assert (evaluating.asked, dict(answers.known(UID))) == (1, {QUESTION: True})
    answers.used(UID)
    assert await answers.ask(TASK, QUESTION)
    await answers.close()


@pytest.mark.parametrize("trouble", [RuntimeError("broken"), ExpressionFault("nobody", ExpressionFaultKind.UNAVAILABLE)])
async def test_question_that_nobody_can_answer_now_is_asked_again_later(trouble: Any) -> None:
    """Also when something unexpected happens: the task does not wait for ever."""
    evaluating, queue = Evaluating(trouble), Queue()
    evaluating.let.set()
    answers = Answers(evaluating, queue)
    assert not await answers.ask(TASK, QUESTION)
    assert await queue.enqueued.get() == (TASK.key, PAUSE_SECONDS)
    evaluating.answer = False
    assert await answers.ask(TASK, QUESTION)
    await answers.close()


async def test_nothing_is_left_of_a_task_that_is_gone() -> None:
    """A deleted task is asked for no longer, and an operator that stops asks for none."""
    evaluating, queue = Evaluating(answer=True), Queue()
    answers = Answers(evaluating, queue)
    assert not await answers.ask(TASK, QUESTION)
    answers.forget(UID)
    evaluating.let.set()
    await asyncio.sleep(0)
    assert (dict(answers.known(UID)), queue.enqueued.empty()) == ({}, True)
