"""Run a short command and hear what it says."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    argv: Sequence[str | Path], *, env: Mapping[str, str], timeout: float = 60.0, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Return how the command ended and what it printed; only one that does not end in time is an exception."""
    # All words come from this package and from paths it was given; there is no shell.
    return subprocess.run(  # noqa: S603
        argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, env=env, cwd=cwd
    )
