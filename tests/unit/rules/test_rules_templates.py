"""What is wrong with a template is found before a task is made of it, and named with its field."""

from typing import Any

import pytest

from obtask.model.template import Template, read_template
from obtask.model.template_contract import TemplateKind
from obtask.rules.expressions import ExpressionFault
from obtask.rules.templates import open_questions, parameters_in, summary, template_fault

TENANT = {"name": "tenant", "type": "string", "required": True}


def a_template(*steps: dict[str, Any], **more: Any) -> Template:
    """Return a template with a parameter `tenant`."""
    spec = {
        "title": {"en": "T"},
        "type": "Cluster",
        "maintenance": "Tenant",
        "parameters": [TENANT],
        "steps": list(steps) or [query("select 1")],
    }
    return read_template(TemplateKind.CLUSTER, {"metadata": {"name": "t"}, "spec": spec | more})


def query(statement: str, **more: Any) -> dict[str, Any]:
    """Return a step that runs a statement."""
    return {"name": "query", "sql": {"statements": [statement]} | more}


def test_a_sound_template_has_no_fault() -> None:
    """Its expressions are asked about as those of a task."""
    template = a_template(query("select %(t)s", args={"t": "${{ params.tenant + 'x' }}"}, expect="size(rows) == 1"))

    assert template_fault(template, {}) is None
    assert [question.text for question in open_questions(template, {})] == ["size(rows) == 1", "params.tenant + 'x'"]


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (a_template(steps=[]), "spec.steps: "),
        (a_template(parameters=[TENANT | {"default": 1}]), "spec.parameters[0].default: allowed is a text; given: 1"),
        (a_template(query("select %(t)s", args={"t": "${{ params.tenat }}"})), 'has no parameter "tenat": it has tenant'),
        (a_template(query("select 1", expect="params['other'] == 1")), 'has no parameter "other"'),
        (a_template(query("select 1", expect="has(params.other)")), 'has no parameter "other"'),
        (a_template(query("select 1", expect="params.?other.hasValue()")), 'has no parameter "other"'),
        (a_template(query("select 1", expect="params.tenant == 'x'"), parameters=[]), "it has none"),
        (a_template(query("select 1") | {"when": "steps.later.outputs.x"}), 'there is no step "later"'),
        (a_template(query("select '%(a)s'", args={"a": 1})), "spec.steps[0].sql.statements[0]"),
    ],
)
def test_a_fault_names_its_field(template: Template, fault: str) -> None:
    """Whether it is one of the declarations, of the steps or between the two."""
    assert fault in (template_fault(template, {}) or "")


def test_an_expression_that_does_not_compile_is_a_fault() -> None:
    """Once somebody has tried."""
    template = a_template(query("select 1", expect="rows["))
    (question,) = open_questions(template, {})

    assert template_fault(template, {}) is None
    assert "does not compile: broken" in (template_fault(template, {question: ExpressionFault("broken")}) or "")


def test_what_stands_in_a_text_is_no_parameter() -> None:
    """Nor is a field of that name."""
    assert list(parameters_in("'params.a' + \"params.b\" + x.params.c + params.d + params . e + params['f-g']")) == ["d", "e", "f-g"]


def test_the_summary_tells_what_may_be_left_out() -> None:
    """What has a default, or is not required, is in brackets."""
    declared = [TENANT, {"name": "memory", "type": "string", "default": "8G", "required": True}, {"name": "cpu", "type": "number"}]
    template = a_template(parameters=[*declared, {"name": "again", "type": "string", "format": "confirm", "confirm": "tenant"}])

    assert summary(template.spec) == "tenant, [memory], [cpu], again"  # type: ignore[arg-type]  # it can be read
