"""What `kubectl obtask` needs to start: nothing of the operator, and nothing that takes long to import."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"rich", "textual", "pydantic", "yaml", "aiohttp", "kubernetes", "kopf", "obtask"}
PROGRAM = (
    "from kubectl_obtask.cli import run; code = run(sys.argv[1:]); print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
)


@pytest.mark.parametrize("words", [["list"], ["--help"], ["version"]], ids=" ".join)
def test_nothing_heavy_is_imported(words: list[str], tmp_path: Path) -> None:
    """Click and the standard library; `list` would take three times as long with any of the others."""
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    (tmp_path / "kubectl").chmod(0o755)
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", f"import sys; {PROGRAM}", *words, "-n", "default"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    imported = set(ended.stderr.split())

    assert "click" in imported
    assert imported & HEAVY == set()
