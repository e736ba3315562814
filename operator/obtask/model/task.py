"""Owns the OBTask object as a whole: metadata, spec and status, read from what the API server sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from obtask.model.base import Stored
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus


class Metadata(Stored):
    """The part of an object's metadata that the operator looks at."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int = 0
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """Names an object in the API server; a later object may bear the same name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class InvalidSpec:
    """A spec that this version cannot read, and why, in one line."""

    message: str


@dataclass(frozen=True, slots=True)
class Task:
    """An OBTask as it was read at one resourceVersion."""

    metadata: Metadata
    spec: TaskSpec | InvalidSpec
    status: TaskStatus

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def plan(self) -> TaskSpec:
        """The spec of a task that is known to be readable; raises ValueError otherwise."""
        if isinstance(self.spec, InvalidSpec):
            raise ValueError(self.spec.message)  # noqa: TRY004 - the value is wrong, not its type
        return self.spec


def read_task(body: Mapping[str, Any]) -> Task:
    """Return the task in an API object; a spec that cannot be read becomes InvalidSpec.

    Raises pydantic.ValidationError when metadata or status cannot be read.
    """
    spec: TaskSpec | InvalidSpec
    try:
        spec = TaskSpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        spec = InvalidSpec(first_fault(error))
    return Task(
        metadata=Metadata.model_validate(body["metadata"]),
        spec=spec,
        status=TaskStatus.model_validate(body.get("status") or {}),
    )


def first_fault(error: ValidationError, root: str = "spec") -> str:
    """Return the first fault of a validation as one line: the field, and what is allowed."""
    fault = error.errors(include_url=False)[0]
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return f"{path}: {fault['msg'].removeprefix('Value error, ')}"[:512]
