"""Owns asking the code of Argo CD, Flux and kstatus what it makes of an object: built once per user, spoken to over a pipe."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.go_programs import built

from devcluster.progress import Report, silent

MODULE = Path(__file__).parent / "judges"


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
    return built(MODULE, "judges", "the code of Argo CD, Flux and kstatus", report=report)
