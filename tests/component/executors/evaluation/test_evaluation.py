"""Expressions in a process apart: right for everything a server answers, bounded in time and memory, gone with the operator."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.attempts import until

from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.evaluation.language import holds
from obtask.executors.evaluation.pipe import TOO_DEEP, TOO_LARGE, TOO_LONG
from obtask.executors.http.answers import HttpAnswer, variables
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Question, Vocabulary

HERE, THERE = "team-a", "team-b"
LONG = {"rows": [{"x": "a" * 100_000} for _ in range(90)], "affected": 0}
SLOW = "rows.map(r, rows.map(s, " + " || ".join(f"r.x.matches('(a+)+(b|c)+(d|e)+{end}')" for end in "fghijklm") + ")).size() > 0"
LARGE = "rows.map(r, rows.map(s, r.x + s.x)).size() > 0"


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """Return an evaluator; its process ends with the test."""
    evaluator = Evaluator()
    yield evaluator
    await evaluator.close()


def children() -> set[int]:
    """Return the processes that this one has started and that are still there."""
    found: set[int] = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(OSError):  # the thread has ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def environment(pid: int) -> str:
    """Return the environment variables of a process."""
    return Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize(
    ("vocabulary", "text", "variables"),
    [
        (Vocabulary.SQL, "rows[0].n == 3 && affected == 0", {"rows": [{"n": 3}], "affected": 0}),
        (
            Vocabulary.SQL,
            "rows[0].t > timestamp('2026-01-01T00:00:00Z')",
            {"rows": [{"t": datetime(2026, 7, 1, tzinfo=UTC)}], "affected": 0},
        ),
        (Vocabulary.SQL, "rows[0].d == duration('1.5s')", {"rows": [{"d": timedelta(seconds=1.5)}], "affected": 0}),
        (
            Vocabulary.SQL,
            r"rows[0].b == b'\x00\xff' && rows[0].f < 0.5 && rows[0].z == null",
            {"rows": [{"b": b"\0\xff", "f": 0.25, "z": None}], "affected": 0},
        ),
        (Vocabulary.SQL, "rows[0].nothing == 1", {"rows": [{"n": 3}], "affected": 0}),
        (Vocabulary.SQL, "rows.size() ==", {"rows": [], "affected": 0}),
        (Vocabulary.HTTP, "status == 200 && body.state == 'done'", {"status": 200, "headers": {}, "body": {"state": "done"}}),
        (Vocabulary.RESOURCE, "object.status.replicas == 3", {"object": {"status": {"replicas": 2}}}),
    ],
)
async def test_the_answer_is_that_of_the_rule(evaluator: Evaluator, vocabulary: Vocabulary, text: str, variables: dict[str, Any]) -> None:
    """Every kind of value that a server gives arrives as it is; faults come back in the same words."""
    assert await evaluator.holds(HERE, vocabulary, text, variables) == holds(vocabulary, text, variables)


@pytest.mark.parametrize(("text", "fault"), [(SLOW, TOO_LONG), (LARGE, TOO_LARGE)], ids=["long", "large"])
async def test_an_expression_that_takes_too_much_is_given_up(evaluator: Evaluator, text: str, fault: ExpressionFault) -> None:
    """It ends with a fault that says which limit it met; those that wait for their turn are answered as ever."""
    first, second = await asyncio.gather(
        evaluator.holds(HERE, Vocabulary.SQL, text, LONG), evaluator.holds(HERE, Vocabulary.SQL, "rows.size() == 90", LONG)
    )

    assert first == fault
    assert second is True


async def test_a_process_that_was_ended_by_somebody_is_replaced(evaluator: Evaluator) -> None:
    """Whatever ended it while it was idle says nothing about the next question."""
    before = children()
    assert await evaluator.holds(HERE, Vocabulary.SQL, "rows.size() == 90", LONG) is True
    (idle,) = children() - before
    os.kill(idle, signal.SIGTERM)

    assert await evaluator.holds(HERE, Vocabulary.SQL, "rows.size() == 90", LONG) is True


async def test_what_somebody_ends_is_not_blamed_on_the_expression(evaluator: Evaluator) -> None:
    """A kernel that is short of memory ends processes, too: the expression may be asked again."""
    before = children()
    asked = asyncio.ensure_future(evaluator.holds(HERE, Vocabulary.SQL, SLOW, LONG))
    for _ in range(2):
        await until(lambda: asked.done() or children() - before)
        for pid in children() - before:
            before.add(pid)
            os.kill(pid, signal.SIGKILL)

    found = await asked
    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.UNAVAILABLE


async def test_nobody_is_told_that_an_expression_is_wrong_when_its_check_was_ended(evaluator: Evaluator) -> None:
    """A task must not be rejected because the machine was short of memory: the check is made again later."""
    before = children()
    await evaluator.fault(HERE, Question(Vocabulary.SQL, "true"))
    asked = asyncio.ensure_future(evaluator.fault(HERE, Question(Vocabulary.SQL, "[" * 2000)))
    while not asked.done():
        for pid in children() - before:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0)

    assert isinstance(asked.exception(), OSError)


async def test_a_process_that_crashes_is_the_end(evaluator: Evaluator) -> None:
    """What brings the library down would do so the next time."""
    found = await evaluator.holds(HERE, Vocabulary.HTTP, "[1].indexOf(optional.of(body)) == 0", {"status": 200, "headers": {}, "body": 1})

    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.EXCEEDED


async def test_an_answer_that_is_nested_too_deeply(evaluator: Evaluator) -> None:
    """Nobody looks into it; the fault says so."""
    deep: object = "bottom"
    for _ in range(5000):
        deep = {"a": deep}

    assert await evaluator.holds(HERE, Vocabulary.HTTP, "status == 200", {"status": 200, "headers": {}, "body": deep}) == TOO_DEEP


async def test_the_time_of_earlier_expressions_does_not_count(evaluator: Evaluator) -> None:
    """A process that has worked for long gives the next expression its full time."""
    brief = "rows.map(r, rows.map(s, r.x.contains('b'))).size() > 0"

    assert [await evaluator.holds(HERE, Vocabulary.SQL, brief, LONG) for _ in range(20)] == [True] * 20


async def test_a_question_that_nobody_waits_for_is_not_answered_to_the_next(evaluator: Evaluator) -> None:
    """A cancelled evaluation takes its process with it."""
    asked = asyncio.ensure_future(evaluator.holds(HERE, Vocabulary.SQL, "rows.size() == 0", LONG))
    before = children()
    await until(lambda: len(children() - before))
    asked.cancel()
    await asyncio.wait([asked])

    assert await evaluator.holds(HERE, Vocabulary.SQL, "rows.size() == 90", LONG) is True


async def test_the_processes_are_shared_and_end(evaluator: Evaluator) -> None:
    """There are two for all questions, none before the first one, and none after the end; they know nothing of the operator."""
    before = children()
    asked = [evaluator.holds(namespace, Vocabulary.SQL, "rows.size() == 90", LONG) for namespace in (HERE, THERE) for _ in range(5)]
    await asyncio.gather(*asked)
    assert [environment(one) for one in children() - before] == ["", ""]

    await evaluator.close()

    assert children() == before


async def test_a_namespace_with_many_questions_does_not_keep_another_waiting(evaluator: Evaluator) -> None:
    """Whoever asks first has no claim on all processes: the one question of a neighbour is answered among the first."""
    order: list[str] = []

    async def ask(namespace: str) -> None:
        await evaluator.holds(namespace, Vocabulary.SQL, "rows.map(r, rows.map(s, r.x.contains('b'))).size() > 0", LONG)
        order.append(namespace)

    await asyncio.gather(*(ask(HERE) for _ in range(40)), ask(THERE))

    assert order.index(THERE) < 10


@pytest.mark.parametrize("length", [1000, 4096])
@pytest.mark.parametrize("piece", ["(", "[", "-", "!", "{1:", "1+", "a.", "a&&", "[1].map(x,", "''+", "true?", "a[0]", "a||b||"])
async def test_a_text_made_to_be_slow_to_compile_is_answered(evaluator: Evaluator, piece: str, length: int) -> None:
    """Whatever it is, there is an answer within the limits, and the process, or another one, is there for the next question."""
    text = (piece * length)[:length]

    await evaluator.fault(HERE, Question(Vocabulary.HTTP, text))

    assert await evaluator.fault(HERE, Question(Vocabulary.HTTP, "status == 200")) is None


async def test_many_long_expressions_do_not_use_up_the_memory_of_the_next(evaluator: Evaluator) -> None:
    """A process that programs have filled is replaced, and none of them is blamed for the others."""
    texts = [f"status == {number} || " + " || ".join(["headers['a'] == 'b'"] * 29) for number in range(120)]

    assert [await evaluator.fault(HERE, Question(Vocabulary.HTTP, text)) for text in texts] == [None] * len(texts)


async def test_an_answer_is_parsed_in_the_process_apart(evaluator: Evaluator) -> None:
    """What a server sent is taken apart within the limits, not in the operator; 10,000 lists in each other are a text to look at."""
    octets = "[" * 10_000 + "]" * 10_000
    answer = HttpAnswer(200, (("Content-Type", "application/json"),), octets, len(octets), cut=False)

    assert await evaluator.holds(HERE, Vocabulary.HTTP, "body == '' || status == 200", partial(variables, answer)) is True
