"""Owns which steps and outputs an expression may refer to: those of earlier steps. API.md section 2.2. Pure."""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from obtask.model.action_expressions import outputs_of
from obtask.model.spec import TaskSpec
from obtask.model.steps import Step
from obtask.model.values import without_texts

_CALL = re.compile(r"\b(?P<name>\w++)\s*+\(")
_VARIABLE = re.compile(r"\b(?:steps|params)\b")
_BELOW = re.compile(
    r"""
    steps\s*(?:\.\s*(?:(?P<name>[A-Za-z_]\w*)|`(?P<quoted>[^`]*)`)|\[\s*(?:"(?P<double>[^"\\]*)"|'(?P<single>[^'\\]*)')\s*\])
    (?:\s*\.\s*outputs\s*(?:\.\s*(?P<output>[A-Za-z_]\w*)|\[\s*(?:"(?P<doubled>[^"\\]*)"|'(?P<singled>[^'\\]*)')\s*\]))?
    """,
    re.VERBOSE,
)
_HAS_FIELDS = (*string.ascii_letters, *string.digits, "_", "`", ")", "]", "}")
_BOUND = re.compile(r"\(\s*(?P<name>steps|params)\s*,")


@dataclass(frozen=True, slots=True)
class Reference:
    """What an expression refers to: a step, and perhaps one of its outputs."""

    step: str
    output: str | None = None


def uses(expression: str, variable: Literal["steps", "params"]) -> Iterator[int]:
    """Yield where an expression uses a variable; nowhere if it gives a variable of its own that name."""
    code = without_texts(expression)
    if any(bound["name"] == variable for bound in _BOUND.finditer(code)):
        return
    for mention in _VARIABLE.finditer(code):
        if mention[0] == variable and not _is_field(code, mention.start()):
            yield mention.start()


def calls(expression: str, function: str) -> bool:
    """Return whether an expression calls a function of this name; a member of the name is another one."""
    code = without_texts(expression)
    return any(not _is_field(code, found.start()) for found in _CALL.finditer(code) if found["name"] == function)


def references(expression: str) -> Iterator[Reference]:
    """Yield the steps and outputs that an expression names."""
    for at in uses(expression, "steps"):
        below = _BELOW.match(expression, at)
        if below is None:
            continue
        name = below["name"] or below["quoted"] or below["double"] or below["single"]
        if name:
            yield Reference(name, below["output"] or below["doubled"] or below["singled"])


def _is_field(code: str, at: int) -> bool:
    """Return whether the name at this position is that of a field: after a dot that has something in front."""
    before = code[:at].rstrip()
    return before.endswith(".") and before[:-1].rstrip().endswith(_HAS_FIELDS)


def broken_reference(spec: TaskSpec, at: int, expression: str, *, undoes: bool) -> str | None:
    """Return why an expression of the step at this position refers to something that is not there, or None.

    ``undoes``: the expression belongs to a rollback, which knows its own step, too.
    """
    known = {step.name: step for step in spec.steps[: at + 1 if undoes else at]}
    for found in references(expression):
        step = known.get(found.step)
        if step is None:
            return _unknown_step(spec, at, found.step)
        if found.output is not None and found.output not in (declared := _declared(step)):
            has = f"its outputs: {', '.join(sorted(declared))}" if declared else "it has none of its own"
            return f'step "{found.step}" has no output "{found.output}"; {has}'
    return None


def _unknown_step(spec: TaskSpec, at: int, name: str) -> str:
    if name not in {step.name for step in spec.steps}:
        return f'there is no step "{name}"'
    return f'step "{name}" is not earlier than step "{spec.steps[at].name}"'


def _declared(step: Step) -> frozenset[str]:
    if step.for_each is not None or step.parallel is not None:
        return frozenset()
    return frozenset(outputs_of(step.action))
