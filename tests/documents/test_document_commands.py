"""Every command and manifest of the documents is tried. docs/contributing/testing.md says how a block is marked that cannot be."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.kubectl import Kubectl
from tests.support.reader import BLOCKS, OPERATED, ROOT, RUN, read, run, script_of, workspace

from devcluster.controlplane import ControlPlane
from documents.blocks import SHELL, Block
from obtask.model.contract import ActionKind
from obtask.model.task import InvalidSpec, read_task

pytestmark = pytest.mark.usefixtures("binaries")

COMMANDS = [block for block in BLOCKS if block.language in SHELL]
MANIFESTS = [block for block in BLOCKS if block.language in {"yaml", "json"}]
NOT_RUN = [block for block in COMMANDS if block.not_run]
QUICKSTART = Path("docs/quickstart.md")
OTHERS = sorted({block.document for block in RUN} - {QUICKSTART, *OPERATED})


@pytest.mark.timeout(300)
def test_the_quickstart(tmp_path: Path) -> None:
    """The demo runs, and then the tour from `make up` to `make down`, as they are printed."""
    folder = workspace(tmp_path)
    try:
        run(script_of(QUICKSTART), folder, PATH="/usr/bin:/bin", HOME=str(Path.home()))
    finally:
        run("make down", folder, PATH="/usr/bin:/bin", HOME=str(Path.home()))


@pytest.mark.timeout(300)
def test_the_demo_of_runbooks(tmp_path: Path) -> None:
    """Templates of the catalogue change a real server: what one fails at is put back, a person approves, and nothing is left running."""
    said = run("make demo DEMO=runbook", workspace(tmp_path / "work"), PATH="/usr/bin:/bin", HOME=str(Path.home()))

    for sign in ("error 4147", "RolledBack", "AwaitingApproval", "error 1317", "nothing is left running"):
        assert sign in said
    assert not (tmp_path / "work/.dev/demo/.dev/state").exists()


@pytest.mark.parametrize("document", OTHERS, ids=str)
def test_the_commands_of_a_document(document: Path, tmp_path: Path, tools: Path, control_plane: ControlPlane, namespace: str) -> None:
    """The commands of a page work in their order, on an API server with our CRD."""
    read(document, tmp_path, tools, control_plane, namespace)


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_a_command_that_cannot_be_run_is_at_least_well_formed(block: Block, tools: Path) -> None:
    """Bash can parse it; targets of make, options of kubectl and Helm, modules and files that it names are there."""
    subprocess.run(["/bin/bash", "-n"], input=block.script, text=True, check=True, cwd=ROOT)
    for words in commands(block.script):
        assert fault(words, tools) is None, words


def commands(script: str) -> Iterator[list[str]]:
    """Return the words of each command of a script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = next((place for place, word in enumerate(words) if word in {"&&", "|", ";"}), len(words))
            yield words[:end]
            words = words[end + 1 :]


def fault(words: list[str], tools: Path) -> str | None:
    """Return what is wrong with a command, if anything is."""
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    match words:
        case ["make", *asked]:
            return next((f"no target {word}" for word in asked if "=" not in word and word not in targets), None)
        case ["kubectl", *rest]:
            return _unknown_option(rest, tools)
        case ["helm", *rest]:
            said = subprocess.run([tools / "helm", *rest], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
            return said.stderr if said.returncode else None
        case [program, "-m", module, *_] if program.startswith(".venv"):
            return None if find_spec(module) else f"no module {module}"
        case _:
            named = [word for word in words if re.match(r"(deploy|charts|docs|tests|operator)/", word)]
            return next((f"no file {word}" for word in named if not (ROOT / word).exists()), None)


def _unknown_option(words: list[str], tools: Path) -> str | None:
    """Return the option that kubectl does not have, if there is one."""
    verb = [word for place, word in enumerate(words) if not word.startswith("-") and words[place - 1 : place] != ["-n"]]
    which = verb[:2] if verb[0] == "create" else verb[:1]
    helped = subprocess.run([tools / "kubectl", *which, "--help"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    general = subprocess.run([tools / "kubectl", "options"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    return next((f"no option {option}" for option in options if f"{option}=" not in helped + general), None)


def test_braces_are_quoted() -> None:
    """A list that is given to Helm reaches it whole: bash splits `{a,b}` where it is not quoted."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(path for path in (ROOT / "charts").rglob("*") if path.is_file())]
    lists = [(path, found) for path in files for found in re.findall(r"(.)\b\w+(?:\.\w+)+=\{\w", path.read_text())]

    assert len(lists) > 5
    assert [path for path, before in lists if before != "'"] == []


def bodies(block: Block) -> list[Any]:
    """Return what a block of YAML or JSON holds."""
    return [body for body in yaml.safe_load_all(block.text) if body is not None]


def completed(body: Any) -> Any:
    """Return a task with this action as its step, if it is an action; else the body as it is."""
    if not (isinstance(body, dict) and set(body) <= set(ActionKind)):
        return body
    spec = {"type": "Cluster", "cluster": "c", "maintenance": "None", "connection": {"secretName": "s"}, "steps": [{"name": "s", **body}]}
    return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": "documented"}, "spec": spec}


@pytest.mark.parametrize("block", MANIFESTS, ids=str)
def test_a_manifest_is_accepted(block: Block, kubectl: Kubectl, namespace: str) -> None:
    """A whole object passes the API server's validation, and a task our own model; so does an action, as the step of a task."""
    for body in map(completed, bodies(block)):
        if isinstance(body, dict) and {"apiVersion", "kind", "metadata"} <= set(body):
            kubectl("apply", "-n", namespace, "--dry-run=server", "-f", "-", manifest=body)
            if body["kind"] == "OBTask":
                identity = {"namespace": namespace, "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
                assert not isinstance(read_task(body | {"metadata": body["metadata"] | identity}).spec, InvalidSpec)


def test_what_is_not_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """The reasons are printed, so that nobody has to look for what is not covered."""
    with capsys.disabled():
        for block in NOT_RUN:
            sys.stdout.write(f"\nnot run: {block}: {block.not_run}")

    assert len(RUN) >= 15
    assert all(len(str(block.not_run)) > 10 for block in NOT_RUN)
