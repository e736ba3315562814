"""Owns the OBTask object as a whole: metadata, spec and status, read from what the API server sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from obtask import names
from obtask.model.base import Moment, Stored, Value
from obtask.model.consistency import contradiction
from obtask.model.contract import Maintenance, Phase
from obtask.model.limits import DEEPEST_SPEC, MESSAGE_CHARACTERS, one_line
from obtask.model.packed import depth, fault_of, unpacked
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.template_ref import noted_expansion

Model = TypeVar("Model", bound=Value)


def _only(known: frozenset[str]) -> BeforeValidator:
    def chosen(value: Any) -> Any:
        return {key: text for key, text in value.items() if key in known} if isinstance(value, Mapping) else value

    return BeforeValidator(chosen)


def _with_a_status(value: Any) -> bool:
    """Return whether kubectl applied a manifest that had a status: one that was read from an API server."""
    text = value.get(names.LAST_APPLIED_ANNOTATION) if isinstance(value, Mapping) else None
    if not isinstance(text, str) or '"status":{' not in text:
        return False
    try:
        applied = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(applied, dict) and bool(applied.get("status"))


def _note_of_a_status(value: Any, chosen: ValidatorFunctionWrapHandler) -> Any:
    found = chosen(value)
    return {**found, names.LAST_APPLIED_ANNOTATION: "status"} if _with_a_status(value) else found


# There may be 256 KiB of others, which would be kept in memory.
Labels = Annotated[Mapping[str, str], _only(names.LABELS_OF_INTEREST)]
# Of what kubectl applied nothing is kept but that it had a status, if it had one.
Annotations = Annotated[Mapping[str, str], _only(names.ANNOTATIONS_OF_INTEREST), WrapValidator(_note_of_a_status)]


class Metadata(Stored):
    """The part of an object's metadata that the operator looks at."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int = 0
    creation_timestamp: Moment
    deletion_timestamp: Moment | None = None
    finalizers: tuple[str, ...] = ()
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A task with a status that this version cannot read, or make sense of: a newer operator wrote it, or a person.

    It may hold a lock, and it is not ours to change.

    ``phase``, ``message`` and ``handled``, the last command, are what it says, as far as that is text.
    """

    metadata: Metadata
    fault: str
    phase: str = ""
    message: str = ""
    handled: str = ""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.metadata.namespace, self.metadata.name)


def read_task(body: Mapping[str, Any]) -> Task:
    """Return the task in an API object with a status that can be read; a spec that cannot becomes InvalidSpec.

    Raises ValueError when metadata or status cannot be read.
    """
    task = read_object(body)
    if isinstance(task, Unreadable):
        raise ValueError(task.fault)  # noqa: TRY004 - the value is wrong, not its type
    return task


def read_object(body: Mapping[str, Any], spec: TaskSpec | InvalidSpec | None = None) -> Task | Unreadable:
    """Return the task in an API object; a spec that cannot be read becomes InvalidSpec. One that is given is not read again.

    Raises pydantic.ValidationError when the metadata cannot be read, which no API server sends.
    """
    metadata = Metadata.model_validate(body["metadata"])
    status = body.get("status") or {}
    unfit = fault_of(status)
    if unfit is not None:
        return Unreadable(metadata, unfit)
    try:
        known = TaskStatus.model_validate(status)
    except ValidationError as error:
        return _unreadable(metadata, first_fault(error, "status"), status)
    read = read_spec(body.get("spec") or {}) if spec is None else spec
    nonsense = contradiction(read if isinstance(read, TaskSpec) else None, known)
    return Task(metadata, read, _with_source(metadata, read, known)) if nonsense is None else _unreadable(metadata, nonsense, status)


def _with_source(metadata: Metadata, spec: TaskSpec | InvalidSpec, status: TaskStatus) -> TaskStatus:
    """Return the status with what only a note says of the template, until the first status is written."""
    if isinstance(spec, InvalidSpec) or not spec.is_templated or not spec.steps or status.parameters is not None:
        return status
    noted = noted_expansion(metadata.annotations, metadata.uid)
    if noted is None:
        return status
    return status.model_copy(update={"template": noted.source, "parameters": spec.parameters | noted.defaults})


def _unreadable(metadata: Metadata, why: str, status: Any) -> Unreadable:
    action = status.get("lastAction") if isinstance(status, Mapping) else None
    return Unreadable(metadata, one_line(why), _said(status, "phase"), _said(status, "message"), _said(action, "id"))


def scope_of(spec: TaskSpec | InvalidSpec) -> str:
    """Return the scope as metrics name it; of a spec that cannot be read it is None, by which it excludes nobody."""
    return Maintenance.NONE.value if isinstance(spec, InvalidSpec) else spec.maintenance.value


def read_spec(spec: Any) -> TaskSpec | InvalidSpec:
    """Return the spec in an API object, or why it cannot be read. Limits come first: API.md section 2.2."""
    return read_as(TaskSpec, spec)


def read_as(model: type[Model], spec: Any) -> Model | InvalidSpec:
    """Return a spec that may be packed as this model, or why it cannot be read."""
    unfit = fault_of(spec)
    try:
        whole = unpacked(spec)
        if unfit is None and depth(whole, DEEPEST_SPEC) > DEEPEST_SPEC:
            unfit = f"spec nests more than {DEEPEST_SPEC} deep"
        return InvalidSpec(unfit) if unfit is not None else model.model_validate(whole)
    except ValidationError as error:
        return InvalidSpec(first_fault(error))
    except (ValueError, RecursionError) as error:
        return InvalidSpec(f"spec: {error}"[:MESSAGE_CHARACTERS])


def phase_of(body: Mapping[str, Any]) -> str:
    """Return the phase of a task as it is written, or nothing if it is no text; no other part of it needs to be readable."""
    return _said(body.get("status"), "phase")


def is_finished(body: Mapping[str, Any]) -> bool:
    """Return whether a task is in a finished phase, whatever else it contains."""
    return phase_of(body) in FINISHED


def _said(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


FINISHED = frozenset(phase.value for phase in Phase if phase.finished)


def first_fault(error: ValidationError, root: str = "spec") -> str:
    """Return the first fault of a validation as one line: the field, and what is allowed."""
    fault = error.errors(include_url=False, include_input=False)[0]
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return f"{path}: {fault['msg'].removeprefix('Value error, ')}"[:MESSAGE_CHARACTERS]
