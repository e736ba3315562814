"""Owns what happens when a member is added to a closed list: a copy of the tree, with one of each, and who complains about it.

Run: python -m tests.contract.additions. It prints, for each addition, the places that mypy, `make generate` and the tests name.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.contract.lists import ROOT

COPIED = (
    "operator/obtask",
    "operator/generate",
    "operator/documents",
    "charts",
    "crds",
    "deploy/gitops",
    "deploy/devcluster/rbac.yaml",
    "docs",
)
COPIED_TESTS = ("lists.py", "test_members.py")
MODEL = "operator/obtask/model"
MEMBERS = "tests/contract/test_members.py"


@dataclass(frozen=True, slots=True)
class Addition:
    """A line that somebody writes after another one, or ``instead`` of it; ``marks`` tell which complaints are about it."""

    what: str
    file: str
    after: str
    line: str
    marks: tuple[str, ...]
    instead: bool = False


ADDITIONS = (
    Addition(
        "verb",
        f"{MODEL}/contract.py",
        '    CANCEL = "cancel", ',
        '    PAUSE = "pause", Forbidden.PAUSE, False, Audience.EDIT, "wait before the next step"',
        ("Verb.PAUSE", "pause", "Forbidden.PAUSE"),
    ),
    Addition("verb", f"{MODEL}/contract.py", '    CANCEL = "Cancel"', '    PAUSE = "Pause"', ("Forbidden.PAUSE",)),
    Addition(
        "phase",
        f"{MODEL}/contract.py",
        '    REJECTED = "Rejected", Stage',
        '    PAUSED = "Paused", Stage.STOPPED, ConditionType.STALLED, "between two steps, until a person goes on"',
        ("Phase.PAUSED", "Paused"),
    ),
    Addition(
        "failure reason",
        f"{MODEL}/reasons.py",
        '    INVALID_EXPRESSION = "',
        '    QUOTA_EXCEEDED = "QuotaExceeded", True, "a quota is used up"',
        ("QuotaExceeded", "FailureReason-QuotaExceeded"),
    ),
    Addition(
        "lock scope",
        f"{MODEL}/contract.py",
        '    OBPROXY = "OBProxy", ',
        '    ZONE = "Zone", (TaskType.CLUSTER,), "zone"',
        ("Maintenance.ZONE", "Zone", "'zone'"),
    ),
    Addition(
        "kind of action",
        f"{MODEL}/contract.py",
        '    OBSHELL = "obshell", ',
        '    BACKUP = "backup", "Back up a tenant."',
        ("ActionKind.BACKUP", "backup"),
    ),
    Addition(
        "kind of action",
        f"{MODEL}/actions.py",
        "Action = WaitAction",
        "class BackupAction(Value):\n    action_kind: ClassVar = ActionKind.BACKUP\n\n\n"
        "Action = WaitAction | SqlAction | JobAction | HttpAction | ResourceAction | ObshellAction | BackupAction",
        ("BackupAction",),
        instead=True,
    ),
    Addition("limit", f"{MODEL}/limits.py", "TAIL_BYTES: Final = 2048", "TAIL_BYTES: Final = 4096", ("4096",), instead=True),
)


def complaints() -> dict[str, list[str]]:
    """Return who complains about each addition: ``tool: file``, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy(copy)
        for addition in ADDITIONS:
            _add(copy, addition)
        said = [*_types(copy), *_drift(copy), *_tests(copy)]
    kinds = dict.fromkeys(each.what for each in ADDITIONS)
    return {kind: sorted({place for place, text in said if _about(kind, text)}) for kind in kinds}


def _about(what: str, text: str) -> bool:
    marks = (mark for each in ADDITIONS if each.what == what for mark in each.marks)
    return any(re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", text) for mark in marks)


def _copy(target: Path) -> None:
    for name in COPIED:
        source, copied = ROOT / name, target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copied)
    (target / "tests/contract").mkdir(parents=True)
    for name in COPIED_TESTS:
        shutil.copy2(ROOT / "tests/contract" / name, target / "tests/contract" / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy2(ROOT / name, target / name)
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", target / ".mypy_cache")


def _add(copy: Path, addition: Addition) -> None:
    file = copy / addition.file
    lines = file.read_text().splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith(addition.after))
    lines[at if addition.instead else at + 1 : at + 1] = [addition.line]
    file.write_text("\n".join(lines) + "\n")


def _types(copy: Path) -> Iterator[tuple[str, str]]:
    for line in _run(copy, "mypy", "operator/obtask", "operator/generate").splitlines():
        if " error: " in line:
            yield f"mypy: {line.partition(':')[0]}", line


def _drift(copy: Path) -> Iterator[tuple[str, str]]:
    file = ""
    for line in _run(copy, "generate", "--check").splitlines():
        if line.startswith("--- "):
            file = line.removeprefix("--- ").strip()
        elif line.startswith("+"):
            yield f"generate: {file}", line


def _tests(copy: Path) -> Iterator[tuple[str, str]]:
    said = _run(copy, "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=no", MEMBERS)
    for failed in re.finditer(r"^FAILED \S+::(\S+) - (.*?)(?=^FAILED|\Z)", said, re.MULTILINE | re.DOTALL):
        yield f"test: {failed[1]}", failed[0]


def _run(copy: Path, module: str, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{copy / 'operator'}:{copy}", "COLUMNS": "4000", "CI": "1"}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False).stdout  # noqa: S603 - all ours


if __name__ == "__main__":
    for what, places in complaints().items():
        sys.stdout.write(f"a {what}:\n" + "".join(f"  {place}\n" for place in places))
