"""Owns asking the code of Argo CD, Flux and kstatus what it makes of an object: built once per user, spoken to over a pipe."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devcluster.build import cache_root
from devcluster.commands import run
from devcluster.files import locked
from devcluster.progress import Report, reported, silent
from devcluster.toolchain import find_go, go_environment, version_in

MODULE = Path(__file__).parent / "judges"
BUILD_SECONDS = 1800


class JudgeError(Exception):
    """A judge could not make sense of the object; the text is what it said."""


class Judges:
    """A process that answers one question per line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, judge: str, **question: Any) -> Any:
        """Return what a judge says; raises JudgeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"judge": judge, **question}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "error" in said:
            raise JudgeError(said["error"])
        return said["answer"]


@contextmanager
def judges() -> Iterator[Judges]:
    """Run the judges until the block ends."""
    with subprocess.Popen([build()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - built here
        try:
            yield Judges(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def build(report: Report = silent) -> Path:
    """Return the program, after building it if nobody has yet."""
    cache = cache_root()
    program = cache / f"judges-{_digest()}"
    with locked(cache / f"{program.name}.lock", "another process builds the judges of GitOps; waiting for it"):
        if not program.exists():
            with reported(report, "the code of Argo CD, Flux and kstatus built"):
                _build(program, cache, report)
    return program


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(MODULE.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(program: Path, cache: Path, report: Report) -> None:
    go = find_go(version_in("go" + (MODULE / "go.mod").read_text().partition("\ngo ")[2]), cache, report)
    draft = program.with_name(f".{program.name}")
    words: list[str | Path] = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", draft, "."]
    answer = run(words, cwd=MODULE, env=go_environment(os.environ), timeout=BUILD_SECONDS)
    assert answer.returncode == 0, answer.stderr[-4000:]
    draft.rename(program)
