"""What the author of a task, or whoever answers one, may put into values, and what is made of it. API.md section 2.2."""

from typing import Any

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.actions import HttpAction, ObshellAction
from obtask.model.attempt import Succeeded
from obtask.model.contract import Phase, SubtaskPhase
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import OUTPUT_BYTES, STORED_VALUES_BYTES
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault
from obtask.rules.opening import as_stored, output_fault, stored_values
from obtask.rules.references import Reference, references
from obtask.rules.values import Misfit, direct, in_place

HOSTILE = [
    "${{ task.uid }}", "$${{ x }}", "%(x)s", "'; DROP TABLE t; --", '"', "a\nb", "..", "%2F..%2F", "\u202egnp.exe",
    "租" * 100, "$(HOME)", "{{ x }}",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_value_is_put_in_place_once(value: str) -> None:
    """What looks like an expression in a value is a text: nothing evaluates it."""
    action = HttpAction.model_validate({"url": "http://h/", "method": "POST", "body": {"x": "${{ item }}", "y": "<${{ item }}>"}})

    filled = in_place(action, {"item": value})

    assert isinstance(filled, HttpAction)
    assert filled.body == {"x": value, "y": f"<{value}>"}


@pytest.mark.parametrize("value", HOSTILE)
def test_value_in_a_url_stays_in_its_place(value: str) -> None:
    """It is percent-encoded, so that it brings no path, query or host of its own."""
    filled = in_place(HttpAction.model_validate({"url": "http://h/a/${{ item }}/b?c=${{ item }}"}), {"item": value})

    if value == "..":
        assert isinstance(filled, Misfit)
        assert filled.path == "url"
    else:
        assert isinstance(filled, HttpAction)
        assert filled.url.count("/") == 5
        assert filled.url.count("?") == 1
        assert not any(mark in filled.url for mark in (" ", "\n", "#", "'"))


@pytest.mark.parametrize("value", ["a/b", "..", "", "."])
def test_value_in_an_obshell_path_is_one_part_of_it(value: str) -> None:
    """Requests encode the path as a whole, so what would make another path of it is refused."""
    action = ObshellAction.model_validate({"connection": {"secretName": "s"}, "path": "/api/v1/tenant/${{ item }}", "method": "POST"})
    assert isinstance(in_place(action, {"item": value}), Misfit)


@pytest.mark.parametrize("header", ["a\nX-Evil: 1", "a\rb", "a\0b"])
def test_value_brings_no_header_of_its_own(header: str) -> None:
    """Line ends are refused."""
    action = HttpAction.model_validate({"url": "http://h/", "headers": {"X-A": "${{ item }}"}})
    assert isinstance(in_place(action, {"item": header}), Misfit)


@pytest.mark.parametrize("name", ["../secrets/x", "a/b", "", "a%2Fb", ".", "${{ task.uid }}/x"])
def test_value_makes_no_other_path_of_a_resource(name: str) -> None:
    """The name of an object with its value has the form of one."""
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "name": "${{ item }}", "patch": {}}
    assert isinstance(in_place(ResourceAction.model_validate({"patch": patch}), {"item": name}), Misfit)


def test_kubelet_expands_nothing_in_a_value() -> None:
    """`$(NAME)` in an argument would become an environment variable, perhaps from a Secret. What the author wrote is left alone."""
    template = {"spec": {"containers": [{"image": "x", "args": ["${{ item }}"], "env": [{"name": "B", "value": "${{ item }}"}]}]}}
    written = {
        "image": "x",
        "command": ["sh", "${{ item }}", "$(HOME)"],
        "args": ["a ${{ item }} $(A)"],
        "env": [{"name": "A", "value": "${{ item }}"}],
        "podTemplate": template | {"metadata": {"annotations": {"a": "${{ item }}"}}},
    }

    filled = in_place(JobAction.model_validate(written), {"item": "$(PASSWORD) $$(X)"})

    assert isinstance(filled, JobAction)
    escaped = "$$(PASSWORD) $$$$(X)"
    assert (filled.command, filled.args, filled.env[0].value) == (["sh", escaped, "$(HOME)"], [f"a {escaped} $(A)"], escaped)
    assert filled.pod_template is not None
    container = filled.pod_template["spec"]["containers"][0]
    assert (container["args"], container["env"][0]["value"]) == ([escaped], escaped)
    assert filled.pod_template["metadata"]["annotations"] == {"a": "$(PASSWORD) $$(X)"}


@pytest.mark.parametrize("path", ["item[0]", "item.x", 'item["x"]'])
@pytest.mark.parametrize("item", ["text", 5, None, True])
def test_path_leads_into_maps_and_lists_alone(path: str, item: Any) -> None:
    """As in CEL: the first character of a text is not its element 0."""
    assert isinstance(direct(path, {"item": item}), ExpressionFault)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("// steps.x\nsteps.a.outputs.b", [Reference("a", "b")]),
        ("'steps.x' == steps.a.outputs.b", [Reference("a", "b")]),
        (r"r'\' + steps.a.outputs.b", [Reference("a", "b")]),
        ("'''it's steps.x''' + steps.a.outputs.b", [Reference("a", "b")]),
        (".steps.a.outputs.b", [Reference("a", "b")]),
        ("-steps . a . outputs [ 'b' ]", [Reference("a", "b")]),
        ("steps.`a-b`.outputs.c", [Reference("a-b", "c")]),
        ('steps["a-b"].outputs["c"]', [Reference("a-b", "c")]),
        ("object . steps.x == 1", []),
        ("object.steps.x", []),
        ("my_steps.x + stepsx.y", []),
        ("object.items.map(steps, steps.foo)", []),
    ],
)
def test_only_what_names_a_step_is_a_reference(expression: str, named: list[Reference]) -> None:
    """Texts, comments, fields and variables that the expression makes itself are none."""
    assert list(references(expression)) == named


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (2**63, "more than 64 bits"),
        ([1e19], "more than 64 bits"),
        ("a\0b", "NUL"),
        ({"a\0": 1}, "NUL"),
        ("x" * OUTPUT_BYTES, "bytes"),
        ([[[1]]], "is no text"),
    ],
)
def test_what_cannot_be_stored_as_it_is_is_no_output(value: Any, why: str) -> None:
    """What is stored never changes, so what Kubernetes or CEL would change is refused."""
    assert why in (output_fault(value) or "")


