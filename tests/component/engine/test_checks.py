"""Whether expressions compile is asked beside the reconciles of tasks, remembered within bounds, and asked again when nobody could tell."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.support.builders import a_task

from obtask.engine import checks as module
from obtask.engine.checks import Checks
from obtask.model.task import Key, Task, read_task
from obtask.rules.expressions import ExpressionFault, Question, Vocabulary
from obtask.rules.validation import unchecked

KEY = Key("prod", "a")


class Queue:
    """Notes what is enqueued, and when."""

    def __init__(self) -> None:
        self.enqueued: asyncio.Queue[tuple[Key, float]] = asyncio.Queue()

    def enqueue(self, key: Key, *, urgent: bool = False) -> None:  # noqa: ARG002 - the protocol's argument
        """Note that the task is due."""
        self.enqueued.put_nowait((key, 0))

    def enqueue_after(self, key: Key, seconds: float) -> None:
        """Note that the task is due later."""
        self.enqueued.put_nowait((key, seconds))


class Compiler:
    """Says that texts with a bracket do not compile, once it is let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.error: Exception | None = None

    async def __call__(self, namespace: str, question: Question) -> ExpressionFault | None:  # noqa: ARG002 - the protocol's argument
        """Answer a question."""
        self.asked.append(question.text)
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        return ExpressionFault("a bracket " * 100) if "(" in question.text else None


@pytest.fixture
def compiler() -> Compiler:
    """Return a compiler of the test."""
    return Compiler()


@pytest.fixture
def queue() -> Queue:
    """Return a queue that remembers."""
    return Queue()


@pytest.fixture
async def checks(compiler: Compiler, queue: Queue) -> AsyncIterator[Checks]:
    """Return checks that ask the compiler."""
    checks = Checks(compiler, queue)
    yield checks
    await checks.close()


def a_task_with(*texts: str) -> Task:
    """Return a task with these expressions, each in a step of its own."""
    builder = a_task()
    for number, text in enumerate(texts):
        builder = builder.step(f"s{number}", sql={"statements": ["select 1"], "expect": text})
    return read_task(builder.body())


async def test_answers_are_remembered_and_the_task_is_enqueued(checks: Checks, compiler: Compiler, queue: Queue) -> None:
    """Once all are known the task is due; nothing is asked twice, whatever task has the same expression."""
    task = a_task_with("true", "false", "true")
    assert checks.verdicts(task) == {}

    checks.ask(KEY, unchecked(task, checks.verdicts(task)))
    checks.ask(KEY, unchecked(task, checks.verdicts(task)))

    assert await queue.enqueued.get() == (KEY, 0)
    assert compiler.asked == ["true", "false"]
    assert unchecked(a_task_with("false"), checks.verdicts(a_task_with("false"))) == ()


async def test_the_first_fault_is_enough(checks: Checks, compiler: Compiler, queue: Queue) -> None:
    """What comes after it is not asked; what is kept of its words is short."""
    task = a_task_with("true", "(", "false")

    checks.ask(KEY, unchecked(task, {}))
    await queue.enqueued.get()

    assert compiler.asked == ["true", "("]
    fault = checks.verdicts(task)[Question(Vocabulary.SQL, "(")]
    assert fault is not None
    assert len(fault.message) == module.SHOWN_FAULT


@pytest.mark.parametrize("error", [OSError("no process"), RuntimeError("something else")])
async def test_when_nobody_can_tell_it_is_asked_again_later(checks: Checks, compiler: Compiler, queue: Queue, error: Exception) -> None:
    """A machine that cannot start a process rejects no task, and no task waits for ever."""
    task = a_task_with("true")
    compiler.error = error
    checks.ask(KEY, unchecked(task, {}))
    assert await queue.enqueued.get() == (KEY, module.PAUSE_SECONDS)
    assert checks.verdicts(task) == {}

    compiler.error = None
    checks.ask(KEY, unchecked(task, {}))

    assert await queue.enqueued.get() == (KEY, 0)
    assert set(checks.verdicts(task).values()) == {None}


async def test_a_task_that_is_gone_is_not_asked_for_any_more(checks: Checks, compiler: Compiler, queue: Queue) -> None:
    """Its questions end with it; its namesake's are asked."""
    compiler.ready.clear()
    checks.ask(KEY, unchecked(a_task_with("true", "false"), {}))
    await asyncio.sleep(0)

    checks.forget(KEY)
    compiler.ready.set()
    checks.ask(KEY, unchecked(a_task_with("1 == 1"), {}))

    assert await asyncio.wait_for(queue.enqueued.get(), timedelta(seconds=10).total_seconds()) == (KEY, 0)
    assert compiler.asked == ["true", "1 == 1"]


async def test_what_is_remembered_is_bounded(checks: Checks, queue: Queue) -> None:
    """Of more expressions than are kept the oldest are forgotten; a task's own 3,000 are known at once."""
    questions = tuple(Question(Vocabulary.SQL, f"{number} == 0") for number in range(module.MOST_VERDICTS + 10))

    checks.ask(KEY, questions)
    await queue.enqueued.get()

    assert len(checks._verdicts) == module.MOST_VERDICTS
    assert checks.verdicts(a_task_with("0 == 0", "100 == 0")) == {Question(Vocabulary.SQL, "100 == 0"): None}
