"""Owns the base class of every value in the model: frozen, camelCase on the wire, unknown fields refused."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Value(BaseModel):
    """A frozen value that is written and read in camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def dump(self) -> dict[str, Any]:
        """Return the value as JSON-ready data, without fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Stored(Value):
    """A value that the operator itself stores: fields of a newer version are ignored, not refused."""

    model_config = ConfigDict(extra="ignore")
