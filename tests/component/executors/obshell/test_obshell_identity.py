"""A DAG is known by its id, its name and its start: ids begin again where an agent, or a cluster, is made again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.component.executors.obshell_bench import STOP, ObshellBench, bench_for, dag_is, operation, stages
from tests.support.agent.agent import FakeAgent, Operation
from tests.support.agent.dags import NO_MAINTENANCE, Step
from tests.support.attempts import attempt

from obtask.executors.obshell.dag import read_dag
from obtask.executors.obshell.marks import is_same, mark_of
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Attempt, Failed, Succeeded

RESTART = Operation(stages(Step("stop"), Step("start", fails=1)), "Restart seekdb", NO_MAINTENANCE)


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose operation fails once in its second stage."""
    with FakeAgent(operations={("POST", STOP): RESTART}).running() as running:
        yield running


async def failed_once(on: ObshellBench) -> Attempt:
    """Let an attempt fail; return the next one, as the status would know what that has left."""
    one = attempt(operation())
    end = await on.run(one)
    assert isinstance(end, Failed)
    return replace(attempt(operation(), number=2), previous_external=end.external, previous_mark=end.external_mark)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Operation(stages(Step("start")), "Start seekdb", NO_MAINTENANCE), "its id is that of obshell task 11 "),
        (Operation(stages(Step("stop"), Step("start")), "Restart seekdb", NO_MAINTENANCE), "its id is that of obshell task 11 "),
    ],
    ids=["another-name", "another-start"],
)
async def test_somebody_elses_dag_of_the_same_id_is_not_taken_up(agent: FakeAgent, other: Operation, told: str) -> None:
    """An agent was made again and somebody started a DAG: `retry` does not report its success, but starts the operation again."""
    on = bench_for(agent)
    second = await failed_once(on)
    agent.make_again()
    agent.ahead = timedelta(minutes=10)
    agent.start(other)
    await dag_is(agent, "SUCCEED")

    end = await on.run(second)

    assert told in on.log.text
    assert agent.starts() == [STOP, STOP]
    assert agent.operated() == []
    assert isinstance(end, Failed)
    assert end.external == "12"


async def test_it_is_not_commanded_either(agent: FakeAgent) -> None:
    """A rollback of a DAG that is somebody else's now changes nothing."""
    on = bench_for(agent)
    second = await failed_once(on)
    agent.make_again()
    agent.start(Operation(stages(Step("start", fails=1)), "Start seekdb", NO_MAINTENANCE))
    await dag_is(agent, "FAILED")

    end = await on.run(replace(second, action=ObshellAction.model_validate({"operator": "Rollback"})))

    assert isinstance(end, Failed)
    assert end.refused
    assert agent.operated() == []


async def test_a_dag_that_a_person_has_retried_is_the_same(agent: FakeAgent) -> None:
    """It has another start, but shows that it was retried: the attempt takes its success over."""
    on = bench_for(agent)
    second = await failed_once(on)
    with agent.lock:
        agent.dag().operate("RETRY")
    await dag_is(agent, "SUCCEED")

    end = await on.run(second)

    assert end == Succeeded('obshell task 11 "Restart seekdb" succeeded', external="11")
    assert agent.starts() == [STOP]


async def test_a_new_operator_does_not_follow_somebody_elses_dag(agent: FakeAgent) -> None:
    """What it was known by is on record with its id."""
    agent.operations["POST", STOP] = Operation(stages(Step("stop", held=True)), "Restart seekdb", NO_MAINTENANCE)
    first, one = bench_for(agent), attempt(operation())
    await first.executor.start(one, first.log)
    seen = await first.until_running(one, "1/1")
    await first.executor.stop(0)
    agent.make_again()
    agent.start(Operation(stages(Step("start")), "Start seekdb", NO_MAINTENANCE))

    end = await bench_for(agent).end_of(replace(one, external=seen.external, external_mark=seen.external_mark))

    assert isinstance(end, Failed)
    assert "does not know task 11 any more" in end.message


def test_a_mark_does_not_mistake_what_obshell_writes_over() -> None:
    """The start of a new DAG is that of its making; after a retry it is 1970 for a moment."""
    new = read_dag({"id": "11", "name": "A", "state": "READY", "operator": "RUN", "stage": 1, "start_time": "2026-11-28T22:00:00.5+00:00"})
    later = {"id": "11", "name": "A", "state": "RUNNING", "operator": "RUN", "stage": 1, "nodes": [{"name": "n"}]}
    begun = read_dag(later | {"start_time": "2026-11-28T23:00:02.25+01:00"})
    again = read_dag(later | {"start_time": "1970-01-01T08:00:00+08:00"})
    other = read_dag(later | {"start_time": "2026-11-28T23:30:00+00:00"})
    assert new
    assert begun
    assert again
    assert other

    assert [is_same(mark_of(new), dag) for dag in (new, begun, again, other)] == [True, True, True, False]
    assert not is_same(mark_of(begun), other)
    assert is_same("", other)
    assert is_same(None, other)
