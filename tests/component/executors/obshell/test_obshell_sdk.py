"""The official SDK as the judge: it must be able to drive our fake agent, and our requests must be like its own."""

import asyncio
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from tests.component.executors.obshell_bench import stages
from tests.support.agent.agent import PASSWORD, Answered, Asked, FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import wall_clock
from tests.support.local import LOCAL

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.obshell.answers import AgentAnswer
from obtask.executors.obshell.dag import Dag, State, read_dag
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.wire import Client

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK and what it needs are not written for warnings as errors

CONFIG = "/api/v1/observer/config"


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """Return the SDK."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import obshell  # noqa: PLC0415 - its own text makes Python warn when it is compiled
    module: ModuleType = obshell
    return module


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent with an operation that fails once in its second stage."""
    with FakeAgent(operations={("POST", CONFIG): stages(Step("check"), Step("set", fails=1))}).running() as running:
        yield running


def client_of(sdk: ModuleType, agent: FakeAgent) -> Any:
    """Return the SDK's client for the agent."""
    return sdk.ClientV1("127.0.0.1", agent.port, auth=sdk.auth.PasswordAuth(PASSWORD))


def start(client: Any) -> Any:
    """Start the operation through the SDK."""
    return client.config_observer({"memory_limit": "8G"}, "SERVER", ["10.0.0.1:2886"])


def test_the_sdk_drives_the_fake_agent(sdk: ModuleType, agent: FakeAgent) -> None:
    """Start, wait for the failure, retry to the end; the SDK reads every answer as that of a real agent."""
    client = client_of(sdk, agent)
    dag = start(client)
    with pytest.raises(sdk.service.client_v1.TaskExecuteFailedError) as failed:
        client.wait_dag_succeed(dag.generic_id)

    assert "ERROR: set broke" in str(failed.value)
    assert client.operate_dag_sync(dag.generic_id, "RETRY") is True
    assert client.get_dag(dag.generic_id).is_succeed()


@pytest.mark.parametrize(("operator", "state"), [("ROLLBACK", "SUCCEED"), ("PASS", "SUCCEED"), ("CANCEL", "FAILED")])
def test_the_sdk_operates_dags_of_the_fake_agent(sdk: ModuleType, agent: FakeAgent, operator: str, state: str) -> None:
    """What the SDK asks for is done, with the operator left on the DAG."""
    if operator == "CANCEL":
        agent.operations["POST", CONFIG] = stages(Step("set", held=True))
    client = client_of(sdk, agent)
    dag = start(client).generic_id
    while operator != "CANCEL" and not client.get_dag(dag).is_failed():
        pass

    assert client.operate_dag(dag, operator) is True

    while (seen := client.get_dag(dag)).state != state:
        pass
    assert seen.operator == operator
    with pytest.raises(sdk.OBShellHandleError) as refused:
        client.operate_dag(dag, "NONSENSE")
    assert refused.value.err_code == "Task.Dag.Operator.NotSupport"


def test_our_reading_of_a_dag_is_the_sdks(sdk: ModuleType, agent: FakeAgent) -> None:
    """Id, name, state, operator, stages, nodes, subtasks and logs are the same."""
    client = client_of(sdk, agent)
    dag = start(client).generic_id
    while not (theirs := client.get_dag(dag)).is_failed():
        pass

    ours = read_dag(agent.dags[dag].document(details=True))

    assert isinstance(ours, Dag)
    assert (ours.id, ours.name, ours.stage, ours.max_stage) == (theirs.generic_id, theirs.name, theirs.stage, theirs.max_stage)
    assert (ours.state, ours.operator) == (State(theirs.state), theirs.operator)
    assert [
        (node.name, node.state, [(sub.name, sub.state, sub.agent, list(sub.logs)) for sub in node.subtasks]) for node in ours.nodes
    ] == [
        (node.name, node.state, [(sub.name, sub.state, sub.execute_agent, sub.task_logs) for sub in node.sub_tasks])
        for node in theirs.nodes
    ]


async def send(agent: FakeAgent, method: str, path: str, **more: Any) -> AgentAnswer:
    """Send one request with our client."""
    ours = Client(clock=wall_clock, hosts=LOCAL)
    session = await ours.open(AgentConnection(agent.url, PASSWORD))
    assert isinstance(session, AgentLogin), session
    answer = await ours.send(session, method, path, **more)
    assert isinstance(answer, AgentAnswer), answer
    return answer


def alike(asked: Asked) -> Asked:
    """Return a request without what chance and the clock put in."""
    auth = {**asked.auth, "ts": len(asked.auth["ts"]), "keys": len(asked.auth["keys"])}
    return replace(asked, auth=auth)


@pytest.mark.parametrize(
    ("identity", "security", "path"),
    [
        ("CLUSTER AGENT", False, CONFIG),
        ("CLUSTER AGENT", False, "/api/v1/tenant/订 单/lock"),
        ("SINGLE", False, CONFIG),
        ("CLUSTER AGENT", True, "/api/v1/obproxy/stop"),
        ("SINGLE", True, CONFIG),
    ],
)
async def test_our_requests_are_like_the_sdks(sdk: ModuleType, agent: FakeAgent, identity: str, *, security: bool, path: str) -> None:
    """Path, header, what is encrypted in it, and the body are the same; so is a look at a DAG."""
    agent.identity, agent.security = identity, security
    agent.operations["POST", path] = Answered(data=None)
    obproxy = path.startswith("/api/v1/obproxy")
    dag = "/api/v1/task/dag/" + ("49" if obproxy else "19")
    body = {"name": "订单", "quote": "a\"b'c", "deep": {"list": [1, 2.5, None, True]}}

    def ask() -> None:
        passwords = {"agent_password": PASSWORD} if obproxy or security else {"password": PASSWORD}
        client = sdk.ClientV1("127.0.0.1", agent.port, auth=sdk.auth.PasswordAuth(**passwords))
        kind = "obproxy" if obproxy else "ob"
        assert client._handle_ret_request(client.create_request(path, "POST", data=body, task_type=kind)) is True
        client._execute(client.create_request(dag, "GET", query_param={"show_details": True}))

    await asyncio.to_thread(ask)
    theirs, agent.asked = agent.asked, []
    await send(agent, "POST", path, body=body)
    await send(agent, "GET", dag, query={"show_details": "True"})

    assert alike(agent.asked[0]) == alike(theirs[0])
    assert alike(agent.asked[1]) == alike(theirs[1])
    assert json.dumps(agent.asked[0].body) == json.dumps(body)
