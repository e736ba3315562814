"""A request whose answer is lost: the agent is asked which task it has started, and with one match the attempt goes on with it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.component.executors.obshell_bench import STOP, AgentSecrets, ObshellBench, bench_for, dag_is, follow_up, operation, stages
from tests.support.agent.agent import DAG_PATH, Answered, FakeAgent, Operation
from tests.support.agent.dags import NO_MAINTENANCE, TENANT, Step
from tests.support.attempts import attempt, wall_clock

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.obshell.search import is_another, tenant_of
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Attempt, Failed, Lost, Running, Succeeded
from obtask.model.reasons import FailureReason

STOP_OB = Operation(stages(Step("prepare"), Step("kill")), "Stop OB")


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose clock is ahead of ours."""
    with FakeAgent(operations={("POST", STOP): STOP_OB}, ahead=timedelta(minutes=7)).running() as running:
        yield running


def losing(agent: FakeAgent, *, carried_out: bool = True) -> None:
    """Make the next POST get no answer."""
    with agent.lock:
        agent.faults.append(("POST", STOP, Answered(drop=True)))
        agent.lost = carried_out


async def test_the_task_that_was_started_is_found_and_followed(agent: FakeAgent) -> None:
    """One POST, no second one, and the success is the attempt's."""
    losing(agent)
    on = bench_for(agent)

    end = await on.run(attempt(operation()))

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")
    assert agent.starts() == [STOP]
    assert 'obshell task 11 "Stop OB" was started at' in on.log.text


async def test_where_nothing_was_started_it_says_so(agent: FakeAgent) -> None:
    """Interrupted, never tried again without a person; what the search has brought is in the message."""
    losing(agent, carried_out=False)

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INTERRUPTED
    assert end.message.endswith("; obshell has started no task since then")


async def test_what_was_there_before_is_not_taken_for_it(agent: FakeAgent) -> None:
    """A task that was started earlier, by the agent's own clock, is none of ours."""
    agent.ahead -= timedelta(seconds=10)
    agent.start(STOP_OB)
    await dag_is(agent, "SUCCEED")
    agent.ahead += timedelta(seconds=10)
    losing(agent, carried_out=False)

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert "obshell has started no task since then" in end.message


async def test_what_is_known_to_be_another_operation_is_not_taken_for_it(agent: FakeAgent) -> None:
    """Somebody has started something else at the same time: it is named, and not followed."""
    losing(agent, carried_out=False)
    agent.start(Operation(stages(Step("boot")), "Start OB", NO_MAINTENANCE))

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert 'but obshell task 11 "Start OB", which are not of it' in end.message


async def test_of_two_that_it_may_be_none_is_followed(agent: FakeAgent) -> None:
    """A person decides."""
    losing(agent)
    agent.start(replace(STOP_OB, maintenance=NO_MAINTENANCE))

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INTERRUPTED
    assert "obshell has started 2 tasks since then" in end.message
    assert agent.operated() == []


async def test_a_new_operator_finds_what_the_last_one_has_started(agent: FakeAgent) -> None:
    """Killed between the request and the record of its id: no second POST."""
    one = attempt(operation())
    agent.start(STOP_OB)

    end = await bench_for(agent).end_of(one)

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")
    assert agent.starts() == []


async def test_a_new_operator_that_finds_nothing(agent: FakeAgent) -> None:
    """The attempt is lost, and says what was looked for."""
    end = await bench_for(agent).end_of(attempt(operation()))

    assert isinstance(end, Lost)
    assert (end.message or "").endswith("nobody knows how far the attempt got: obshell has started no task since then")


async def test_a_new_operator_that_cannot_ask(agent: FakeAgent) -> None:
    """The same, and why."""
    with FakeAgent().running() as gone:
        on = bench_for(gone)

    end = await on.end_of(attempt(operation()))

    assert isinstance(end, Lost)
    assert "obshell could not be asked which task it has started" in (end.message or "")
    assert agent.asked == []


async def failed_once(agent: FakeAgent, on: ObshellBench) -> Attempt:
    """Return the attempt after one whose DAG failed."""
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Stop OB")
    one = attempt(operation())
    await on.run(one)
    return follow_up(one, "11")


async def test_a_new_operator_sees_that_the_retry_had_arrived(agent: FakeAgent) -> None:
    """Killed between RETRY and its record: the id was known, and the DAG shows that it was commanded."""
    second = await failed_once(agent, bench_for(agent))
    with agent.lock:
        agent.dag().operate("RETRY")

    end = await bench_for(agent).end_of(second)

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")
    assert agent.operated() == []


