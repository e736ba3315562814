"""The obshell action against a fake agent that speaks the real protocol: starting, following, and how it ends."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, follow_up, operation, stages
from tests.support.agent.agent import DAG_PATH, Answered, FakeAgent, Operation
from tests.support.agent.dags import Step
from tests.support.attempts import attempt

from obtask.executors.obshell.target import KEY_WARNING
from obtask.logs.text import AttemptLog
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Failed, Running, Succeeded
from obtask.model.contract import Direction
from obtask.model.reasons import FailureReason


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose stop operation has two stages."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill"))}).running() as running:
        yield running


def failing(agent: FakeAgent, **more: object) -> None:
    """Make the second stage fail once."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", fails=1, **more))  # type: ignore[arg-type] # fields of Step


async def test_it_starts_an_operation_and_follows_its_dag(agent: FakeAgent) -> None:
    """One POST, then looks until the DAG has succeeded; the log has what every subtask said."""
    on, one = bench_for(agent), attempt(operation(body={"force": True}))

    end = await on.run(one)
    await on.executor.start(one, on.log)

    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert [(asked.path, asked.body) for asked in agent.sent("POST")] == [(STOP, {"force": True})]
    assert on.log.lines == [
        'POST /api/v1/ob/stop {"force": true}',
        KEY_WARNING,
        'HTTP 200: obshell task 11 "Operation 1" has 2 stages',
        "prepare (10.0.0.1:2886): doing prepare",
        "kill (10.0.0.1:2886): doing kill",
        'succeeded: obshell task 11 "Operation 1" succeeded',
    ]


