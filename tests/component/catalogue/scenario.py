"""Owns the scenarios of the catalogue: for each template a file of cases, which docs/contributing/templates.md describes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from tests.support import manifests

from obtask.kube.api import Json

ROOT: Final = Path(__file__).parents[3]
TEMPLATES: Final = ROOT / "deploy" / "templates"
SCENARIOS: Final = Path(__file__).parent / "scenarios"


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Told):
    """What a task of the template says itself; what it leaves out is as in the first case."""

    tenant: str | None = None
    agent: str | None = None
    parameters: Mapping[str, Any] = Field(default_factory=dict)


class Finding(_Told):
    """A query, and the rows that it must have."""

    query: str
    rows: Sequence[Sequence[Any]]


class Case(_Told):
    """A task that succeeds. ``given``: statements that change the rows of `server/*.yaml` beforehand.

    ``again``: what becomes of the same task once more: it succeeds and changes nothing, succeeds and does the same again, or is refused.
    ``tooLate``: what a rollback says if the cluster has come to the end of what cannot be undone then.
    ``others``: what others do in the cluster as soon as a step of that name waits, also for its approval.
    """

    name: str
    task: Asked
    given: Sequence[str] = ()
    others: Mapping[str, Sequence[str]] = Field(default_factory=dict)
    too_late: str = Field(default="", alias="tooLate")
    ends: Annotated[Sequence[Finding], Field(min_length=1)]
    again: Annotated[str, Field(pattern="^(unchanged|repeated|refused)$")] = "unchanged"


class Refused(_Told):
    """A task that a check refuses. ``says``: a part of the message."""

    because: str
    says: str
    given: Sequence[str] = ()
    task: Asked | None = None


class Unrefused(_Told):
    """Why there is nothing that its check could refuse."""

    none: Annotated[str, Field(min_length=20)]


class Failing(_Told):
    """Something that goes wrong in the cluster while the task waits at a step, which fails and says so.

    ``meanwhile``: instead of what else would happen; or ``others``, as in a case.
    """

    because: str
    step: str
    says: str
    given: Sequence[str] = ()
    meanwhile: Sequence[str] = ()
    others: Mapping[str, Sequence[str]] = Field(default_factory=dict)
    task: Asked | None = None
    rolled_back: bool = Field(default=True, alias="rolledBack")


class Scenario(_Told):
    """What is tried with a template. ``secrets``: more connection Secrets, by name, with what they say besides host and port."""

    secrets: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    cases: Annotated[Sequence[Case], Field(min_length=1)]
    refusals: Unrefused | Annotated[Sequence[Refused], Field(min_length=1)]
    failures: Sequence[Failing] = ()


def templates() -> list[str]:
    """Return the names of all templates of the catalogue."""
    return sorted(path.stem for path in TEMPLATES.glob("*.yaml"))


def template(name: str) -> Json:
    """Return a template as it is applied."""
    body: Json = manifests.read((TEMPLATES / f"{name}.yaml").read_text())
    return body


def runs_jobs(body: Json) -> bool:
    """Return whether a template runs Jobs: they take a node, and are rehearsed in `test_job_templates.py`."""
    return any("job" in step or "job" in step.get("forEach", {}).get("subtask", {}) for step in body["spec"]["steps"])


def scenario(name: str) -> Scenario:
    """Return what is tried with a template."""
    return Scenario.model_validate(manifests.read((SCENARIOS / f"{name}.yaml").read_text()))


def task_spec(body: Json, asked: Asked) -> Json:
    """Return the spec of a task of a template."""
    spec = body["spec"]
    own = {"tenant": asked.tenant, "agent": asked.agent}
    return {
        "type": spec["type"],
        "cluster": "obdemo",
        "maintenance": spec["maintenance"],
        "connection": {"secretName": "obdemo-sys"},
        "serviceAccountName": "runner",
        "templateRef": {"name": body["metadata"]["name"]},
        "parameters": dict(asked.parameters),
    } | {field: value for field, value in own.items() if value is not None}
