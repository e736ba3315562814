"""Owns the base class of every value in the model: frozen, camelCase on the wire, unknown fields refused."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

LAST_YEAR = 9000  # a week, or a time to live, can be added to every moment before


def _sensible(moment: datetime) -> datetime:
    if moment.year > LAST_YEAR:
        raise ValueError(f"no year after {LAST_YEAR} is known")
    return moment


# With a time zone: it is compared with others that have one.
Moment = Annotated[AwareDatetime, AfterValidator(_sensible)]


class Value(BaseModel):
    """A frozen value that is written and read in camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def dump(self) -> dict[str, Any]:
        """Return the value as JSON-ready data, without fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Stored(Value):
    """A value that the operator itself stores: fields of a newer version are ignored, not refused."""

    model_config = ConfigDict(extra="ignore")
