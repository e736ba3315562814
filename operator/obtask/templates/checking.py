"""Owns the whole check of a template: what the rules say of it, and whether its expressions compile."""

from collections.abc import Awaitable, Callable

from obtask.model.template import Template
from obtask.rules.expressions import ExpressionFault, Question
from obtask.rules.templates import open_questions, template_fault

Compiles = Callable[[str, Question], Awaitable[ExpressionFault | None]]
"""Returns why an expression of a namespace does not compile, or None. Raises OSError when no evaluation process can answer."""


async def first_fault(template: Template, compiles: Compiles) -> str | None:
    """Return the first that is wrong with a template, naming the field, or None. Raises OSError when nobody can tell now."""
    known = template_fault(template, {})
    if known is not None:
        return known
    for question in open_questions(template, {}):
        fault = await compiles(template.metadata.namespace, question)
        if fault is not None:
            return template_fault(template, {question: fault})
    return None
