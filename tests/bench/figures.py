"""Owns the figures of a benchmark run: percentiles, and how they are printed."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its unit, and the target if there is one. ``word``: what is shown instead of the number."""

    name: str
    value: float
    unit: str
    target: str = ""
    word: str = ""

    def row(self) -> str:
        """Return the figure as a row of a Markdown table."""
        shown = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.3g}"
        return f"| {self.name} | {self.word or f'{shown} {self.unit}'} | {self.target} |"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table with the date and the size of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"
    lines = [
        head + "; API server, etcd, operator and load on the same machine.",
        "",
        "| measured | figure | target |",
        "| --- | --- | --- |",
    ]
    return "\n".join(lines + [figure.row() for figure in figures])
