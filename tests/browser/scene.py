"""Owns a night in the life of a DBA: tasks in every phase, for pages to be looked at and pictures to be taken."""

from dataclasses import dataclass
from typing import Any

from tests.support.tasks import TaskClient, sql_step, wait_step

NAMESPACE = "prod"
LONG = 3600
APPROVAL = "Is the backup of this morning checked?"


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to see, and every name that its tasks brought with them."""

    tasks: TaskClient
    told: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a page may show: other tests leave tasks, too."""
        return (*self.told, *self.tasks.kubectl("get", "obtasks", "-o", "jsonpath={.items[*].metadata.name}").split())

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.tasks.namespace


def tell_story(tasks: TaskClient, connection: dict[str, str]) -> Scene:
    """Create the tasks, and wait until each is where it will stay."""
    stay = {
        "tune": ("Failed", _tune(connection)),
        "resize-orders": ("Waiting", _by_template("orders", "Resize tenant orders", connection)),
        "resize-billing": ("Waiting", _tenant("billing", "Resize tenant billing")),
        "upgrade-to-4-3-5": ("Waiting", {"maintenance": "Global", "steps": [wait_step("upgrade", LONG)]}),
        "collect-statistics": ("Running", _statistics(connection)),
        "drop-archive": ("Running", {"cluster": "obtest", "maintenance": "Global", "steps": [wait_step("look"), _approval()]}),
        "restart-obproxy": ("Running", _obproxy()),
        "nightly-check": ("Succeeded", {"cluster": "obtest", "connection": connection, "steps": [sql_step("check", "select 1")]}),
        "change-variables": ("RolledBack", _failing(connection)),
        "rebuild-index": ("Skipped", _failing(connection)),
    }
    for name, (phase, spec) in stay.items():
        tasks.create(name, **spec)
        if phase in {"RolledBack", "Skipped"}:
            tasks.wait_phase(name, "Failed")
            tasks.command(
                name, "rollback" if phase == "RolledBack" else "skip", **{"task.oceanbase.com/action-reason": "known, not tonight"}
            )
        tasks.wait_phase(name, phase)
    titles = [str(spec["displayName"]) for _, spec in stay.values() if "displayName" in spec]
    return Scene(tasks, (tasks.namespace, *stay, *titles, "obdemo obtest orders billing dba-admin dba-view dba-edit"))


def _tune(connection: dict[str, str]) -> dict[str, Any]:
    steps = [
        sql_step("check", "select 1", rollback={"sql": {"statements": ["select 'put back'"]}}),
        {
            "name": "window",
            "parallel": [
                {"name": "zone1", "sql": {"statements": ["select 'window of zone1'"]}},
                {"name": "zone2", "sql": {"statements": ["select 1", "select * from orders_v2"]}},
            ],
        },
        wait_step("apply"),
    ]
    return {"maintenance": "Global", "displayName": "Tune the maintenance window", "connection": connection, "steps": steps}


def _tenant(tenant: str, title: str) -> dict[str, Any]:
    return {"maintenance": "Tenant", "tenant": tenant, "displayName": title, "steps": [wait_step("resize", LONG), wait_step("verify")]}


def _by_template(tenant: str, title: str, connection: dict[str, str]) -> dict[str, Any]:
    made = {"templateRef": {"name": "resize-tenant"}, "parameters": {"memory": "16G", "maxCpu": 8}}
    return {"maintenance": "Tenant", "tenant": tenant, "displayName": title, "connection": connection, **made}


def _statistics(connection: dict[str, str]) -> dict[str, Any]:
    return {"connection": connection, "steps": [sql_step("find", "select 1"), wait_step("gather", LONG), wait_step("report")]}


def _approval() -> dict[str, Any]:
    return {"name": "ask", "approve": {"message": APPROVAL}}


def _obproxy() -> dict[str, Any]:
    steps = [wait_step("stop"), wait_step("start", LONG)]
    return {"type": "Local", "agent": "10.0.0.5:2886", "maintenance": "OBProxy", "steps": steps}


def _failing(connection: dict[str, str]) -> dict[str, Any]:
    undo = {"sql": {"statements": ["select 'old value'"]}}
    steps = [sql_step("set", "select 'new value'", rollback=undo), sql_step("verify", "select * from no_such_table")]
    return {"cluster": "obtest", "connection": connection, "steps": steps}
