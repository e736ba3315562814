"""Builds rows of the Task Center for tests, and statuses as the operator writes them: `row("tune", phase="Failed", token=7)`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.builders import START, a_task

from obtask.kube.api import Json
from obtask.model.contract import Maintenance, Phase
from obtask.web.views.rows import Row, row_of

NOW = START + timedelta(hours=10)


def row(name: str, *, minutes: int = 0, tenant: str = "", **fields: Any) -> Row:
    """Return a row of a task created so many minutes after START: Global, or of a tenant if one is named; phases that hold do hold."""
    found = row_of(a_task().named(name).created(START + timedelta(minutes=minutes)).body())
    phase = Phase(fields.pop("phase", "Waiting"))
    scope = {"maintenance": Maintenance.TENANT, "tenant": tenant} if tenant else {}
    return replace(found, **({"phase": phase, "token": 7 if phase.holds_lock else None, "since": found.created} | scope | fields))


def status(phase: str, **fields: Any) -> Json:
    """Return the status of a task in this phase, with a lock where it holds one."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = {"lease": "obt-x", "scope": "Global", "acquiredAt": at, "token": 7}
    held = {"lock": lock, "startedAt": at} if Phase(phase).holds_lock else {}
    ended = {"startedAt": at, "finishedAt": at} if Phase(phase).finished else {}
    return {"phase": phase, **held, **ended, **fields}
