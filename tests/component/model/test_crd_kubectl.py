"""What kubectl shows of tasks, and what it can ask for. API.md section 1."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.component.model.cases import GOOD, cluster, local, task, wait
from tests.support.kubectl import Kubectl

from obtask.model.spec import TaskSpec

COLUMNS = ["NAME", "TYPE", "MAINTENANCE", "PHASE", "PROGRESS", "STEP", "BLOCKED-BY", "AGE"]
WIDE_COLUMNS = [*COLUMNS, "TARGET", "TENANT", "REASON", "MESSAGE", "STARTED", "FINISHED"]

FINISHED_STATUS: Mapping[str, Any] = {
    "phase": "RolledBack",
    "progress": "0/1",
    "currentStep": "pause",
    "reason": "RolledBack",
    "message": "everything is undone",
    "startedAt": "2026-01-01T00:00:00Z",
    "finishedAt": "2026-01-01T00:00:10Z",
}
WAITING_STATUS: Mapping[str, Any] = {"phase": "Waiting", "blockedBySummary": "freeze-all (Failed) +2"}


@pytest.fixture(scope="module")
def tasks(kubectl: Kubectl, module_namespace: str) -> str:
    """Create one task of each kind, and return their namespace."""
    specs = {
        "global": cluster(maintenance="Global"),
        "orders": cluster(maintenance="Tenant", tenant="orders"),
        "host": local(cluster="demo"),
    }
    for name, spec in specs.items():
        kubectl("create", "-n", module_namespace, "-f", "-", manifest=task(name, spec))
    for name, status in {"global": FINISHED_STATUS, "orders": WAITING_STATUS}.items():
        change = json.dumps({"status": status})
        kubectl("patch", "obtask", name, "-n", module_namespace, "--subresource=status", "--type=merge", "-p", change)
    return module_namespace


def _rows(table: str) -> dict[str, dict[str, str]]:
    """Return the cells of a table of kubectl by name and column: columns begin where their headers do."""
    header, *lines = table.splitlines()
    names = header.split()
    starts = [header.index(name) for name in names]
    cells = [[line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in lines]
    return {row[0]: dict(zip(names, row, strict=True)) for row in cells}


def test_columns(kubectl: Kubectl, tasks: str) -> None:
    """`kubectl get obtasks` shows what a task is, where it stands and who is in its way."""
    table = kubectl("get", "obtasks", "-n", tasks)

    assert table.splitlines()[0].split() == COLUMNS
    rows = _rows(table)
    assert rows["orders"] | {"AGE": ""} == dict.fromkeys(COLUMNS, "") | {
        "NAME": "orders",
        "TYPE": "Cluster",
        "MAINTENANCE": "Tenant",
        "PHASE": "Waiting",
        "BLOCKED-BY": "freeze-all (Failed) +2",
    }
    assert (rows["global"]["PROGRESS"], rows["global"]["STEP"]) == ("0/1", "pause")
    assert rows["host"]["PHASE"] == "Pending"


def test_wide_columns(kubectl: Kubectl, tasks: str) -> None:
    """`-o wide` adds the target, which is the agent of a Local task and the cluster of a Cluster one, and how it ended."""
    table = kubectl("get", "obtasks", "-n", tasks, "-o", "wide")

    assert table.splitlines()[0].split() == WIDE_COLUMNS
    rows = _rows(table)
    assert {name: row["TARGET"] for name, row in rows.items()} == {"global": "demo", "orders": "demo", "host": "10.0.0.5:2886"}
    assert {name: row["TENANT"] for name, row in rows.items()} == {"global": "", "orders": "orders", "host": ""}
    assert (rows["global"]["REASON"], rows["global"]["MESSAGE"]) == ("RolledBack", "everything is undone")
    assert rows["global"]["STARTED"].endswith("d")
    assert rows["global"]["FINISHED"].endswith("d")


@pytest.mark.parametrize("kind", ["obtasks", "obtask", "obt", "oceanbase", "obtasks.task.oceanbase.com"])
def test_names(kind: str, kubectl: Kubectl, tasks: str) -> None:
    """A task is found by its plural, singular and short name, and with everything else of OceanBase."""
    found = kubectl("get", kind, "-n", tasks, "-o", "name").split()

    assert sorted(name for name in found if "template" not in name) == [
        f"obtask.task.oceanbase.com/{name}" for name in ("global", "host", "orders")
    ]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("status.phase=Pending", ["host"]),
        ("status.phase!=Pending", ["global", "orders"]),
        ("status.phase=Waiting", ["orders"]),
        ("spec.type=Local", ["host"]),
        ("spec.maintenance=Global", ["global"]),
        ("spec.cluster=demo", ["global", "host", "orders"]),
        ("spec.cluster=demo,spec.type=Cluster", ["global", "orders"]),
        ("spec.agent=10.0.0.5:2886", ["host"]),
        ("spec.tenant=orders", ["orders"]),
        ("spec.tenant=", ["global", "host"]),
    ],
)
def test_field_selectors(selector: str, names: list[str], kubectl: Kubectl, tasks: str) -> None:
    """The server itself picks tasks by phase and by what they are about."""
    found = kubectl("get", "obtasks", "-n", tasks, "--field-selector", selector, "-o", "jsonpath={.items[*].metadata.name}")

    assert sorted(found.split()) == names


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("obtask.spec", "immutable"),
        ("obtask.spec.steps.sql", "Run SQL statements"),
        ("obtask.spec.steps.timeoutSeconds", "Default 3600"),
        ("obtask.spec.steps.parallel.rollback.sql.until.intervalSeconds", "Default 5"),
        ("obtask.status.phase", "Where the task stands"),
    ],
)
def test_explain(path: str, text: str, kubectl: Kubectl) -> None:
    """`kubectl explain` is the manual: meaning, units and defaults."""
    assert text in kubectl("explain", path)


def test_unwritten_fields_get_their_defaults(kubectl: Kubectl, namespace: str) -> None:
    """A stored task shows the defaults of its own; what is in a list is stored as it was written, and carried out with its defaults."""
    step = wait(autoRetry={"limit": 1})
    kubectl("create", "-n", namespace, "-f", "-", manifest=task("x", cluster(step)))

    spec = json.loads(kubectl("get", "obtask", "x", "-n", namespace, "-o", "jsonpath={.spec}"))

    assert spec["onConflict"] == "Queue"
    assert spec["steps"] == [step]
    [read] = TaskSpec.model_validate(spec).steps
    assert (read.timeout_seconds, read.interrupted.value, read.undo_before_retry) == (3600, "Fail", False)
    assert read.auto_retry is not None
    assert (read.auto_retry.backoff_seconds, read.auto_retry.max_backoff_seconds) == (5, 300)


@pytest.mark.parametrize("sample", ["all-options", "auto-retry", "sql-all-options", "http-all-options", "obshell-all-options", "job"])
def test_two_appliers_of_one_manifest_agree(sample: str, kubectl: Kubectl, namespace: str) -> None:
    """A task moves from one tool to another without force: whoever applies the same text has no conflict, and nothing changes."""
    manifest = task("x", GOOD[sample])
    apply = ("apply", "--server-side", "-n", namespace, "-f", "-")
    kubectl(*apply, "--field-manager=first", manifest=manifest)
    before = kubectl("get", "obtask", "x", "-n", namespace, "-o", "jsonpath={.spec}")

    kubectl(*apply, "--field-manager=second", manifest=manifest)

    assert kubectl("get", "obtask", "x", "-n", namespace, "-o", "jsonpath={.spec}") == before