async def test_progress_names_the_stage(agent: FakeAgent) -> None:
    """What is seen of a running attempt is the stage, and the id of the DAG."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", held=True))
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)

    seen = await on.until_running(one, "2/2")

    assert seen == Running('obshell task 11 "Operation 1" is running: 2/2 "Stage kill"', external="11")
    agent.release()
    assert isinstance(await on.end_of(one), Succeeded)


async def test_a_failed_dag_fails_the_attempt(agent: FakeAgent) -> None:
    """The message names the DAG, the stage, the subtask and its error; there is no code."""
    failing(agent)
    on = bench_for(agent)

    end = await on.run(attempt(operation()))

    text = 'obshell task 11 "Operation 1" failed at 2/2 "Stage kill", subtask "kill" on 10.0.0.1:2886: ERROR: kill broke'
    assert end == Failed(FailureReason.OBSHELL_TASK_FAILED, text, external="11")
    assert on.log.lines[-2:] == ["kill (10.0.0.1:2886): ERROR: kill broke", f"failed: {text}"]


async def test_the_next_attempt_lets_obshell_retry(agent: FakeAgent) -> None:
    """The same DAG goes on: RETRY and no second POST; lines of the attempt before are not repeated."""
    failing(agent)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    on.log.lines.clear()

    end = await on.run(follow_up(one, "11"))

    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert (agent.starts(), agent.operated()) == ([STOP], ["RETRY"])
    assert [line for line in on.log.lines if "10.0.0.1" in line] == ["kill (10.0.0.1:2886): doing kill"]


async def test_where_obshell_does_not_retry_the_operation_starts_again(agent: FakeAgent) -> None:
    """The refusal is in the log; then the attempt has a DAG of its own."""
    failing(agent, can_retry=False)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    agent.operations["POST", STOP] = stages(Step("prepare"))

    end = await on.run(follow_up(one, "11"))

    assert end == Succeeded('obshell task 12 "Operation 2" succeeded', external="12")
    assert agent.operated() == ["RETRY"]
    assert "obshell does not allow RETRY: HTTP 400: Task.Dag.Operator.RetryNotAllowed" in on.log.text
    assert "starting the operation again" in on.log.text


@pytest.mark.parametrize(("operator", "told"), [("ROLLBACK", "was rolled back in obshell"), ("PASS", "was passed in obshell")])
async def test_a_dag_that_ends_otherwise_is_no_success(agent: FakeAgent, operator: str, told: str) -> None:
    """SUCCEED after a rollback or a pass is not what the step asked for; the next attempt starts anew."""
    failing(agent)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    with agent.lock:
        agent.dag().operate(operator)

    seen_from_outside = await bench_for(agent).end_of(replace(one, external="11"))
    agent.operations["POST", STOP] = stages(Step("prepare"))
    end = await on.run(follow_up(one, "11"))

    assert isinstance(seen_from_outside, Failed)
    assert told in seen_from_outside.message
    assert isinstance(end, Succeeded)
    assert agent.starts() == [STOP, STOP]


async def test_after_a_failed_rollback_it_is_not_retried(agent: FakeAgent) -> None:
    """Obshell would leave out what is undone and call it a success; so the attempt says what to do."""
    failing(agent, rollback_fails=True)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    with agent.lock:
        agent.dag().operate("ROLLBACK")
    await bench_for(agent).end_of(replace(one, external="11"))

    end = await on.run(follow_up(one, "11"))

    assert isinstance(end, Failed)
    assert "finish that rollback in obshell first" in end.message
    assert agent.operated() == []


async def test_rollback_by_obshell(agent: FakeAgent) -> None:
    """The operator Rollback undoes the DAG of the step, and succeeds when it is rolled back."""
    failing(agent)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)

    end = await on.run(replace(attempt(ObshellAction.model_validate({"operator": "Rollback"}), number=2), previous_external="11"))

    assert end == Succeeded('obshell task 11 "Operation 1" is rolled back', external="11")
    assert agent.operated() == ["ROLLBACK"]


async def test_rollback_that_obshell_does_not_allow(agent: FakeAgent) -> None:
    """The message says so."""
    failing(agent, can_rollback=False)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)

    end = await on.run(replace(attempt(ObshellAction.model_validate({"operator": "Rollback"}), number=2), previous_external="11"))

    assert isinstance(end, Failed)
    assert "obshell does not allow ROLLBACK: HTTP 400: Task.Dag.Operator.RollbackNotAllowed" in end.message
    assert end.message.endswith("; nothing was changed")
    assert end.refused


async def test_rollback_of_what_has_succeeded_is_not_asked_for(agent: FakeAgent) -> None:
    """Obshell rolls back only what failed: the attempt says so, and that nothing was changed."""
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)

    end = await on.run(replace(attempt(ObshellAction.model_validate({"operator": "Rollback"}), number=2), previous_external="11"))

    assert isinstance(end, Failed)
    assert "has succeeded: obshell rolls back only what failed; nothing was changed" in end.message
    assert end.refused
    assert agent.operated() == []


async def test_started_afresh(agent: FakeAgent) -> None:
    """A retry that was asked to be fresh does not go on with the DAG that is there, and sends it nothing."""
    failing(agent)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    agent.operations["POST", STOP] = stages(Step("prepare"))

    end = await on.run(replace(follow_up(one, "11"), fresh=True))

    assert end == Succeeded('obshell task 12 "Operation 2" succeeded', external="12")
    assert (agent.starts(), agent.operated()) == ([STOP, STOP], [])


async def test_a_new_operator_follows_the_same_dag(agent: FakeAgent) -> None:
    """With the DAG on record another executor goes on, sends no POST and has the whole log."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", held=True))
    first, one = bench_for(agent), attempt(operation())
    await first.executor.start(one, first.log)
    await first.until_running(one, "2/2")
    await first.executor.stop(0)
    still = await first.executor.observe(one, first.log)
    second = bench_for(agent)

    await second.until_running(replace(one, external="11"), "2/2")
    agent.release()
    end = await second.end_of(replace(one, external="11"))

    assert isinstance(still, Running)
    assert still.external == "11"
    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert agent.starts() == [STOP]
    assert next(line for line in second.log.lines if "10.0.0.1" in line) == "prepare (10.0.0.1:2886): doing prepare"


async def test_a_refused_post_is_not_sent_again(agent: FakeAgent) -> None:
    """The refusal is the end: HttpStatus, the status as code, obshell's own error in the message."""
    agent.operations["POST", STOP] = Answered(500, error="Gorm.Error")

    end = await bench_for(agent).run(attempt(operation()))

    text = "POST /api/v1/ob/stop: obshell refused: HTTP 500: Gorm.Error: told: Gorm.Error"
    assert end == Failed(FailureReason.HTTP_STATUS, text, "500")
    assert agent.starts() == [STOP]


