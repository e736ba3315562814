"""The plugin as one file: it brings all that it needs, but Python."""

import subprocess
import sys
from pathlib import Path

from documents import release

ROOT = Path(__file__).resolve().parents[3]


def test_one_file_is_enough() -> None:
    """`make plugin` builds it; it runs without any installed package, the terminal Task Center among its commands."""
    subprocess.run(["make", "plugin"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 - that of the system
    program = [sys.executable, "-I", "-S", str(ROOT / "dist/kubectl-obtask")]

    def said(*words: str) -> str:
        return subprocess.run([*program, *words], check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words

    assert said("version") == f"kubectl obtask {release.version()}\n"
    assert "Usage: kubectl obtask watch" in said("watch", "--help")
