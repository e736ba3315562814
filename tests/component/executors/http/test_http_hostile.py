"""An HTTP server that means harm costs its own step: little memory, no time of others, and an end with a reason."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support.attempts import attempt, until
from tests.support.hostile.targets import running
from tests.support.hostile.web import SERVERS
from tests.support.strain import strain
from tests.support.website import http, http_bench

from obtask.executors.evaluation.evaluator import Evaluator
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import Vocabulary

SLOW = frozenset({"http-slow-head", "http-slow-body", "http-many-interim"})
MEBIBYTES = 64
HELD_SECONDS = 0.25


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Run the servers in a process of their own."""
    with running() as found:
        yield found


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """Return what evaluates expressions in processes apart."""
    found = Evaluator()
    yield found
    await found.close()


@pytest.mark.parametrize("name", SERVERS)
async def test_every_one_of_them_alone(name: str, ports: dict[str, int], evaluator: Evaluator) -> None:
    """The step ends and says why; the loop is held for milliseconds, and some megabytes are enough."""
    on = http_bench(expressions=evaluator)
    await evaluator.holds("warm", Vocabulary.HTTP, "true", {})

    async with strain() as cost:
        action = http(f"http://127.0.0.1:{ports[name]}/", expect="body.never == 'there' && headers.never == ''")
        end = await on.run(attempt(action, seconds=3 if name in SLOW else 15))

    assert isinstance(end, Failed)
    assert end.reason in (
        FailureReason.EXPECTATION_NOT_MET,
        FailureReason.INVALID_EXPRESSION,
        FailureReason.CONNECTION_FAILED,
        FailureReason.HTTP_STATUS,
        FailureReason.TIMEOUT,
    )
    assert len(end.message) < 1024
    assert len(on.log.text) < 256 * 1024
    assert cost.mebibytes < MEBIBYTES
    assert cost.held_seconds < HELD_SECONDS


async def test_forty_at_once_have_the_room_of_a_few(ports: dict[str, int], evaluator: Evaluator) -> None:
    """Large answers wait for each other: what they take in all does not grow with their number."""
    names = ["http-gzip-bomb", "http-many-lists", "http-many-keys", "http-many-words"] * 10
    on = http_bench(expressions=evaluator, slots=130)
    await evaluator.holds("warm", Vocabulary.HTTP, "true", {})

    async with strain() as cost:
        attempts = [
            attempt(http(f"http://127.0.0.1:{ports[name]}/", expect="body.never"), number=at, seconds=60) for at, name in enumerate(names)
        ]
        for one in attempts:
            await on.executor.start(one, on.log)
        await until(lambda: len(on.bells.rung) == len(attempts), seconds=60)

    assert cost.mebibytes < 150
    assert cost.held_seconds < HELD_SECONDS