async def test_a_post_without_an_answer_is_not_sent_again(agent: FakeAgent) -> None:
    """Nobody knows what became of it: Interrupted, which is never tried again without a person."""
    agent.faults.append(("POST", STOP, Answered(drop=True)))

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INTERRUPTED
    assert end.message.startswith("the outcome of POST /api/v1/ob/stop is unknown: ")
    assert agent.starts() == [STOP]


async def test_a_post_that_is_never_answered_is_a_timeout(agent: FakeAgent) -> None:
    """The deadline ends the waiting; the message says that the outcome is unknown."""
    silence = threading.Event()
    agent.faults.append(("POST", STOP, Answered(silent=silence)))

    end = await bench_for(agent).run(attempt(operation(), seconds=0.5))
    silence.set()

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert "is unknown" in end.message


async def test_an_agent_that_cannot_be_reached(agent: FakeAgent) -> None:
    """Nothing was sent: ConnectionFailed."""
    with FakeAgent().running() as gone:
        on = bench_for(gone)

    end = await on.run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert end.message.startswith("POST /api/v1/ob/stop was not sent: ")
    assert agent.asked == []


async def test_misses_while_following_do_not_end_it(agent: FakeAgent) -> None:
    """Errors, odd answers and broken connections are asked over again; the password is read from the Secret again."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", held=True))
    faults = [
        Answered(500, error="Gorm.Error"),
        Answered(drop=True),
        Answered(raw=b"<html>"),
        Answered(data={"id": 1}),
        Answered(404, error="x"),
    ]
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    with agent.lock:
        agent.faults += [("GET", DAG_PATH, fault) for fault in faults]
    await on.until_running(one, "HTTP 500: Gorm.Error")
    with agent.lock:
        agent.new_key()
        agent.password = "another"  # noqa: S105 - of a test
    agent.release()

    assert isinstance(await on.end_of(one), Succeeded)
    assert agent.starts() == [STOP]


async def test_a_dag_that_the_agent_does_not_know_any_more(agent: FakeAgent) -> None:
    """After some looks in a row it ends as NotFound."""
    end = await bench_for(agent).end_of(replace(attempt(operation()), external="19"))

    assert end == Failed(FailureReason.NOT_FOUND, "obshell does not know task 19 any more: how it ended is unknown", external="19")


async def test_a_restarted_agent_is_found_again() -> None:
    """While it is away the message says so; it goes on with the same DAG."""
    agent = FakeAgent(operations={("POST", STOP): stages(Step("kill", held=True))})
    on, one = bench_for(agent), attempt(operation())
    with agent.running():
        await on.executor.start(one, on.log)
        await on.until_running(one, "1/1")
    await on.until_running(one, "cannot be reached")
    agent.release()
    with agent.running():
        assert isinstance(await on.end_of(one), Succeeded)
    assert agent.starts() == [STOP]


@pytest.mark.parametrize("answer", [Answered(204), Answered(data={"contents": []}), Answered(raw=b"")], ids=["204", "list", "empty"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_operation_that_starts_no_dag(agent: FakeAgent, method: str, answer: Answered) -> None:
    """It succeeds when it is accepted."""
    agent.operations[method, "/api/v1/tenants"] = answer

    end = await bench_for(agent).run(attempt(operation("/api/v1/tenants", method=method)))

    assert end == Succeeded(f"accepted with HTTP {answer.status}; no obshell task was started")


async def test_a_wrong_password_is_refused(agent: FakeAgent) -> None:
    """The message has obshell's error, not the password."""
    end = await bench_for(agent, "wrong-password").run(attempt(operation()))

    assert isinstance(end, Failed)
    assert "IncorrectOceanbasePassword" in end.message
    assert end.code == "401"
    assert end.permanent  # some tries lock an account
    assert agent.dags == {}


