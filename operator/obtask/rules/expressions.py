"""Owns what the rest of the operator knows of CEL: which variables there are, what can be asked, and what can be wrong. API.md section 2.1.

Nothing here compiles anything: that takes time and memory of the author's choice, and happens in processes apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from obtask.model.actions import Action, kind
from obtask.model.limits import one_line


class Vocabulary(Enum):
    """The set of variables that an expression may use."""

    SQL = "sql"
    HTTP = "http"
    RESOURCE = "resource"
    OBSHELL = "obshell"
    JOB = "job"
    VALUES = "values"  # none but those of values themselves


class Gives(Enum):
    """What an expression is asked for: whether something holds, a text for people, a value, or the items of forEach."""

    CONDITION = "condition"
    TEXT = "text"
    VALUE = "value"
    LIST = "list"


class ExpressionFaultKind(Enum):
    """What is wrong with an expression. docs/expressions.md has the same table for people.

    =========== ============================================== ==========================================
    kind        such as                                        can it be otherwise with what is seen later
    =========== ============================================== ==========================================
    INVALID     it does not compile                            never
    TYPE        a text plus a number; not true or false        never, unless another kind of answer comes
    EXCEEDED    too much time, memory or elements; a crash     never
    MISSING     no such key, field, row or element; null       yes
    VALUE       division by zero; a text that is no number     yes
    UNAVAILABLE nobody could evaluate it just now              yes
    =========== ============================================== ==========================================
    """

    INVALID = "invalid"
    TYPE = "type"
    EXCEEDED = "exceeded"
    MISSING = "missing"
    VALUE = "value"
    UNAVAILABLE = "unavailable"


HOPELESS = frozenset({ExpressionFaultKind.INVALID, ExpressionFaultKind.EXCEEDED})
PASSING = frozenset({ExpressionFaultKind.MISSING, ExpressionFaultKind.VALUE, ExpressionFaultKind.UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """Why an expression does not compile or cannot be evaluated, in one line."""

    message: str
    kind: ExpressionFaultKind = ExpressionFaultKind.INVALID

    def is_final(self, *, as_expected: bool = True) -> bool:
        """Return whether it will be the same whatever comes.

        ``as_expected``: what was seen is of the kind that the expression is about. The error page of a proxy is not: it says nothing of
        the type of the answer that is waited for.
        """
        return self.kind in HOPELESS or (as_expected and self.kind not in PASSING)


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a text compiles with these variables, and gives what is asked for. ``scope``: the variables of values that there are."""

    vocabulary: Vocabulary
    text: str
    gives: Gives = Gives.CONDITION
    scope: frozenset[str] = frozenset()


Verdicts = Mapping[Question, ExpressionFault | None]
"""Answers to questions: None for an expression that compiles. A question without an entry has not been answered yet."""


SHOWN_EXPRESSION: Final = 160


def short(expression: str) -> str:
    """Return an expression on one line, shortened to fit into a message."""
    return one_line(expression, SHOWN_EXPRESSION)


def question_about(action: Action, path: str, text: str, scope: frozenset[str] = frozenset()) -> Question:
    """Return what to ask about an expression of an action, which stands in the field at this path below it."""
    gives = Gives.TEXT if path == "until.message" else Gives.VALUE if path.startswith("outputs.") else Gives.CONDITION
    return Question(Vocabulary(kind(action)), text, gives, scope)