def test_numbers_are_stored_as_the_api_server_gives_them_back() -> None:
    """Before and after a restart a value is the same: 5.0 is written as 5."""
    stored = as_stored({"a": [5.0, 2.5, True, 1e15, 1e300]})
    assert (stored, list(map(type, stored["a"]))) == ({"a": [5, 2.5, True, 10**15, 1e300]}, [int, float, bool, int, float])


def test_outputs_that_end_together_have_room_together() -> None:
    """Subtasks that are seen to succeed at the same time cannot store more than the task may."""
    parts = [{"name": f"p{at}", "sql": {"statements": ["SELECT 1"], "outputs": {"x": "rows"}}} for at in range(24)]
    world = World(a_task().with_steps({"name": "all", "parallel": parts}))
    world.run()
    for at in range(24):
        world.executors.end(f"p{at}", Succeeded(outputs={"x": "x" * (OUTPUT_BYTES - 2)}))

    world.run()

    assert stored_values(world.status) <= STORED_VALUES_BYTES
    phases = [sub.phase for sub in world.step("all").subtasks]
    assert phases.count(SubtaskPhase.SUCCEEDED) == 15
    assert phases.count(SubtaskPhase.FAILED) == 9


def test_undo_that_restores_knows_what_its_step_knew() -> None:
    """It has to find the object that the step changed, so it has the variables of the step's own texts."""
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "name": "of-${{ item }}", "patch": {}}
    each = {"items": "['a', 'b']", "subtask": {"resource": {"patch": patch}, "rollback": {"resource": {"restore": True}}}}
    world = World(a_task().with_spec(serviceAccountName="runner").with_steps({"name": "each", "forEach": each}))
    world.run()
    world.succeed("each-0")
    world.fail("each-1")

    world.command("rollback")

    assert [attempt.variables["item"] for attempt in world.executors.running] == ["a", "b"]


def test_restored_object_cannot_depend_on_the_attempt() -> None:
    """The undo is an attempt of its own, and would look for another object."""
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "name": "of-${{ attempt.number }}", "patch": {}}
    step = {"name": "x", "resource": {"patch": patch}, "rollback": {"resource": {"restore": True}}}
    world = World(a_task().with_spec(serviceAccountName="runner").with_steps(step))

    world.run()

    assert world.phase is Phase.REJECTED
    assert "cannot depend on attempt" in (world.status.message or "")


def test_names_of_outputs_are_nothing_but_names() -> None:
    """`__proto__` is one like any other."""
    give = {"name": "a", "sql": {"statements": ["SELECT 1"], "outputs": {"__proto__": "rows"}}}
    world = World(a_task().with_steps(give, {"name": "b", "when": "steps.a.outputs.__proto__ == 'x'", "wait": {"seconds": 5}}))
    world.run()
    world.succeed("a", __proto__="x")
    assert world.live == ["b"]


def test_items_need_not_be_unique() -> None:
    """Subtasks are named by their places."""
    world = World(a_task().with_steps({"name": "each", "forEach": {"items": "[1, 1, 1]", "subtask": {"wait": {"seconds": 5}}}}))
    world.run()
    assert world.live == ["each-0", "each-1", "each-2"]


def test_approval_may_be_the_first_thing_a_task_does() -> None:
    """Cancelled there, it has changed nothing."""
    world = World(a_task().with_steps({"name": "ask", "approve": {}}).step("go"))
    world.run()
    assert world.status.allowed_actions[0] == "approve"
    world.command("cancel")
    assert world.status.message == 'step 1/2 "ask": cancelled; the target may be half changed'
    world.command("rollback")
    assert world.phase is Phase.ROLLED_BACK


def test_cancelled_question_is_asked_again_by_retry() -> None:
    """A task that is cancelled while a condition is evaluated waits for a person; nothing of the step has begun."""
    world = World(a_task().with_steps({"name": "a", "when": "1 + 1 == 2", "wait": {"seconds": 5}}).step("b"))
    world.answers_at_once = False
    while world.phase is not Phase.RUNNING:
        world.reconcile()
    world.answers_at_once = True
    world.api.annotate(action="cancel")
    for _ in range(3):
        world.answers.clear()  # nobody answers
        world.reconcile()

    assert (world.phase, world.live, world.step("a").started_at) == (Phase.FAILED, [], None)
    world.command("retry")
    assert world.live == ["a"]


def test_failed_condition_names_what_is_wrong() -> None:
    """With the reason InvalidExpression and no attempt."""
    world = World(a_task().with_steps({"name": "a", "when": "task.name + 1 == 2", "wait": {"seconds": 5}}))
    world.run()
    failed = world.status.failed_subtask
    assert failed is not None
    assert (failed.reason, failed.attempt) == (FailureReason.INVALID_EXPRESSION, 0)