async def test_secrets_are_masked(agent: FakeAgent) -> None:
    """The password, and what keys and URIs of the body give away, are hidden from the log, also when an agent repeats them."""
    body = {"rootPassword": "top-s3cret", "nested": [{"agent_pwd": 123456}], "uri": "oss://b?host=h&access_key=AKIA99"}
    agent.operations["POST", STOP] = stages(Step("echo", logs=(f"got {json.dumps(body)} {agent.password}",)))
    on = bench_for(agent)
    log = AttemptLog(clock=on.executor._tools.clock)

    await on.executor.start(attempt(operation(body=body)), log)
    await on.end_of(attempt(operation(body=body)))

    told = log.tail()
    assert "uri" in told
    assert not [secret for secret in ("top-s3cret", "123456", "AKIA99", agent.password) if secret in told]


async def test_without_a_connection_nothing_is_asked(agent: FakeAgent) -> None:
    """The task must name a Secret; one that is not there is NotFound."""
    none = await bench_for(agent).run(attempt(operation(), connection=None))
    missing = await bench_for(agent).run(attempt(operation(), connection="other"))

    assert none == Failed(FailureReason.NOT_FOUND, "no connection: set spec.connection or obshell.connection", untouched=True)
    assert missing == Failed(FailureReason.NOT_FOUND, "Secret other not found", untouched=True)
    assert agent.asked == []


@pytest.mark.parametrize(
    ("expect", "reason", "permanent"),
    [
        ("data.state == 'SUCCEED'", None, False),
        ("data.state == 'FAILED'", FailureReason.EXPECTATION_NOT_MET, False),
        ("data.nothing == 1", FailureReason.INVALID_EXPRESSION, False),
        ("data.state + 1 == 2", FailureReason.INVALID_EXPRESSION, True),
    ],
)
async def test_expect_over_data(agent: FakeAgent, expect: str, reason: FailureReason | None, permanent: bool) -> None:
    """It sees obshell's last answer; one without an answer is told apart from one that does not hold, as in every action."""
    agent.operations["POST", STOP] = stages(Step("prepare"))

    end = await bench_for(agent).run(attempt(operation(expect=expect)))

    assert isinstance(end, Succeeded | Failed)
    assert (getattr(end, "reason", None), getattr(end, "permanent", False)) == (reason, permanent), end


async def test_an_undo_whose_retry_cannot_work_is_begun_anew(agent: FakeAgent) -> None:
    """RETRY of a failed "Start seekdb" never works, and an undo has no `fresh`: the second try starts the operation again."""
    agent.operations["POST", STOP] = stages(Step("start", fails=2))
    on, one = bench_for(agent), replace(attempt(operation()), id=replace(attempt(operation()).id, direction=Direction.ROLLBACK))
    for number in (1, 2):
        again = replace(one, id=replace(one.id, number=number), previous_external="11" if number > 1 else None)
        assert isinstance(await on.run(again), Failed)
    agent.operations["POST", STOP] = stages(Step("start"))

    end = await on.run(replace(one, id=replace(one.id, number=3), previous_external="11"))

    assert end == Succeeded('obshell task 12 "Operation 2" succeeded', external="12")
    assert (agent.starts(), agent.operated()) == ([STOP, STOP], ["RETRY"])
    assert "was retried before, and failed again: starting the operation again" in on.log.text


async def test_an_undo_that_failed_twice_is_retried_a_third_time() -> None:
    """Where nobody can tell whether its DAG still keeps obshell, starting another one would only be refused."""
    failing = Operation(stages(Step("in", fails=2)), "Cluster scale in")
    with FakeAgent(operations={("POST", STOP): failing}).running() as agent:
        on, external, ends = bench_for(agent), None, []
        for number in range(1, 4):
            one = follow_up(attempt(operation(), number=number - 1), external)
            end = await on.run(replace(one, id=replace(one.id, direction=Direction.ROLLBACK)))
            assert isinstance(end, Succeeded | Failed)
            external = external or end.external
            ends.append(isinstance(end, Succeeded))

    assert agent.operated() == ["RETRY", "RETRY"]
    assert (agent.starts(), ends) == ([STOP], [False, False, True])
