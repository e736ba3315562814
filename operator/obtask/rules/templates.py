"""Owns what can be wrong with a template whatever tasks are made of it. Pure. API.md section 8."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

from obtask.model.contract import ConditionStatus
from obtask.model.limits import MESSAGE_CHARACTERS, one_line
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.task import InvalidSpec, Metadata, Task
from obtask.model.template import Template, TemplateConditionEntry, TemplateSpec, TemplateStatus
from obtask.model.template_contract import TemplateCondition
from obtask.model.template_ref import TemplateRef
from obtask.rules.expressions import Question, Verdicts
from obtask.rules.parameters import declaration_fault
from obtask.rules.references import uses
from obtask.rules.validation import expressions_of, spec_fault, unchecked

_PARAMETER = re.compile(
    r"""params\s*(?:\.\s*(?:\?\s*)?(?P<name>[A-Za-z_]\w*)|\[\s*(?:\?\s*)?(?:"(?P<double>[^"\\]*)"|'(?P<single>[^'\\]*)')\s*\])"""
)
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def template_fault(template: Template, verdicts: Verdicts) -> str | None:
    """Return the first that is known to be wrong with a template, naming the field, or None."""
    spec = template.spec
    if isinstance(spec, InvalidSpec):
        return spec.message
    for index, parameter in enumerate(spec.parameters):
        if (fault := declaration_fault(parameter)) is not None:
            return one_line(f"spec.parameters[{index}].{fault}")
    return unknown_parameter(spec) or spec_fault(_example(spec), verdicts)


def summary(spec: TemplateSpec) -> str:
    """Return the names of the parameters; those in brackets may be left out."""
    needed = {each.name for each in spec.parameters if each.confirm is not None or (each.required and each.default is None)}
    return ", ".join(each.name if each.name in needed else f"[{each.name}]" for each in spec.parameters)


def judged(template: Template, before: TemplateStatus, fault: str | None, now: datetime) -> TemplateStatus:
    """Return the status of a template that was checked; a transition time changes only when its condition does."""
    found = [_condition(TemplateCondition.VALID, template, before, fault, now)]
    if fault is not None:
        found.append(_condition(TemplateCondition.STALLED, template, before, fault, now))
    names = None if isinstance(template.spec, InvalidSpec) else summary(template.spec) or None
    return TemplateStatus(observed_generation=template.metadata.generation, parameters=names, conditions=tuple(found))


def _condition(
    kind: TemplateCondition, template: Template, before: TemplateStatus, fault: str | None, now: datetime
) -> TemplateConditionEntry:
    match kind:
        case TemplateCondition.VALID:
            status = ConditionStatus.TRUE if fault is None else ConditionStatus.FALSE
        case TemplateCondition.STALLED:
            status = ConditionStatus.TRUE
        case never:
            assert_never(never)
    old = next((one for one in before.conditions if one.type == kind and one.status is status), None)
    return TemplateConditionEntry(
        type=kind.value,
        status=status,
        reason="Valid" if fault is None else "Invalid",
        message=fault or "tasks can be made of it",
        observed_generation=template.metadata.generation,
        last_transition_time=old.last_transition_time if old is not None else now,
    )


def open_questions(template: Template, verdicts: Verdicts) -> tuple[Question, ...]:
    """Return the questions about the template's expressions that have no answer yet."""
    return () if isinstance(template.spec, InvalidSpec) else unchecked(_example(template.spec), verdicts)


def unknown_parameter(spec: TemplateSpec) -> str | None:
    """Return where a step uses a parameter that the template does not declare, or None."""
    declared = {each.name for each in spec.parameters}
    for field, text in expressions_of(_example(spec)):
        for name in parameters_in(text):
            if name not in declared:
                has = f"it has {', '.join(sorted(declared))}" if declared else "it has none"
                return one_line(f'{field}: the template has no parameter "{name}": {has}', MESSAGE_CHARACTERS)
    return None


def parameters_in(expression: str) -> Iterator[str]:
    """Yield the parameters that an expression names."""
    for at in uses(expression, "params"):
        found = _PARAMETER.match(expression, at)
        if found is not None and (name := found["name"] or found["double"] or found["single"]):
            yield name


def _example(spec: TemplateSpec) -> Task:
    """Return a task of the template: what can be checked of the steps does not depend on whose they are."""
    target = {field: "x" for field in (spec.type.target, spec.maintenance.field) if field is not None}
    ref = TemplateRef(name="x")
    plan = TaskSpec.model_validate({"type": spec.type, "maintenance": spec.maintenance, "template_ref": ref, "steps": spec.steps} | target)
    return Task(Metadata(name="x", namespace="x", uid="", resource_version="", creation_timestamp=_NO_TIME), plan, TaskStatus())