@pytest.mark.parametrize("operator", ["ROLLBACK", "PASS"])
async def test_what_a_person_ended_is_not_gone_on_with(agent: FakeAgent, operator: str) -> None:
    """The operation was started again, as the DAG before was rolled back or passed; the answer is lost, and the new DAG is followed."""
    on = bench_for(agent)
    second = await failed_once(agent, on)
    with agent.lock:
        agent.dag().operate(operator)
    await dag_is(agent, "SUCCEED")
    agent.operations["POST", STOP] = STOP_OB
    losing(agent)

    end = await on.run(second)

    assert end == Succeeded('obshell task 12 "Stop OB" succeeded', external="12")


async def test_a_new_operator_sees_that_the_rollback_had_arrived(agent: FakeAgent) -> None:
    """The same for an undo."""
    second = await failed_once(agent, bench_for(agent))
    with agent.lock:
        agent.dag().operate("ROLLBACK")

    end = await bench_for(agent).end_of(replace(second, action=ObshellAction.model_validate({"operator": "Rollback"})))

    assert end == Succeeded('obshell task 11 "Stop OB" is rolled back', external="11")


async def test_a_retry_whose_answer_is_lost_is_looked_for(agent: FakeAgent) -> None:
    """It was accepted: the DAG is at work, and it is followed."""
    on = bench_for(agent)
    second = await failed_once(agent, on)
    with agent.lock:
        agent.faults.append(("POST", DAG_PATH, Answered(drop=True)))
        agent.lost = True

    end = await on.run(second)

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")
    assert agent.operated() == ["RETRY"]


async def test_a_question_is_asked_again_by_a_new_operator(agent: FakeAgent) -> None:
    """GET changes nothing: there is nothing to be lost."""
    agent.operations["GET", "/api/v1/tenants"] = Answered(data={"contents": []})
    on, one = bench_for(agent), attempt(operation("/api/v1/tenants", method="GET"))

    assert isinstance(await on.executor.observe(one, on.log), Running)
    assert isinstance(await on.end_of(one), Succeeded)


@pytest.mark.parametrize(
    ("path", "name", "another"),
    [
        ("/api/v1/ob/stop", "Stop OB", False),
        ("/api/v1/ob/stop", "Start OB", True),
        ("/api/v1/ob/stop", "Stop observer", True),
        ("/api/v1/ob/stop", "Whatever a newer obshell calls it", True),
        ("/api/v1/tenant", "Create tenant orders", False),
        ("/api/v1/tenant/orders", "Create tenant orders", True),
        ("/api/v1/tenant/orders/user", "Whatever a newer obshell calls it", True),
        ("/api/v1/seekdb/restart", "Restart seekdb", False),
    ],
)
def test_names_tell_operations_apart(path: str, name: str, another: bool) -> None:
    """Only a name that is known to be this operation's is a match."""
    assert is_another(path, name) is another


ORDERS = "/api/v1/tenant/orders"


def drop(agent: FakeAgent, tenant: str) -> None:
    """Let somebody else drop a tenant."""
    with agent.lock:
        dag = agent.start(Operation(stages(Step("drop")), "Drop tenant", NO_MAINTENANCE))
        dag.key, dag.maintenance = tenant, TENANT


@pytest.mark.parametrize(("tenant", "reason"), [("billing", FailureReason.INTERRUPTED), ("orders", None), ("", FailureReason.INTERRUPTED)])
async def test_the_same_operation_of_another_tenant_is_not_taken_for_it(
    agent: FakeAgent, tenant: str, reason: FailureReason | None
) -> None:
    """The request never arrived; a task that does not tell its tenant is none of ours either."""
    agent.faults.append(("DELETE", ORDERS, Answered(drop=True)))
    drop(agent, tenant)

    end = await bench_for(agent).run(attempt(operation(ORDERS, method="DELETE")))

    assert (end.reason if isinstance(end, Failed) else None) is reason
    assert isinstance(end, Succeeded) or 'but obshell task 11 "Drop tenant", which are not of it' in (end.message or "")


@pytest.mark.parametrize(
    ("action", "tenant"),
    [
        ({"path": "/api/v1/tenant/a/primary-zone", "method": "PUT"}, "a"),
        ({"path": "/api/v1/recyclebin/tenant/a", "method": "DELETE"}, "a"),
        ({"path": "/api/v1/tenant", "body": {"name": "a"}}, "a"),
        ({"path": "/api/v1/ob/restore", "body": {"tenant_name": "a"}}, "a"),
        ({"path": "/api/v1/tenant", "body": {"name": 1}}, ""),
        ({"path": STOP, "body": {"name": "a"}}, ""),
    ],
)
def test_which_tenant_a_request_is_about(action: dict[str, object], tenant: str) -> None:
    """Its path says so, or the body of what makes one."""
    assert tenant_of(ObshellAction.model_validate(action)) == tenant


