"""What a failed DAG tells: every agent, the tasks on other agents, and the reason, however long its logs are."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, operation, stages
from tests.support.agent.agent import Answered, FakeAgent, Operation
from tests.support.agent.dags import NO_MAINTENANCE, Node, Step
from tests.support.attempts import attempt

from obtask.executors.obshell.answers import last_words
from obtask.executors.obshell.dag import agent_of
from obtask.executors.obshell.wire import LONGEST_ANSWER
from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.contract import Left
from obtask.model.reasons import FailureReason

A, B, C = "10.0.0.1:2886", "10.0.0.2:2886", "10.0.0.3:2886"


def parallel(*steps: Step) -> Callable[[], list[Node]]:
    """Return an operation whose second stage runs on several agents."""
    return lambda: [Node("Prepare", [Step("prepare")]), Node("Start observer", [replace(step, written=[]) for step in steps])]


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent."""
    with FakeAgent().running() as running:
        yield running


async def failure(agent: FakeAgent, nodes: Callable[[], list[Node]] | Operation) -> tuple[Failed, list[str]]:
    """Carry out an operation that fails; return its end and its log."""
    agent.operations["POST", STOP] = nodes
    on = bench_for(agent)
    end = await on.run(attempt(operation()))
    assert isinstance(end, Failed)
    return end, on.log.lines


async def test_all_agents_that_failed_are_named(agent: FakeAgent) -> None:
    """The first with its error; the table in the log has each agent in each node."""
    end, log = await failure(agent, parallel(Step("start", A), Step("start", B, fails=1), Step("start", C, fails=1)))

    text = 'failed at 2/2 "Start observer", subtask "start" on 10.0.0.2:2886: ERROR: start broke; also failed on 10.0.0.3:2886'
    assert end.message.endswith(text)
    at = log.index('obshell task 11 "Operation 1", by node and agent:')
    assert log[at + 1 : at + 5] == [
        '  1/2 "Prepare"         10.0.0.1:2886  SUCCEED  executed once  "prepare"',
        '  2/2 "Start observer"  10.0.0.1:2886  SUCCEED  executed once  "start"',
        '  2/2 "Start observer"  10.0.0.2:2886  FAILED   executed once  "start"',
        '  2/2 "Start observer"  10.0.0.3:2886  FAILED   executed once  "start"',
    ]
    assert log[-1].startswith("failed: ")


async def test_a_long_error_is_cut_in_the_middle(agent: FakeAgent) -> None:
    """Its beginning says what failed, its end says why."""
    line = f"ERROR: cannot start {'x' * 5000} because the disk is full"

    end, _ = await failure(agent, stages(Step("kill", logs=(line,))))

    assert "ERROR: cannot start xxx" in end.message
    assert end.message.endswith("xx because the disk is full")
    assert len(end.message) < 512


async def test_a_long_refusal_is_cut_in_the_middle(agent: FakeAgent) -> None:
    """The same for what obshell answers; a password in it is masked before, or half of it would stay."""
    agent.operations["POST", STOP] = Answered(500, error="Gorm.Error", message=f"cannot insert {agent.password * 300}: no space left")

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.message.endswith("**: no space left")
    assert agent.password[:4] not in end.message
    assert len(end.message) < 512


@pytest.mark.parametrize(
    "lines",
    [("x" * (LONGEST_ANSWER + 100), "ERROR: the disk is full"), ("ERROR: " + "y" * (LONGEST_ANSWER + 100) + " the disk is full",)],
    ids=["many-lines", "one-line"],
)
async def test_logs_that_are_too_long_still_give_a_reason(agent: FakeAgent, lines: tuple[str, ...]) -> None:
    """From the end of the answer, where the last line is."""
    end, log = await failure(agent, stages(Step("kill", logs=lines)))

    assert "failed at 1/1: " in end.message
    assert end.message.endswith("the disk is full")
    assert any("going on without the logs" in line for line in log)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b'"a","ERROR: one","ERROR: t\\"wo"]}]}]}', 'ERROR: t"wo'),
        (b'xxx more"],"x":1}]}', "xxx more"),
        (b'..\\"ERROR: no\\" said"]}', '..\\"ERROR: no\\" said'.replace('\\"', '"')),
        (b"nothing", None),
        (b"", None),
        (b'\\u00e9nd"]}', "\u00e9nd"),
    ],
)
def test_last_words(end: bytes, words: str | None) -> None:
    """Whatever the end of an answer is."""
    assert last_words(end) == words


