"""docs/guides/kubectl-plugin.md: each command prints what the page shows, and the quickstart's tour can be gone by the plugin alone.

OBTASK_WRITE_GUIDE=1 writes what the commands print into the page.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.journal import Journal
from tests.support.kubectl import Kubectl, kubectl_of
from tests.support.operators import operator_settings, operator_thread
from tests.support.plugin import Plugin, plugin
from tests.support.reader import ROOT, RUN
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

from devcluster import controlplane
from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

GUIDE: Final = ROOT / "docs/guides/kubectl-plugin.md"
# Its blocks are the same to the letter (tests/documents/test_translations.py), so that nothing is run twice.
TRANSLATION: Final = GUIDE.with_suffix(".zh.md")
BLOCK: Final = re.compile(r"```text\n(.*?)```\n", re.DOTALL)
PROMPT: Final = "$ "
# What no two runs have in common.
CHANGING: Final = (
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?", "TIME"),
    (r"\b\d\d:\d\d\b", "TIME"),
    (r"\b\d+(ms|s|m|h|d)(\d+[smhd])?\b", "SPAN"),
    (r"\b\d+ ms\b", "SPAN"),
    (r"127\.0\.0\.1:\d+", "SERVER"),
    (r"session \d+", "SESSION"),
    (r"token \d+", "TOKEN"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)
# Where a task stood for a moment, which nobody need have seen.
PASSING: Final = re.compile(r"[\w-]+: (Pending|Waiting|Running) ")
TEMPLATE: Final = {
    "apiVersion": "task.oceanbase.com/v1alpha1",
    "kind": "OBTaskTemplate",
    "metadata": {"name": "ping"},
    "spec": {
        "title": {"en": "Ask the server whether it answers", "zh": "检查服务器是否应答"},
        "description": {"en": "Runs a query several times. Changes nothing."},
        "type": "Cluster",
        "maintenance": "None",
        "parameters": [
            {"name": "times", "type": "integer", "required": True, "title": {"en": "How often", "zh": "次数"}, "minimum": 1, "maximum": 9}
        ],
        "steps": [{"name": "ping", "sql": {"statements": ["select ${{ params.times }} as answers"]}}],
    },
}


@pytest.fixture(scope="module")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:  # noqa: ARG001 - it is built
    """Return a control plane of the page's own: what is listed there is all that a cluster has, other suites' templates too."""
    with controlplane.control_plane(tmp_path_factory.mktemp("guide") / "cluster") as running:
        yield running


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """Return kubectl with its admin's rights."""
    return kubectl_of(control_plane)


@pytest.fixture
def ground(module_operator: None, module_tasks: TaskClient, kubectl: Kubectl, tmp_path: Path) -> Path:  # noqa: ARG001 - it has to run
    """Have what the page speaks of; return the folder that its reader is in."""
    kubectl("apply", "-n", module_tasks.namespace, "-f", "-", manifest=TEMPLATE)
    connection = {"connection": {"secretName": "seekdb"}}
    steps = [wait_step("check"), sql_step("window", FAILING, rollback={"wait": {"seconds": 0}}), wait_step("apply")]
    module_tasks.create("tune", maintenance="Global", **connection, steps=steps)
    module_tasks.wait_phase("tune", "Failed")
    module_tasks.create("resize-orders", maintenance="Tenant", tenant="orders", steps=[wait_step("resize", 1)])
    module_tasks.wait_phase("resize-orders", "Waiting")
    check = module_tasks.manifest("check", **connection, steps=[sql_step("ask", "select 1"), sql_step("look", FAILING)])
    (tmp_path / "check.json").write_text(json.dumps(check))
    return tmp_path


def typed(block: str) -> Iterator[str]:
    """Yield the commands of a block."""
    return (line.removeprefix(PROMPT) for line in block.splitlines() if line.startswith(PROMPT))


