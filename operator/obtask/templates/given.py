"""Owns what the command line makes of its words: the values of parameters, and a task that names a template."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from obtask.model.spec import TaskSpec
from obtask.model.task import first_fault
from obtask.model.template import Parameter, TemplateSpec
from obtask.templates.typed import typed


class NotGiven(ValueError):  # noqa: N818 - what is missing
    """Words that are no values of the parameters; the message names the parameter, what is allowed, and what was given."""


def parameters_of(declared: Sequence[Parameter], words: Sequence[str]) -> dict[str, Any]:
    """Return the values in words such as ``memory=16G``, each of its parameter's type as far as it can be read; raises NotGiven."""
    types = {each.name: each.type for each in declared}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise NotGiven(f"-p {word}: write NAME=VALUE")
        if name not in types:
            near = get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the template has {', '.join(types) or 'none'}"
            raise NotGiven(f"-p {word}: there is no parameter {name}; {hint}")
        found[name] = typed(types[name], value)
    return found


def task_of(
    template: TemplateSpec, name: str, parameters: Mapping[str, Any], target: Mapping[str, str | None], connection: str | None
) -> tuple[TaskSpec, list[str]]:
    """Return the spec of a task of the template, and the fields of its target that are not given and have a word to be replaced.

    Raises NotGiven.
    """
    needed = [field for field in dict.fromkeys((template.type.target, template.maintenance.field)) if field is not None]
    for field, value in target.items():
        if value is not None and field not in (*needed, "cluster"):
            raise NotGiven(
                f"--{field}: the template {name} is for {template.type} tasks with maintenance {template.maintenance}, without it"
            )
    fields = {field: value for field, value in target.items() if value is not None}
    fields |= {field: field.upper() for field in needed if field not in fields}
    secret = connection or (f"{fields['cluster'].lower()}-sys" if template.type.target == "cluster" else None)
    spec = {"type": template.type, **fields, "maintenance": template.maintenance, "templateRef": {"name": name}, "parameters": parameters}
    try:
        plan = TaskSpec.model_validate(spec | ({"connection": {"secretName": secret}} if secret else {}))
    except ValidationError as error:
        raise NotGiven(first_fault(error)) from None
    return plan, [field for field in needed if target.get(field) is None]
