"""Steps that pass values on, decide, loop and ask, through the whole operator: every action against its real counterpart. API.md 2, 2.2."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Node, Step
from tests.support.apiserver import CONFIG_MAPS, Body, ServerError
from tests.support.audit import tally, writes
from tests.support.beside import beside
from tests.support.kubectl import Kubectl
from tests.support.operators import operator_thread
from tests.support.rights import grant
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.website import Website, website

from devcluster.sqlserver import SqlServer
from obtask.settings import Settings

NAME = "a b/c'; --"  # what the SQL server gives
STOP = "/api/v1/ob/zone1/stop"


@pytest.fixture
def site() -> Iterator[Website]:
    """Return a server that runs in a thread of its own."""
    with beside(website()) as running:
        yield running


@pytest.fixture
def agent(tasks: TaskClient) -> Iterator[FakeAgent]:
    """Return an agent with one operation, and a Secret for it."""
    with FakeAgent(operations={("POST", STOP): lambda: [Node("Stage kill", [Step("kill")])]}).running() as running:
        tasks.create_secret("obshell", url=running.url, password=running.password)
        yield running


@pytest.fixture
def runner(kubectl: Kubectl, namespace: str) -> None:
    """Make a service account for tasks."""
    grant(kubectl, namespace, "runner")


def outputs(status: Body, step: int) -> Body:
    """Return what the only subtask of a step gave away."""
    found: Body = status["steps"][step]["subtasks"][0].get("outputs", {})
    return found


def find(**more: Any) -> Body:
    """Return a step that finds a text, a number and a list."""
    found = {"name": "rows[0].name", "n": "rows[0].n", "list": "rows.map(r, r.n)"}
    sql = {"statements": ["select %(name)s as name, 7 as n union all select 'x', 8"], "args": {"name": NAME}, "outputs": found}
    return {"name": "find", "sql": sql | more}


@pytest.mark.usefixtures("runner")
def test_values_pass_from_action_to_action(tasks: TaskClient, settings: Settings, connection: str, site: Website, agent: FakeAgent) -> None:
    """SQL gives to HTTP, HTTP to an object, the object to obshell, all in one task: typed where the field is, encoded where it must be."""
    encoded = "a%20b%2Fc%27%3B%20--"
    site.answers(f"/t/{NAME}/x", json={"seen": "zone1", "ratio": 5.0})
    value = "steps.find.outputs"
    body = {"n": f"${{{{ {value}.n }}}}", "text": f"n=${{{{ {value}.n }}}}", "list": f"${{{{ {value}.list }}}}", "own": "$${{ x }}"}
    http = {
        "method": "POST",
        "url": f"{site.url}/t/${{{{ {value}.name }}}}/x?q=${{{{ {value}.name }}}}",
        "headers": {"X-N": f"${{{{ {value}.n }}}}"},
        "body": body,
        "outputs": {"seen": "body.seen", "ratio": "body.ratio"},
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "of-${{ steps.ask.outputs.seen }}"},
        "data": {"n": f"${{{{ string({value}.n) }}}}"},
    }
    keep = {"apply": manifest, "outputs": {"uid": "object.metadata.uid"}}
    obshell = {
        "connection": {"secretName": "obshell"},
        "path": "/api/v1/ob/${{ steps.ask.outputs.seen }}/stop",
        "body": {"n": f"${{{{ {value}.n }}}}", "uid": "${{ steps.keep.outputs.uid }}"},
    }
    steps = [
        find(),
        {"name": "ask", "http": http},
        {"name": "keep", "resource": keep, "rollback": {"resource": {"restore": True}}},
        {"name": "stop", "obshell": obshell},
        sql_step("end", "select 1 from no_such_table"),
    ]
    with operator_thread(settings):
        tasks.create("pass", maintenance="Global", connection={"secretName": connection}, serviceAccountName="runner", steps=steps)
        failed = tasks.wait_phase("pass", "Failed")
        made = tasks.api.get(f"{CONFIG_MAPS.format(tasks.namespace)}/of-zone1")
        tasks.command("pass", "rollback")
        undone = tasks.wait_let_go("pass", "RolledBack", "Failed")

    assert failed["failedSubtask"]["step"] == "end"
    assert outputs(failed, 0) == {"name": NAME, "n": 7, "list": [7, 8]}
    assert outputs(failed, 1) == {"seen": "zone1", "ratio": 5}
    heard = site.heard[0]
    assert heard.path == f"/t/{encoded}/x?q={encoded}"
    assert heard.headers["X-N"] == "7"
    assert json.loads(heard.body) == {"n": 7, "text": "n=7", "list": [7, 8], "own": "${{ x }}"}
    assert made["data"] == {"n": "7"}
    assert outputs(failed, 2) == {"uid": made["metadata"]["uid"]}
    assert [(one.path, one.body) for one in agent.sent("POST")] == [(STOP, {"n": 7, "uid": made["metadata"]["uid"]})]
    assert undone["phase"] == "RolledBack"
    with pytest.raises(ServerError, match="not found"):
        tasks.api.get(f"{CONFIG_MAPS.format(tasks.namespace)}/of-zone1")


@pytest.mark.usefixtures("operator")
def test_loop_over_servers_connects_to_each(tasks: TaskClient, seekdb: SqlServer) -> None:
    """The host and the port of a connection come from the item; one outside of the Secret's own list gets no password."""
    good = {"user": seekdb.user, "password": seekdb.password}
    tasks.create_secret("servers", host="db.invalid", port="1", hosts=f"{seekdb.host}:{seekdb.port}", **good)
    where = {"secretName": "servers", "host": "${{ item.ip }}", "port": "${{ item.port }}"}
    each = {
        "items": f"[{{'ip': '{seekdb.host}', 'port': {seekdb.port}}}, {{'ip': 'evil.invalid', 'port': 1}}]",
        "maxParallel": 1,
        "subtask": {"sql": {"statements": ["select 1"], "connection": where}},
    }
    tasks.create("each", steps=[{"name": "visit", "forEach": each}])

    failed = tasks.wait_phase("each", "Failed")

    assert [(sub["name"], sub["phase"]) for sub in failed["steps"][0]["subtasks"]] == [("visit-0", "Succeeded"), ("visit-1", "Failed")]
    assert failed["failedSubtask"]["reason"] == "Forbidden"
    assert seekdb.password not in json.dumps(failed)


