"""Owns how a task names a template, and what it remembers of the one that its steps were taken from. API.md section 8."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from obtask import names
from obtask.model.base import Stored, Value
from obtask.model.listed import listed
from obtask.model.template_contract import DEFAULT_KIND, TemplateKind

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)]


class TemplateRef(Value):
    """Names the template that the steps are taken from."""

    kind: TemplateKind = Field(
        default=DEFAULT_KIND,
        description=f"{listed(TemplateKind)}. An {TemplateKind.NAMESPACED} is one of the task's own namespace. Default {DEFAULT_KIND}.",
    )
    name: TemplateName = Field(description="Name of the template.")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class TemplateSource(Stored):
    """The template that the steps were taken from, as it was then."""

    kind: str = Field(description=f"{listed(TemplateKind)}.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid.")
    generation: int = Field(description="Its metadata.generation.")


class Expansion(TemplateSource):
    """What the operator notes on a task when it writes the steps of a template into it."""

    defaults: dict[str, Any] = Field(default_factory=dict, description="The parameters that the task did not give, and their values.")

    @property
    def source(self) -> TemplateSource:
        """The template, without the defaults."""
        return TemplateSource(kind=self.kind, name=self.name, uid=self.uid, generation=self.generation)


def noted_expansion(annotations: Mapping[str, str], uid: str) -> Expansion | None:
    """Return what the operator noted on the object of this uid, or None if it has noted nothing that can be read."""
    text = annotations.get(names.TEMPLATE_ANNOTATION) if annotations.get(names.ADOPTED_ANNOTATION) == uid else None
    try:
        return Expansion.model_validate_json(text) if text else None
    except ValidationError:
        return None
