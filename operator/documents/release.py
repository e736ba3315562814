"""Owns the version: pyproject.toml has it, and the chart takes it from there. Run: python -m documents.release."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/obtask-operator/Chart.yaml"


def version() -> str:
    """Return the version of this project."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def chart() -> str:
    """Return the text of Chart.yaml with this version."""
    return re.sub(r"^(version|appVersion): .*$", rf"\1: {version()}", CHART.read_text(), flags=re.MULTILINE)


if __name__ == "__main__":
    CHART.write_text(chart())