@pytest.mark.usefixtures("operator")
def test_secret_in_outputs_fails_the_subtask_and_appears_nowhere(tasks: TaskClient, connection: str) -> None:
    """A value that contains what came from a Secret is not stored: not in the status, the log or an Event."""
    tasks.create_secret("more", pin="hunter2-of-the-test")
    args = {"pin": {"secretKeyRef": {"name": "more", "key": "pin"}}}
    sql = {"statements": ["select concat('<', %(pin)s, '>') as x"], "argsFrom": args, "outputs": {"x": "rows[0].x", "n": "1"}}
    tasks.create("leak", connection={"secretName": connection}, steps=[{"name": "s", "sql": sql}])

    failed = tasks.wait_phase("leak", "Failed")

    assert failed["failedSubtask"]["reason"] == "InvalidExpression"
    assert "outputs.x would show what is in a Secret" in failed["failedSubtask"]["message"]
    assert "outputs" not in failed["steps"][0]["subtasks"][0]
    assert "hunter2" not in json.dumps([failed, tasks.events("leak"), tasks.config_maps("leak")])


@pytest.mark.usefixtures("operator")
def test_approval_by_annotation(tasks: TaskClient) -> None:
    """The task says that it waits for somebody, and goes on once; the history has the command."""
    tasks.create("ask", steps=[{"name": "sure", "approve": {"message": "Drop it?"}}, wait_step("go")])
    asking = tasks.wait("ask", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")["status"]
    assert (asking["phase"], asking["allowedActions"]) == ("Running", ["approve", "cancel"])

    assert tasks.command("ask", "approve")["result"] == "Accepted"

    done = tasks.wait_let_go("ask", "Succeeded")
    assert [entry["verb"] for entry in done["history"]] == ["approve"]
    assert tasks.command("ask", "approve")["result"] == "Rejected"


def test_steps_that_decide_and_loop_cost_no_writes_of_their_own(tasks: TaskClient, settings: Settings, connection: str) -> None:
    """Outputs, conditions that are paths, and lists: N + 6 writes. A condition that takes long to evaluate costs one more."""
    steps = [
        find(),
        wait_step("yes", 1, when="steps.find.outputs.n == 7"),
        wait_step("no", 1, when="steps.find.outputs.n != 7"),
        {"name": "each", "forEach": {"items": "steps.find.outputs.list", "subtask": {"wait": {"seconds": 1}}}},
        {"name": "none", "forEach": {"items": "[]", "subtask": {"wait": {"seconds": 1}}}},
        sql_step("last", "select 1"),
    ]
    with operator_thread(settings):
        tasks.create("cheap", maintenance="Global", connection={"secretName": connection}, steps=steps)
        done = tasks.wait_let_go("cheap", "Succeeded")

    found = writes(tasks.cluster, tasks.namespace)
    assert [step["phase"] for step in done["steps"]] == ["Succeeded", "Succeeded", "Skipped", "Succeeded", "Succeeded", "Succeeded"]
    assert len(found) <= len(steps) + 6, tally(found)


@pytest.mark.usefixtures("operator")
def test_many_conditions_in_a_row_are_no_trouble(tasks: TaskClient) -> None:
    """Sixty steps that nobody wants: all are evaluated one after the other, and nothing is taken for a refused write."""
    steps = [wait_step(f"s{at}", 1, when=f"{at} + 1 == {at}") for at in range(60)]
    tasks.create("many", steps=[*steps, wait_step("last")])

    done = tasks.wait_let_go("many", "Succeeded")

    assert done["progress"] == "61/61"
    tasks.wait_events("many", "Completed")
    assert [event["reason"] for event in tasks.events("many")] == ["Completed"]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"sql": {"statements": ["select 1"], "args": {"x": "${{ params.x + 1 }}"}}}, "params"),
        ({"sql": {"statements": ["select 1"], "args": {"x": "${{ steps.later.outputs.x }}"}}}, 'there is no step "later"'),
        ({"wait": {"seconds": 1}, "when": "steps.self.outputs.x == 1"}, 'step "self" is not earlier than step "self"'),
        ({"wait": {"seconds": 1}, "when": "item == 1"}, "item"),
        ({"forEach": {"items": "1 + 1", "subtask": {"wait": {"seconds": 1}}}}, "must be a list"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_what_leads_nowhere_is_refused_before_a_lock(tasks: TaskClient, step: Body, why: str) -> None:
    """The message names the field and what is wrong with it."""
    tasks.create("wrong", maintenance="Global", connection={"secretName": "none"}, steps=[{"name": "self"} | step])

    refused = tasks.wait_let_go("wrong", "Rejected")

    assert refused["reason"] == "InvalidSpec"
    assert refused["message"].startswith("spec.steps[0].")
    assert why in refused["message"]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"parallel": [{"name": "a", "approve": {}}]}, "unknown field"),
        ({"approve": {}, "rollback": {"wait": {"seconds": 1}}}, "an approval changes nothing"),
        ({"forEach": {"items": "[1]", "maxParallel": 0, "subtask": {"wait": {"seconds": 1}}}}, "maxParallel"),
        ({"forEach": {"items": "[1]", "subtask": {"approve": {}}}}, "unknown field"),
        (
            {"forEach": {"items": "[1]", "subtask": {"wait": {"seconds": 1}}}, "rollback": {"wait": {"seconds": 1}}},
            "no rollback of",
        ),
        ({"sql": {"statements": ["x"], "outputs": {f"o{at}": "1" for at in range(17)}}}, "outputs"),
        ({"resource": {"patch": {"apiVersion": "v1", "kind": "${{ task.name }}", "name": "x", "patch": {}}}}, "kind"),
        ({"when": "", "wait": {"seconds": 1}}, "when"),
    ],
)
def test_kubectl_apply_refuses_what_makes_no_sense(tasks: TaskClient, step: Body, why: str) -> None:
    """The API server itself says so, whether or not an operator runs."""
    with pytest.raises(Exception, match=why):
        tasks.kubectl("apply", "-f", "-", manifest=tasks.manifest("wrong", steps=[{"name": "s"} | step]))


