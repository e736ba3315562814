"""The commands of pages about tasks at work are tried as they are printed: with an operator, on a real SQL server."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.operators import operator_settings, operator_thread
from tests.support.reader import BLOCKS, ROOT, RUN, printed, read
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

RUNBOOKS = Path("docs/guides/runbooks.md")
FIRST = Path("docs/guides/first-task.md")


@pytest.fixture
def tasks(control_plane: ControlPlane, namespace: str) -> Iterator[TaskClient]:
    """Return the tasks of the namespace in which the reader types; an operator is at work there."""
    with operator_thread(operator_settings(control_plane.operator_kubeconfig, namespace)):
        yield TaskClient(control_plane, namespace)


def says_what_is_printed(page: Path, said: str) -> None:
    """Fail unless the output that a page shows is what its commands have printed."""
    shown = [line for block in RUN if block.document == page for line in printed(block)]
    heard = said.splitlines()

    assert shown
    assert [line for line in shown if line not in heard] == []


@pytest.mark.timeout(300)
def test_runbooks(tmp_path: Path, tools: Path, tasks: TaskClient, seekdb: SqlServer) -> None:
    """A value is put back by the rollback, the loop creates its tables, and drops them once a person approves."""
    tasks.create_connection(seekdb)

    said = read(RUNBOOKS, tmp_path, tools, tasks.cluster, tasks.namespace)

    says_what_is_printed(RUNBOOKS, said)
    status = tasks.status("put-back")
    assert [step["phase"] for step in status["steps"]] == ["RolledBack"] * 3
    assert tasks.status("clean-up")["phase"] == tasks.status("for-each")["phase"] == "Succeeded"


@pytest.mark.timeout(300)
def test_a_first_task(tmp_path: Path, tools: Path, tasks: TaskClient, seekdb: SqlServer) -> None:
    """With the address of a server of the reader's own, the task tells the server's version and shows its log."""
    own = {"10.0.0.5": seekdb.host, "2881": str(seekdb.port), '"$PASSWORD"': shlex.quote(seekdb.password), "root@sys": seekdb.user}

    said = read(FIRST, tmp_path, tools, tasks.cluster, tasks.namespace, own=own)

    version = tasks.status("first")["steps"][0]["subtasks"][0]["outputs"]["version"]
    assert version in said.splitlines()
    assert "statement 1 of 1: SELECT VERSION() AS version" in said


def test_the_tasks_of_the_runbooks_are_samples() -> None:
    """A task that the page shows is the file that its commands apply, to the letter."""
    tasks = [block for block in BLOCKS if block.document == RUNBOOKS and block.language == "yaml" and "kind: OBTask" in block.text]

    samples = [(ROOT / "deploy/samples" / f"runbook-{yaml.safe_load(task.text)['metadata']['name']}.yaml") for task in tasks]

    assert [sample.read_text().partition("apiVersion")[2] for sample in samples] == [task.text.partition("apiVersion")[2] for task in tasks]
