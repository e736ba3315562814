"""Owns the marks of phases: a shape for each, so that nothing is told by its colour alone."""

from collections.abc import Mapping
from typing import Final

MARKS: Final[Mapping[str, str]] = {
    "Succeeded": "✓",
    "Failed": "✗",
    "Running": "●",
    "RollingBack": "↩",
    "RolledBack": "↩",
    "Skipped": "\N{EN DASH}",
    "Pending": "○",
    "Waiting": "◷",
    "Cancelled": "\N{EN DASH}",
    "Rejected": "✗",
}