@pytest.mark.parametrize(
    "field",
    ["when", "forEach.items", "forEach.maxParallel", "forEach.subtask", "approve.message", "approve.groups", "sql.outputs", "http.outputs",
     "job.outputs", "resource.outputs", "obshell.outputs"],
)  # fmt: skip
def test_kubectl_explains_the_language(tasks: TaskClient, field: str) -> None:
    """Each field has a description of its own."""
    said = tasks.kubectl("explain", f"obtask.spec.steps.{field}")
    assert "DESCRIPTION:" in said
    assert len(said.partition("DESCRIPTION:")[2].strip()) > 20


@pytest.mark.usefixtures("operator")
def test_author_who_burns_time_holds_up_nobody(tasks: TaskClient) -> None:
    """Conditions, lists and values that go through all they may: a neighbour is done meanwhile, and each ends within its bounds."""
    ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    dear = f"{ten}.map(a, {ten}.map(b, {ten}.map(c, {ten}.map(d, string(a) + string(b) + string(c) + string(d)))))"
    greedy: list[Body] = [
        {"name": "s", "wait": {"seconds": 1}, "when": f"{dear}.size() > 100"},
        {"name": "s", "forEach": {"items": dear, "subtask": {"wait": {"seconds": 1}}}},
        {"name": "s", "wait": {"seconds": 1}, "when": f"{dear}.map(x, {dear}).size() == 0"},
    ]
    for at in range(12):
        tasks.create(f"greedy-{at}", cluster=f"c{at}", steps=[greedy[at % len(greedy)]])
    tasks.create("neighbour", cluster="other", steps=[wait_step("a", when="1 + 1 == 2"), wait_step("b")])

    tasks.wait_phase("neighbour", "Succeeded")
    for at in range(12):
        tasks.wait_phase(f"greedy-{at}", "Succeeded", "Failed", "Rejected", seconds=90)


@pytest.mark.usefixtures("operator")
def test_task_deleted_while_it_waits_for_an_answer_goes(tasks: TaskClient) -> None:
    """Nothing of it is left, and one of the same name asks anew."""
    ask = [{"name": "sure", "approve": {}}, wait_step("go", when="1 + 1 == 2")]
    for _ in range(2):
        tasks.create("again", maintenance="Global", steps=ask)
        tasks.wait("again", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")
        tasks.delete("again")
        tasks.wait_gone("again")
    assert not tasks.holders()
