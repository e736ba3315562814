"""Connections that a task overrides, through the whole operator on the real API server. API.md section 2.1."""

from typing import Any

import pytest
from tests.support.agent.agent import FakeAgent, Operations
from tests.support.agent.dags import Node, Step
from tests.support.apiserver import ServerError
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, sql_step

from devcluster.sqlserver import SqlServer
from obtask.settings import Settings

STOP = "/api/v1/ob/stop"


@pytest.mark.usefixtures("operator")
def test_sql_by_the_task_and_by_the_step(tasks: TaskClient, seekdb: SqlServer) -> None:
    """What the Secret allows is used; what it does not allow ends Forbidden, and says what to write into its key hosts."""
    good = {"user": seekdb.user, "password": seekdb.password}
    tasks.create_secret("elsewhere", host="db.invalid", port="1", hosts=f"{seekdb.host}:{seekdb.port}", **good)
    tasks.create_secret("narrow", host=seekdb.host, port=str(seekdb.port), **good)
    here = {"host": seekdb.host, "port": seekdb.port, "database": "test"}
    ask = {"statements": ["select database() as db"], "expect": "rows[0].db == 'test'"}
    tasks.create("by-task", connection={"secretName": "elsewhere", **here}, steps=[{"name": "s", "sql": ask}])
    tasks.create(
        "by-step", connection={"secretName": "none"}, steps=[{"name": "s", "sql": ask | {"connection": {"secretName": "narrow", **here}}}]
    )
    tasks.create("other-host", connection={"secretName": "narrow", "host": "localhost"}, steps=[sql_step("s", "select 1")])
    tasks.create("other-port", connection={"secretName": "narrow", "port": 1}, steps=[sql_step("s", "select 1")])

    for name in ("by-task", "by-step"):
        tasks.wait_let_go(name, "Succeeded")
    for name, place in (("other-host", f"localhost:{seekdb.port}"), ("other-port", f"{seekdb.host}:1")):
        failed = tasks.wait_phase(name, "Failed")["failedSubtask"]
        assert failed["reason"] == "Forbidden"
        assert f'the key "hosts" of Secret "narrow" does not list {place}' in failed["message"]
        assert seekdb.password not in str(tasks.status(name))


def test_obshell_by_the_task_and_by_the_step(tasks: TaskClient, settings: Settings) -> None:
    """The agent is asked where the task says, if the Secret allows it; one that it does not allow hears nothing."""
    stages: Operations = {("POST", STOP): lambda: [Node("Stage kill", [Step("kill")])]}
    with FakeAgent(operations=stages).running() as agent, operator_thread(settings):
        host, port = "127.0.0.1", int(agent.url.rpartition(":")[2])
        tasks.create_secret("wide", url="http://agent.invalid:1", hosts="127.0.0.0/8", password=agent.password)
        tasks.create_secret("narrow", url="http://agent.invalid:1", hosts="*.invalid", password=agent.password)
        step: dict[str, Any] = {"name": "stop", "obshell": {"path": STOP, "body": {}}}
        tasks.create("no", connection={"secretName": "narrow", "host": host, "port": port}, steps=[step])
        assert tasks.wait_phase("no", "Failed")["failedSubtask"]["reason"] == "Forbidden"
        assert agent.asked == []
        tasks.create("by-task", connection={"secretName": "wide", "host": host, "port": port, "user": "ignored"}, steps=[step])
        tasks.wait_let_go("by-task", "Succeeded")
        own = {"name": "stop", "obshell": step["obshell"] | {"connection": {"secretName": "wide", "host": host, "port": port}}}
        tasks.create("by-step", steps=[own])
        tasks.wait_let_go("by-step", "Succeeded")


@pytest.mark.parametrize("host", ["db:2881", "a,b", "fe80::1%eth0", "\uff11\uff12\uff17.0.0.1", "db\n", ""])
def test_a_host_that_is_none(tasks: TaskClient, host: str) -> None:
    """The API server refuses it, in the task's connection and in a step's."""
    own = {"secretName": "s", "host": host}
    for spec in (
        {"connection": own, "steps": [sql_step("s", "select 1")]},
        {"steps": [{"name": "s", "sql": {"statements": ["select 1"], "connection": own}}]},
        {"steps": [{"name": "s", "obshell": {"path": STOP, "connection": own}}]},
    ):
        with pytest.raises(ServerError, match="host"):
            tasks.create("bad", **spec)
