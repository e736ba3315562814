"""Owns a reader of the documents: what the pages have in blocks, and a shell in which somebody types them, one page after another."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.kubectl import write_kubeconfig

from devcluster.controlplane import ControlPlane
from documents.blocks import SHELL, Block, blocks

ROOT = Path(__file__).parents[2]
FOUND = sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if ".zh." not in path.name)
BLOCKS = [block for document in FOUND for block in blocks(document, ROOT)]
RUN = [block for block in BLOCKS if block.language in SHELL and not block.not_run]
# Pages whose commands need an operator at work: test_operated_documents.py.
AT_WORK = [Path("docs/guides/runbooks.md"), Path("docs/guides/first-task.md")]
OPERATED = [page for page in FOUND if page in AT_WORK or page.is_relative_to("docs/handbook")]
PATIENCE_SECONDS = 290  # a command that waits for what does not come is ended, with all that it started
# What `make` means in a command that is tried: the environment, in a folder of the test's own.
MAKE = f"""
make() {{
  case "$*" in
    demo) {shlex.quote(sys.executable)} -m devcluster.demo "$PWD/.dev/demo";;
    "demo DEMO=runbook") {shlex.quote(sys.executable)} -m devcluster.demo --runbook "$PWD/.dev/demo";;
    up|down) {shlex.quote(sys.executable)} -m devcluster "$1" --root "$PWD";;
    *) echo "make $* is not tried here" >&2; return 1;;
  esac
}}
"""


def workspace(folder: Path) -> Path:
    """Return a folder that looks like a checkout, but has a .dev of its own."""
    folder.mkdir(exist_ok=True)
    for entry in ROOT.iterdir():
        if entry.name not in {".dev", ".git"}:
            (folder / entry.name).symlink_to(entry)
    return folder


def run(script: str, folder: Path, **environment: str) -> str:
    """Run commands as a reader types them, one after the other; fail with what they say, at the first that fails. Return what they say."""
    text = f"set -euo pipefail\n{MAKE}\n{script}"
    done = subprocess.run(  # noqa: S603 - the documents are ours
        ["/usr/bin/timeout", "--kill-after=5", str(PATIENCE_SECONDS), "/bin/bash", "-c", text],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}"
    return done.stdout


def script_of(document: Path) -> str:
    """Return all commands of a document that are run, each after its place."""
    parts = [f"echo '--- {block}'\n{block.first}\n{block.script}" for block in RUN if block.document == document]
    return "\n".join(parts)


def read(
    document: Path, folder: Path, tools: Path, control_plane: ControlPlane, namespace: str, *, own: Mapping[str, str] | None = None
) -> str:
    """Type all commands of a document, in a namespace of an API server with our CRDs; return what they say.

    ``own`` is what a reader puts in the place of the document's examples.
    """
    write_kubeconfig(control_plane, namespace, folder / "kubeconfig")
    work = workspace(folder / "work")
    script = script_of(document)
    for example, ours in (own or {}).items():
        assert example in script
        script = script.replace(example, ours)
    return run(script, work, PATH=f"{tools}:/usr/bin:/bin", HOME=str(folder), KUBECONFIG=str(folder / "kubeconfig"))


def printed(block: Block) -> list[str]:
    """Return the lines that a block says its commands print."""
    lines, goes_on = [], False
    for line in block.text.splitlines() if block.language == "console" else []:
        command = goes_on or line.startswith("$ ")
        goes_on = command and line.endswith("\\")
        lines += [] if command else [line]
    return lines