async def test_what_another_attempt_follows_is_not_taken_for_it(agent: FakeAgent) -> None:
    """Two tasks of Kubernetes want the same; one request has arrived."""
    agent.operations["POST", STOP] = Operation(stages(Step("kill", held=True)), "Stop OB", NO_MAINTENANCE)
    on, first = bench_for(agent), attempt(operation())
    await on.executor.start(first, on.log)
    await on.until_running(first, "is running")
    losing(agent, carried_out=False)

    end = await on.run(attempt(operation(), number=2))
    agent.release()

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INTERRUPTED
    assert isinstance(await on.end_of(first), Succeeded)


async def test_a_new_operator_takes_over_nothing_that_the_request_may_have_waited_for(agent: FakeAgent) -> None:
    """Somebody's task kept obshell, then somebody's task like ours ran: the operator before may have waited all the time."""
    one = attempt(operation())
    agent.start(Operation(stages(Step("boot")), "Start OB"))
    await dag_is(agent, "SUCCEED")
    agent.start(STOP_OB)

    end = await bench_for(agent).end_of(one)

    assert isinstance(end, Lost)
    assert 'may be it, or somebody else\'s: the request may have waited for obshell task 11 "Start OB"' in (end.message or "")


async def test_a_list_that_cannot_be_read_is_named(agent: FakeAgent) -> None:
    """What is not in the other list may be in this one."""
    losing(agent)
    agent.faults.append(("GET", "/api/v1/task/dags/ob", Answered(500, error="Gorm", message="Error 1047: away")))

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert "no task since then, as far as it could be asked (dags/ob: HTTP 500: Gorm: Error 1047: away)" in end.message


async def test_a_new_operator_asks_again_for_a_list_that_it_could_not_read(agent: FakeAgent) -> None:
    """One list is there, with nothing in it."""
    one = attempt(operation())
    agent.start(STOP_OB)
    agent.faults.append(("GET", "/api/v1/task/dags/ob", Answered(500, error="Gorm", message="Error 1047: away")))

    assert isinstance(await bench_for(agent).end_of(one), Succeeded)


async def test_a_clock_at_the_end_of_time_is_no_clock(agent: FakeAgent) -> None:
    """The search counts by the operator's clock then, and comes to its end."""
    agent.ahead = datetime.max.replace(tzinfo=UTC) - wall_clock() - timedelta(minutes=1)
    losing(agent)

    end = await bench_for(agent).run(attempt(operation()))

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")


@dataclass(slots=True)
class Several(AgentSecrets):
    """A Secret that names a second agent as well."""

    second: str = ""

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return the connection, with another one."""
        found = await AgentSecrets.agent(self, namespace, secret_name)
        return found if isinstance(found, Failed) else replace(found, others=(self.second,))


async def test_only_the_agent_that_got_the_request_is_asked(agent: FakeAgent) -> None:
    """The first agent of the Secret is back meanwhile, and knows nothing of what the second one has started."""
    with FakeAgent(operations={("POST", STOP): STOP_OB}).running() as second:
        losing(second)
        second.faults.append(("GET", "/api/v1/task/dags/agent", Answered(drop=True)))
        port, agent.port = agent.port, 1

        async def back() -> None:
            agent.port = port

        end = await ObshellBench(Several(agent, second=second.url), confirmed=back).run(attempt(operation()))

    assert end == Succeeded('obshell task 11 "Stop OB" succeeded', external="11")
    assert second.starts() == [STOP]


async def test_a_new_operator_asks_all_agents_of_the_secret(agent: FakeAgent) -> None:
    """It does not know which of them got the request; a task of one agent is in the list of no other."""
    one = attempt(operation())
    with FakeAgent(kind="2").running() as second:
        second.start(STOP_OB)

        end = await ObshellBench(Several(agent, second=second.url)).end_of(one)

    assert end == Succeeded('obshell task 21 "Stop OB" succeeded', external="21")


async def test_a_new_operator_that_cannot_ask_one_of_the_agents_does_not_say_that_nothing_was_started(agent: FakeAgent) -> None:
    """The one that cannot be asked may have got the request."""
    bench = ObshellBench(Several(agent, second="http://127.0.0.1:9"))

    end = await bench.end_of(attempt(operation()))

    assert not isinstance(end, Succeeded)
    assert "could be asked (dags/agent of http://127.0.0.1:9" in bench.log.text


async def test_what_was_refused_as_obshell_was_busy_may_have_changed_something(agent: FakeAgent) -> None:
    """Some operations do something before they ask whether they may: a later refusal does not show that nothing was changed."""
    with agent.lock:
        agent.faults.append(("POST", STOP, Answered(500, error="Agent.UnderMaintenance", message="is under maintenance")))
        agent.faults.append(("POST", STOP, Answered(404, error="Resource.NotFound", message="no such object")))

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert (end.code, end.untouched) == ("404", False)


def test_clocks_are_compared(agent: FakeAgent) -> None:
    """The agent of these tests is ahead, or they would show nothing."""
    assert agent.now() - wall_clock() > timedelta(minutes=6)
