"""Owns how the result of an expression is judged, and the pauses between polls of an `until`: the same for every action."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from obtask.executors.evaluation.evaluator import Expressions, Variables
from obtask.executors.evaluation.scope import together
from obtask.executors.inprocess import Reporter
from obtask.executors.outputs import IN_GENERAL, Giving
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason
from obtask.model.until import Until
from obtask.rules.expressions import ExpressionFault, Vocabulary, short


class Arrived:
    """``expect`` holds."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """``expect`` does not hold yet. ``note``: why it could not be evaluated; ``text``: the task's own message. Neither is masked yet."""

    note: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Evaluates the expressions of one attempt's action. ``discreet``: no value that they see may be shown.

    ``around``: the variables of values that the attempt has.
    """

    expressions: Expressions
    namespace: str
    vocabulary: Vocabulary
    discreet: bool = False
    around: Mapping[str, Any] = field(default_factory=dict)

    async def holds(self, text: str, variables: Variables) -> bool | ExpressionFault:
        """Return whether an expression holds."""
        answer = await self.expressions.holds(self.namespace, self.vocabulary, text, together(self.around, variables))
        return ExpressionFault(IN_GENERAL[answer.kind], answer.kind) if self.discreet and isinstance(answer, ExpressionFault) else answer

    async def look(self, until: Until, variables: Variables, seen: str, *, as_expected: bool = True) -> Arrived | NotYet | Failed:
        """Return the verdict on an answer. A failure's message is not masked yet.

        ``seen`` is a short form of the answer; ``as_expected``: it is an answer that the expressions were written for, not an error page.
        """
        notes = []
        for part, text in (("failWhen", until.fail_when), ("expect", until.expect)):
            answer = text is not None and await self.holds(text, variables)
            if isinstance(answer, ExpressionFault):
                if answer.is_final(as_expected=as_expected):
                    return untold(f"until.{part}", answer, text or "", seen)
                notes.append(answer.message)
            elif answer:
                return Arrived() if part == "expect" else given_up(until, seen, await self._shown(until, variables))
        told = await self._shown(until, variables)
        if isinstance(told, ExpressionFault):
            notes.append(f"until.message: {told.message}")
        return NotYet("; ".join(dict.fromkeys(notes)) or None, told if isinstance(told, str) else None)

    async def _shown(self, until: Until, variables: Variables) -> str | ExpressionFault | None:
        if until.message is None or self.discreet:
            return None
        return await self.expressions.shown(self.namespace, self.vocabulary, until.message, together(self.around, variables))

    async def outputs(self, outputs: Mapping[str, str], variables: Variables) -> dict[str, Any] | Failed:
        """Return what the action gives away."""
        giving = Giving(self.expressions, self.namespace, self.vocabulary, self.around, discreet=self.discreet)
        return await giving.values(outputs, variables)


def given_up(until: Until, seen: str, told: str | ExpressionFault | None) -> Failed:
    """Return the failure of an attempt whose failWhen holds."""
    words = f"{told}; " if isinstance(told, str) and told.strip() else ""
    return Failed(FailureReason.EXPECTATION_NOT_MET, f"{words}until.failWhen holds: {short(until.fail_when or '')}; saw {seen}")


def untold(field: str, fault: ExpressionFault, expression: str, seen: str) -> Failed:
    """Return the failure of an attempt whose expression cannot be evaluated; its message is not masked yet."""
    text = f"{field}: {fault.message}: {short(expression)}; saw {seen}"
    return Failed(FailureReason.INVALID_EXPRESSION, text, permanent=fault.is_final())


def tell(report: Reporter, until: Until, seen: str, told: str | None, clean: Callable[[str], str]) -> None:
    """Report the progress of a waiting attempt, in the task's own words if it has some. ``clean`` masks secrets and returns one line."""
    own = told is not None and bool(told.strip())
    report(clean(told or "") if own else clean(f"waiting until {short(until.expect)}: last saw {seen}"), own=own)


def pauses(first: float, longest: float | None) -> Iterator[float]:
    """Yield the pauses between polls in seconds: each twice the one before, up to the longest."""
    pause = first
    while True:
        yield pause
        pause = pause if longest is None else min(pause * 2, longest)
