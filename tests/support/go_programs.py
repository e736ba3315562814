"""Owns programs of other projects that tests use: built from their Go modules as pinned, once per user."""

import hashlib
import os
from pathlib import Path

from devcluster.build import cache_root
from devcluster.commands import run
from devcluster.files import locked
from devcluster.progress import Report, reported, silent
from devcluster.toolchain import find_go, go_environment, version_in

BUILD_SECONDS = 1800


def built(module: Path, name: str, what: str, *, package: str = ".", report: Report = silent) -> Path:
    """Return a program of a Go module in our tree, after building it if nobody has yet. ``what``: what people call it."""
    cache = cache_root()
    program = cache / f"{name}-{_digest(module)}"
    with locked(cache / f"{program.name}.lock", f"another process builds {what}; waiting for it"):
        if not program.exists():
            with reported(report, f"{what} built"):
                draft = program.with_name(f".{program.name}")
                go(module, "build", "-trimpath", "-ldflags=-s -w", "-o", draft, package, report=report)
                draft.rename(program)
    return program


def go(module: Path, *words: str | Path, report: Report = silent) -> str:
    """Run a command of Go in a module; return what it prints."""
    program = find_go(version_in("go" + (module / "go.mod").read_text().partition("\ngo ")[2]), cache_root(), report)
    answer = run([program, *words], cwd=module, env=go_environment(os.environ), timeout=BUILD_SECONDS)
    assert answer.returncode == 0, answer.stderr[-4000:]
    return answer.stdout


def _digest(module: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(module.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
