"""Owns what an action gives away when it succeeds: its `outputs`, evaluated over what it has seen. API.md section 2.2."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from obtask.executors.evaluation.evaluator import Expressions, Variables
from obtask.executors.evaluation.scope import together
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, Vocabulary, short
from obtask.rules.opening import as_stored, output_fault


@dataclass(frozen=True, slots=True)
class Giving:
    """Evaluates the outputs of one attempt. ``around``: the variables of values that it has."""

    expressions: Expressions
    namespace: str
    vocabulary: Vocabulary
    around: Mapping[str, Any]

    async def values(self, outputs: Mapping[str, str], seen: Variables) -> dict[str, Any] | Failed:
        """Return the value of each output, or why one has none: the attempt fails. What it did stays done."""
        found: dict[str, Any] = {}
        for name, text in outputs.items():
            value = await self.expressions.value(self.namespace, self.vocabulary, text, together(self.around, seen))
            why = value.message if isinstance(value, ExpressionFault) else output_fault(value)
            if why is not None:
                final = not isinstance(value, ExpressionFault) or value.is_final()
                message = one_line(f"outputs.{name}: {why}: {short(text)}; what the step does is done")
                return Failed(FailureReason.INVALID_EXPRESSION, message, permanent=final)
            found[name] = as_stored(value)
        return found
