"""Owns what an action gives away when it succeeds: its `outputs`, evaluated over what it has seen. API.md section 2.2."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from obtask.executors.evaluation.evaluator import Expressions, Variables
from obtask.executors.evaluation.scope import together
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary, short
from obtask.rules.opening import as_stored, output_fault

# What is said of a fault where its own message could reveal values.
IN_GENERAL = {
    ExpressionFaultKind.INVALID: "does not compile",
    ExpressionFaultKind.TYPE: "a value has a type that does not fit",
    ExpressionFaultKind.EXCEEDED: "takes too much time or memory, or goes through too many elements",
    ExpressionFaultKind.MISSING: "a key, an element or a value is missing",
    ExpressionFaultKind.VALUE: "a value does not fit",
    ExpressionFaultKind.UNAVAILABLE: "cannot be evaluated now",
}
UNSAFE = "would show what is in a Secret, or what was made of it; beside argsFrom only numbers, booleans and null are given away"


@dataclass(frozen=True, slots=True)
class Giving:
    """Evaluates the outputs of one attempt. ``around``: the variables of values that it has.

    ``discreet``: what it has seen may be made of values of Secrets in a way that nobody recognises, so that it gives no text away.
    """

    expressions: Expressions
    namespace: str
    vocabulary: Vocabulary
    around: Mapping[str, Any]
    discreet: bool = False

    async def values(self, outputs: Mapping[str, str], seen: Variables) -> dict[str, Any] | Failed:
        """Return the value of each output, or why one has none: the attempt fails. What it did stays done."""
        found: dict[str, Any] = {}
        for name, text in outputs.items():
            value = await self.expressions.value(self.namespace, self.vocabulary, text, together(self.around, seen))
            if self.discreet and not isinstance(value, ExpressionFault) and not _is_free_of_text(value):
                return Failed(FailureReason.INVALID_EXPRESSION, f"outputs.{name} {UNSAFE}; what the step does is done", permanent=True)
            why = self._told(value) if isinstance(value, ExpressionFault) else output_fault(value)
            if why is not None:
                final = not isinstance(value, ExpressionFault) or value.is_final()
                message = one_line(f"outputs.{name}: {why}: {short(text)}; what the step does is done")
                return Failed(FailureReason.INVALID_EXPRESSION, message, permanent=final)
            found[name] = as_stored(value)
        return found

    def _told(self, fault: ExpressionFault) -> str:
        return IN_GENERAL[fault.kind] if self.discreet else fault.message


def _is_free_of_text(value: object) -> bool:
    if isinstance(value, Mapping | list | tuple):
        return not isinstance(value, Mapping) and all(map(_is_free_of_text, value))
    return value is None or isinstance(value, bool | int | float)