async def test_tasks_on_other_agents_are_followed_and_told(agent: FakeAgent) -> None:
    """A main DAG that fails while one that it has started elsewhere goes on: the claim of an end would be wrong."""
    agent.kind = "20167772162028866"
    sub = agent.start(Operation(stages(Step("wait", held=True)), "Start observer", NO_MAINTENANCE))
    agent.kind = "20167772161028860"
    step = Step("inform", logs=(f"remote task {sub.id} Start observer running [1/1]", "ERROR: gave up"))

    end, log = await failure(agent, Operation(stages(step), "Initialize cluster"))

    assert (
        f'; on other agents: obshell task {sub.id} "Start observer" of 10.0.0.2:2886 is RUNNING 1/1 "Stage wait" and goes on' in end.message
    )
    assert any(line.startswith(f'obshell task {sub.id} "Start observer" of 10.0.0.2:2886: RUNNING') for line in log)
    assert end.left is Left.HOLDING


async def test_a_cancel_says_what_goes_on_elsewhere(agent: FakeAgent) -> None:
    """Obshell cancels its main DAG only."""
    agent.kind = "20167772162028866"
    sub = agent.start(Operation(stages(Step("wait", fails=1)), "Start observer"))
    agent.kind = "20167772161028860"
    main = Operation(stages(Step("inform", held=True)), "Start OB", NO_MAINTENANCE, sub_dags={B: sub.id})
    agent.operations["POST", STOP] = main
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "on other agents: obshell task")

    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert "obshell has cancelled its task; on other agents: " in end.message
    assert f"obshell task {sub.id}" in end.message
    assert "and may keep that agent's maintenance" in end.message
    assert "ERROR: wait broke" in on.log.text


def test_the_agent_of_a_task_is_in_its_id() -> None:
    """Of one with an IPv4 address; a task of the cluster has none."""
    assert [agent_of(one) for one in ("2016777216202886119", "4016777216202886119", "11", "29999999999028861", "")] == [
        "10.0.0.2:2886",
        "10.0.0.2:2886",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("operation_of", "left"),
    [
        (Operation(stages(Step("kill", fails=1)), "Initialize cluster"), Left.HOLDING),
        (Operation(stages(Step("kill", fails=1)), "Restart seekdb", lets_go=True), Left.RELEASED),
        (Operation(stages(Step("kill", fails=1)), "Start obproxy", NO_MAINTENANCE), Left.RELEASED),
    ],
    ids=["keeps", "lets-go", "none"],
)
async def test_it_is_known_what_obshell_still_holds(agent: FakeAgent, operation_of: Operation, left: Left) -> None:
    """By what the agent says of itself."""
    agent.kind = "20167772161028860"

    end, _ = await failure(agent, operation_of)

    assert end.left is left


async def test_expect_over_what_was_answered(agent: FakeAgent) -> None:
    """A step that checks something: the answer is in the log, and what it must say."""
    agent.operations["GET", "/api/v1/parameters"] = Answered(data={"contents": [{"name": "cpu", "value": "4"}]})
    on = bench_for(agent)

    def asking(text: str) -> Attempt:
        return attempt(operation("/api/v1/parameters", method="GET", expect=text), number=len(on.log.lines) + 1)

    good = await on.run(asking("data.contents.exists(one, one.name == 'cpu' && one.value == '4')"))
    bad = await on.run(asking("data.contents.size() > 5"))
    odd = await on.run(asking("data.nothing == 1"))

    assert isinstance(good, Succeeded)
    assert 'HTTP 200: {"contents": [{"name": "cpu", "value": "4"}]}' in on.log.text
    assert [end.reason for end in (bad, odd) if isinstance(end, Failed)] == [
        FailureReason.EXPECTATION_NOT_MET,
        FailureReason.INVALID_EXPRESSION,
    ]
    assert "expect does not hold: data.contents.size() > 5" in on.log.text


async def test_expect_over_the_task_at_its_end(agent: FakeAgent) -> None:
    """Of an operation that starts a task, the data are that task."""
    agent.operations["POST", STOP] = stages(Step("kill"))

    end = await bench_for(agent).run(attempt(operation(expect="data.state == 'SUCCEED' && data.max_stage == 1")))

    assert isinstance(end, Succeeded)


async def test_plain_http_to_an_agent_that_speaks_tls(agent: FakeAgent) -> None:
    """The answer of Go's server is a hint worth telling."""
    agent.operations["POST", STOP] = Answered(400, raw=b"Client sent an HTTP request to an HTTPS server.\n")

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert "it speaks TLS only: its url begins with https://" in end.message
