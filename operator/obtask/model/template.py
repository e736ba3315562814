"""Owns templates of tasks: steps with parameters, as a person wrote them, and what the operator says of them. API.md section 8."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, StrictFloat, StrictInt, StrictStr, StringConstraints, ValidationError, field_validator, model_validator

from obtask.model.base import Stored, Value
from obtask.model.constraints import Scalar
from obtask.model.contract import Maintenance, TaskType
from obtask.model.limits import PARAMETERS, PATTERNS_CHARACTERS, STEPS, SUBTASKS
from obtask.model.listed import listed
from obtask.model.packed import unpacked
from obtask.model.pattern import PATTERN_CHARACTERS, matcher
from obtask.model.status import Condition
from obtask.model.steps import Step
from obtask.model.task import InvalidSpec, read_as
from obtask.model.template_contract import ParameterFormat, ParameterType, TemplateCondition, TemplateKind

Title = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Description = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", min_length=1, max_length=63)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=PATTERN_CHARACTERS)]
CONFIRMS = "confirm names another parameter of type string, whose value must be typed again"
CONFIRM_TOGETHER = f"format {ParameterFormat.CONFIRM} and the field confirm need each other"


def format_fault(form: ParameterFormat) -> str:
    """Return what is said of a format where it has no place."""
    return f"format {form} is for parameters of type {listed(form.types)} only"


class LocalTitle(Value):
    """A short text for people, in their language."""

    en: Title = Field(description="In English.")
    zh: Title | None = Field(default=None, description="In Chinese. Default: the English text.")


class LocalDescription(Value):
    """A text for people, in their language."""

    en: Description = Field(description="In English.")
    zh: Description | None = Field(default=None, description="In Chinese. Default: the English text.")


class Parameter(Value):
    """What a task may, or must, say for itself."""

    name: ParameterName = Field(description="Name, unique in the template: letters, digits and _. Steps use it as ${{ params.NAME }}.")
    type: ParameterType = Field(description="; ".join(f"{each}: {each.about}" for each in ParameterType) + ".")
    format: ParameterFormat | None = Field(
        default=None,
        description="What form a text has; "
        + "; ".join(f"{each} ({listed(each.types)}): {each.about}" for each in ParameterFormat)
        + ". Default: any text.",
    )
    title: LocalTitle | None = Field(default=None, description="What it is called. Default: its name.")
    description: LocalDescription | None = Field(default=None, description="What it is for, and its unit.")
    default: Any = Field(default=None, description="The value where the task gives none; of the type of the parameter.")
    required: bool = Field(
        strict=True, default=False, description="Whether a task must give a value, if there is no default. Default false."
    )
    enum: list[Scalar] | None = Field(
        default=None, min_length=1, max_length=64, description="The only values allowed; of a list, the only entries. Default: any."
    )
    pattern: Pattern | None = Field(
        default=None,
        description="A regular expression of RE2 that a text, or each entry of a list, must match somewhere: anchor it with ^ and $. "
        f"At most {PATTERN_CHARACTERS} characters; those of all parameters at most {PATTERNS_CHARACTERS}.",
    )
    minimum: StrictInt | StrictFloat | StrictStr | None = Field(
        default=None,
        description="The least value of an integer or number; the least of a quantity (a bare number is so many G) or a duration (a bare "
        "number is so many seconds); the least length of another text, of a list or a map. Default: none.",
    )
    maximum: StrictInt | StrictFloat | StrictStr | None = Field(default=None, description="The greatest, in the same way. Default: none.")
    confirm: ParameterName | None = Field(
        default=None,
        description="With format confirm: the parameter whose value must be typed again, because the task destroys what it names.",
    )

    @field_validator("pattern")
    @classmethod
    def _of_re2(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            matcher(pattern)
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.format is not None and self.type not in self.format.types:
            raise ValueError(format_fault(self.format))
        if (self.confirm is None) is (self.format is ParameterFormat.CONFIRM):
            raise ValueError(CONFIRM_TOGETHER)
        if self.confirm is not None and self.default is not None:
            raise ValueError("what must be typed again has no default")
        return self


class TemplateSpec(Value):
    """Steps with parameters, for tasks of one type and one scope."""

    title: LocalTitle = Field(description="What it does, in a few words.")
    description: LocalDescription | None = Field(default=None, description="What it does, what it needs, and what cannot be undone.")
    type: TaskType = Field(description="The type that a task of this template must have itself.")
    maintenance: Maintenance = Field(description="The maintenance that a task of this template must have itself.")
    parameters: list[Parameter] = Field(
        default_factory=list, max_length=PARAMETERS, description=f"What tasks say for themselves: at most {PARAMETERS}."
    )
    steps: list[Step] = Field(
        min_length=1,
        max_length=STEPS,
        description=f"1 to {STEPS} steps, as in a task; ${{{{ params.NAME }}}} stands for the value of a parameter. "
        "`kubectl explain obtask.spec.steps` tells what they consist of.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type not in self.maintenance.types:
            raise ValueError(f"maintenance {self.maintenance} is for {listed(self.maintenance.types, 'and')} tasks only")
        for what, names in (("step", [step.name for step in self.steps]), ("parameter", [each.name for each in self.parameters])):
            twice = next((name for name, count in Counter(names).items() if count > 1), None)
            if twice is not None:
                raise ValueError(f'Duplicate value "{twice}": {what} names must be unique')
        if sum(len(step.subtasks) for step in self.steps) > SUBTASKS:
            raise ValueError(f"a task has at most {SUBTASKS} subtasks in all")
        if sum(len(each.pattern or "") for each in self.parameters) > PATTERNS_CHARACTERS:
            raise ValueError(f"the patterns of all parameters have at most {PATTERNS_CHARACTERS} characters together")
        types = {each.name: each.type for each in self.parameters if each.confirm is None}
        for each in self.parameters:
            if each.confirm is not None and types.get(each.confirm) is not ParameterType.STRING:
                raise ValueError(CONFIRMS)
        return self


class TemplateConditionEntry(Condition):
    """A metav1.Condition of a template."""

    type: str = Field(description="; ".join(f"{each}: {each.about}" for each in TemplateCondition) + ".")


class TemplateStatus(Stored):
    """What the operator says of a template."""

    observed_generation: int = Field(default=0, description="The metadata.generation that the operator has checked.")
    parameters: str | None = Field(default=None, description="The names of the parameters; those in brackets may be left out.")
    conditions: tuple[TemplateConditionEntry, ...] = Field(default=(), description=f"{', '.join(TemplateCondition)}.")


class TemplateMetadata(Stored):
    """The part of a template's metadata that the operator looks at."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it was read at one resourceVersion. ``written``: its spec as it stands there."""

    kind: TemplateKind
    metadata: TemplateMetadata
    spec: TemplateSpec | InvalidSpec
    written: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.metadata.name}"


def read_template_status(body: Mapping[str, Any]) -> TemplateStatus:
    """Return the status of a template in an API object; one that cannot be read is as good as none."""
    try:
        return TemplateStatus.model_validate(body.get("status") or {})
    except ValidationError:
        return TemplateStatus()


def read_template(kind: TemplateKind, body: Mapping[str, Any]) -> Template:
    """Return the template in an API object; a spec that cannot be read becomes InvalidSpec.

    Raises pydantic.ValidationError when the metadata cannot be read, which no API server sends.
    """
    written = body.get("spec") or {}
    spec = read_as(TemplateSpec, written)
    return Template(
        kind, TemplateMetadata.model_validate(body["metadata"]), spec, {} if isinstance(spec, InvalidSpec) else unpacked(written)
    )
