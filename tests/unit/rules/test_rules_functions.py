"""A function that makes sense in some places only is refused elsewhere before anything runs. API.md section 2.2."""

from typing import Any

import pytest
from tests.support.builders import a_task

from obtask.rules.validation import spec_fault

NAME = "ident('orders')"
ASKS = {"statements": ["select 1"]}
FIND = {"name": "find", "sql": ASKS | {"outputs": {"name": "'orders'"}}}


def fault_of(*steps: dict[str, Any]) -> str | None:
    """Return what is wrong with a task of these steps."""
    return spec_fault(a_task().with_steps(FIND, *steps).build(), {})


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"when": f"{NAME} == {NAME}", "wait": {"seconds": 1}}, "when"),
        ({"forEach": {"items": f"[{NAME}]", "subtask": {"wait": {"seconds": 1}}}}, "forEach.items"),
        ({"sql": ASKS | {"args": {"a": f"${{{{ {NAME} }}}}"}}}, "sql.args.a"),
        ({"sql": ASKS | {"database": f"${{{{ {NAME} }}}}"}}, "sql.database"),
        ({"sql": ASKS | {"expect": f"{NAME} == rows"}}, "sql.expect"),
        ({"sql": ASKS | {"outputs": {"a": f"[{NAME}]"}}}, "sql.outputs.a"),
        ({"sql": ASKS | {"until": {"query": "select 1", "expect": f".ident ('a') == {NAME}"}}}, "sql.until.expect"),
        ({"http": {"url": f"http://a/${{{{ {NAME} }}}}"}}, "http.url"),
        ({"job": {"image": "a", "args": [f"${{{{ {NAME} }}}}"]}}, "job.args[0]"),
        ({"resource": {"patch": {"apiVersion": "v1", "kind": "Pod", "name": f"${{{{ {NAME} }}}}", "patch": {}}}}, "resource.patch.name"),
        ({"obshell": {"path": "/api/v1/a", "body": {"a": f"${{{{ {NAME} }}}}"}}}, "obshell.body.a"),
        ({"wait": {"seconds": 1}, "rollback": {"http": {"url": f"http://a/${{{{ {NAME} }}}}"}}}, "rollback.http.url"),
        ({"approve": {"message": f"drop ${{{{ {NAME} }}}}?"}}, "approve.message"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_an_identifier_is_for_sql_texts(step: dict[str, Any], field: str) -> None:
    """Elsewhere it is refused, with the field."""
    found = fault_of({"name": "use"} | step)

    assert found is not None
    assert found.startswith(f"spec.steps[1].{field}: ident() is for SQL texts only in the expression ")


@pytest.mark.parametrize(
    "step",
    [
        {"sql": {"statements": [f"drop table ${{{{ {NAME} }}}}"]}},
        {
            "sql": {
                "statements": ["select * from ${{ ['a'].map(x, ident(x)) }}"],
                "until": {"query": f"select 1 from ${{{{ {NAME} }}}}", "expect": "true"},
            }
        },
        {"sql": ASKS | {"unless": {"query": f"select 1 from ${{{{ {NAME} }}}}", "expect": "true"}}},
        {"wait": {"seconds": 1}, "rollback": {"sql": {"statements": [f"drop table ${{{{ {NAME} }}}}"]}}},
        {"when": "'ident(' != \"ident('a')\" // ident('a')", "wait": {"seconds": 1}},
        {"when": "steps.find.outputs.name.ident('a') == identity('a')", "wait": {"seconds": 1}},
        {"http": {"url": "http://a/${{ server('10.0.0.1', 2882) }}"}},
        {"when": "server('10.0.0.1', 2882) == '10.0.0.1:2882'", "wait": {"seconds": 1}},
    ],
)
def test_what_stays_allowed(step: dict[str, Any]) -> None:
    """Names in SQL texts, also those of a list, an undo or a guard; texts and members of that name; the address of a server anywhere."""
    assert fault_of({"name": "use"} | step) is None
