"""Owns what the rest of the operator knows of CEL: which variables there are, what can be asked, and what can be wrong. API.md section 2.1.

Nothing here compiles anything: that takes time and memory of the author's choice, and happens in processes apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Vocabulary(Enum):
    """The set of variables that an expression may use."""

    SQL = "sql"
    HTTP = "http"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """Why an expression does not compile or cannot be evaluated, in one line. ``exceeded``: it takes too much, and will the next time."""

    message: str
    exceeded: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a text compiles with these variables."""

    vocabulary: Vocabulary
    text: str


Verdicts = Mapping[Question, ExpressionFault | None]
"""Answers to questions: None for an expression that compiles. A question without an entry has not been answered yet."""
