"""Owns what becomes of a task that names a template: the steps that it gets, or why it gets none. Pure. API.md section 8."""

import json
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from obtask.model.limits import SPEC_BYTES, one_line
from obtask.model.spec import TaskSpec
from obtask.model.task import InvalidSpec, Task, first_fault
from obtask.model.template import Template
from obtask.model.template_ref import Expansion, TemplateRef, noted_expansion
from obtask.rules.decision import Expanded, MarkTask
from obtask.rules.leaving import must_be_guarded
from obtask.rules.parameters import ParameterFault, completed
from obtask.rules.templates import unknown_parameter

FOREIGN_STEPS: Final = (
    "spec.steps: a task that names a template gets its steps from the operator, and from nobody else; create a task with either steps or "
    "templateRef"
)


def awaits_template(task: Task) -> bool:
    """Return whether the template that the task names has to be looked at."""
    return isinstance(task.spec, TaskSpec) and task.spec.is_templated and not task.spec.steps and task.status.phase.in_line


def from_template(task: Task, template: Template | None) -> MarkTask | str | None:
    """Return what gives a task the steps of its template, or why it gets none, naming the field; None if it has its steps.

    ``template``: the one that it names, or None if there is none.
    """
    plan = task.plan
    if plan.is_templated and plan.steps and noted_expansion(task.metadata.annotations, task.metadata.uid) is None:
        return FOREIGN_STEPS
    if not awaits_template(task):
        return None
    if template is None:
        return one_line(f"spec.templateRef: {_missing(plan.template_ref, task.metadata.namespace)}")
    found = expanded(plan, template)
    if isinstance(found, str):
        return found
    return MarkTask(must_be_guarded(replace(task, spec=found.spec)), found)


def expanded(plan: TaskSpec, template: Template) -> Expanded | str:
    """Return what a template makes of a task that names it, or why it makes nothing of it, naming the field."""
    ref = plan.template_ref
    if isinstance(template.spec, InvalidSpec):
        return one_line(f"spec.templateRef: {ref} cannot be used: {template.spec.message}")
    for field, here, there in (
        ("type", plan.type, template.spec.type),
        ("maintenance", plan.maintenance, template.spec.maintenance),
    ):
        if here is not there:
            return one_line(f"spec.{field}: {there} is allowed with {ref}; given: {here}")
    if (unknown := unknown_parameter(template.spec)) is not None:
        return one_line(f"spec.templateRef: {ref} cannot be used: {unknown}")
    found = completed(template.spec.parameters, plan.parameters)
    if isinstance(found, ParameterFault):
        return found.message
    source = template.metadata
    note = Expansion(
        kind=template.kind.value, name=source.name, uid=source.uid, generation=source.generation, defaults=dict(found.defaults)
    )
    steps = template.written["steps"]
    spec = _with_steps(plan, steps)
    return spec if isinstance(spec, str) else Expanded(spec, steps, note)


def _missing(ref: TemplateRef | None, namespace: str) -> str:
    where = f" in namespace {namespace}" if ref is not None and ref.kind.namespaced else ""
    return f"there is no {ref}{where}"


def _with_steps(plan: TaskSpec, steps: object) -> TaskSpec | str:
    whole = plan.dump() | {"steps": steps}
    size = len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
    if size > SPEC_BYTES:
        return f"spec.steps: with the steps of {plan.template_ref} the spec has {size} bytes, more than {SPEC_BYTES // 1024} KiB"
    try:
        return TaskSpec.model_validate(whole)
    except ValidationError as error:
        return one_line(f"spec.templateRef: {plan.template_ref} cannot be used: {first_fault(error)}")