def typed_in(obtask: Plugin, folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as it is typed in a folder; what it prints is one stream."""
    words = shlex.split(command)
    assert words[:2] == ["kubectl", "obtask"], command
    return subprocess.run(  # noqa: S603 - words of our own page
        [obtask.kubectl, *words[1:]],
        cwd=folder,
        env=obtask.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def printed(obtask: Plugin, folder: Path, command: str) -> str:
    """Return a command and what it prints, as a reader sees it."""
    return f"{PROMPT}{command}\n{typed_in(obtask, folder, command).stdout}".rstrip("\n") + "\n"


def without_changing(text: str) -> list[str]:
    """Return the lines of a text without what no two runs have in common."""
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line for line in text.splitlines() if not PASSING.match(line)]


@pytest.mark.timeout(180)
def test_the_page_shows_what_is_printed(obtask: Plugin, ground: Path, module_namespace: str) -> None:
    """Every command of the page is run in its order; what it prints is what stands there, but for times."""
    for block in BLOCK.findall(GUIDE.read_text()):
        seen = "\n".join(printed(obtask, ground, command) for command in typed(block)).replace(module_namespace, "prod")
        if os.environ.get("OBTASK_WRITE_GUIDE"):
            for page in (GUIDE, TRANSLATION):
                page.write_text(page.read_text().replace(f"```text\n{block}```", f"```text\n{seen}```"))
        else:
            assert without_changing(seen) == without_changing(block)


def tour() -> Iterator[tuple[str, str, int]]:
    """Yield the rows of the tour: a command of the quickstart, or none, what to type instead, and its exit code."""
    for row in GUIDE.read_text().partition("| in the quickstart |")[2].partition("\n\n")[0].splitlines()[2:]:
        plain, ours, code = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
        yield plain, ours, int(code)


def test_the_tour_leaves_nothing_out() -> None:
    """Every command for kubectl that the quickstart's tour has, in its order; and none but the plugin is typed."""
    quickstart = Path("docs/quickstart.md")
    script = "".join(block.script for block in RUN if block.document == quickstart)

    assert [plain for plain, _, _ in tour() if plain] == [line for line in script.splitlines() if line.startswith("kubectl ")]
    assert [ours for _, ours, _ in tour() if not ours.startswith("kubectl obtask ")] == []


@pytest.fixture
def tourist(control_plane: ControlPlane, namespace: str, kubectl: Kubectl, seekdb: SqlServer, tmp_path: Path) -> Iterator[Plugin]:
    """Return the plugin of somebody in a checkout, for whom everything is as after `make up`."""
    TaskClient(control_plane, namespace).create_connection(seekdb)
    kubectl("apply", "-f", str(ROOT / "deploy/templates/major-compaction-in-tenant.yaml"))
    journal = Journal(seekdb)
    left_over = "drop table if exists maintenance_window"
    journal.run(left_over)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    with operator_thread(operator_settings(control_plane.operator_kubeconfig, namespace)):
        yield plugin(control_plane, namespace, tmp_path / "home")
    journal.run(left_over)
    journal.drop()


@pytest.mark.timeout(300)
def test_the_tour(tourist: Plugin, tmp_path: Path) -> None:
    """A task fails and says why, others wait for it; mended, it is retried; a template runs; one is rolled back, one skipped, one kept."""
    said: dict[str, str] = {}
    for _, line, code in tour():
        done = typed_in(tourist, tmp_path, line)
        said[line.removeprefix("kubectl obtask ")] = done.stdout
        assert done.returncode == code, (line, done.stdout)

    assert "maintenance_window' doesn't exist" in said["why tune"]
    assert "2 waiting (2 of them behind a failed task)" in said["list"]
    assert "kubectl obtask retry tune" in said["why resize-orders"]
    assert "tune: Succeeded 3/3" in said["retry tune -y"]
    assert "no unfinished task" in said["list -o wide"]
    assert "major-compaction-in-tenant" in said["templates"]
    assert "migrate: RolledBack" in said["rollback migrate -y"]
    assert "cleanup: Skipped" in said["skip cleanup -y"]
    assert (tmp_path / "tune.zip").stat().st_size > 0
