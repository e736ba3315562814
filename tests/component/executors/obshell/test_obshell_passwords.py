"""The states of an agent and their passwords: an operation that changes the password ends, and one Secret is enough to make a cluster."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import ObshellBench, bench_for, operation, stages
from tests.support.agent.agent import Answered, FakeAgent, Operation
from tests.support.agent.dags import Step
from tests.support.attempts import attempt

from obtask.executors.obshell.login import passwords_in
from obtask.model.attempt import Failed, Outcome, Succeeded

CONFIG, JOIN, INIT = "/api/v1/obcluster/config", "/api/v1/agent/join", "/api/v1/ob/init"
NEW = "Root@123 new"


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return a new agent, as it is before it joins itself."""
    with FakeAgent(identity="SINGLE", password="").running() as running:
        yield running


async def carry_out(on: ObshellBench, agent: FakeAgent, path: str, body: dict[str, object], **after: str) -> Outcome:
    """Run one step; the agent changes its state in the middle of it."""
    agent.operations["POST", path] = Operation(stages(Step("set"), Step("check", held=True)), path)
    one = attempt(operation(path, body=body))
    one = replace(one, id=replace(one.id, step=path.rpartition("/")[2]))
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    with agent.lock:
        agent.password = after.get("password", agent.password)
        agent.identity = after.get("identity", agent.identity)
    agent.release()
    end = await on.end_of(one)
    assert isinstance(end, Succeeded | Failed)
    return end


async def test_an_operation_that_sets_the_password_ends(agent: FakeAgent) -> None:
    """The Secret has the old password; the new one is in the body."""
    agent.identity = "MASTER"
    on = bench_for(agent, "")

    end = await carry_out(on, agent, CONFIG, {"clusterName": "obt", "rootPwd": NEW}, password=NEW)

    assert isinstance(end, Succeeded)
    assert NEW not in on.log.text
    assert NEW in on.log.secrets


async def test_a_cluster_is_made_with_one_secret(agent: FakeAgent) -> None:
    """The Secret has the password to come: join as SINGLE, set it as MASTER, go on as a member of a cluster."""
    on = bench_for(agent, NEW)

    joined = await carry_out(on, agent, JOIN, {"zoneName": "zone1"}, identity="MASTER")
    configured = await carry_out(on, agent, CONFIG, {"rootPwd": NEW}, password=NEW)
    made = await carry_out(on, agent, INIT, {}, identity="CLUSTER AGENT")

    assert [type(end) for end in (joined, configured, made)] == [Succeeded] * 3
    assert agent.starts() == [JOIN, CONFIG, CONFIG, INIT]


async def test_a_changed_password_ends_too(agent: FakeAgent) -> None:
    """The same for a cluster whose password is changed: whichever of the two the Secret has."""
    for in_secret in ("before", NEW):
        agent.identity, agent.password = "CLUSTER AGENT", "before"
        on = bench_for(agent, in_secret)

        end = await carry_out(on, agent, "/api/v1/tenant/sys/password", {"old_password": "before", "new_password": NEW}, password=NEW)

        assert isinstance(end, Succeeded)


async def test_the_body_of_another_operation_is_no_password(agent: FakeAgent) -> None:
    """A wrong Secret stays wrong: an empty password is not tried with a cluster."""
    agent.identity, agent.password = "CLUSTER AGENT", ""
    agent.operations["POST", INIT] = Answered(204)

    end = await bench_for(agent, "wrong").run(attempt(operation(INIT, body={"import_script": False})))

    assert isinstance(end, Failed)
    assert end.code == "401"
    assert len(agent.starts()) == 1


def test_which_values_of_a_body_are_tried() -> None:
    """Texts under names of passwords, on the first two levels."""
    body = {"rootPwd": "a", "name": "b", "inner": {"new_password": "c", "deep": {"password": "d"}}, "password": 7, "list": [{"pwd": "e"}]}

    assert list(passwords_in(body)) == ["a", "c"]
    assert list(passwords_in(None)) == []
