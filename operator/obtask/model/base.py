"""Owns what values in the model are made of: the base class (frozen, camelCase, unknown fields refused), moments and texts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from obtask.model.limits import CONDITION_CHARACTERS, MESSAGE_CHARACTERS, TAIL_BYTES, one_line

LAST_YEAR = 9000  # a week, or a time to live, can be added to every moment before


def _sensible(moment: datetime) -> datetime:
    if moment.year > LAST_YEAR:
        raise ValueError(f"no year after {LAST_YEAR} is known")
    return moment


# With a time zone: it is compared with others that have one.
Moment = Annotated[AwareDatetime, AfterValidator(_sensible)]


def rfc3339(time: datetime) -> str:
    """Return a moment as logs show it: UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_seconds(length: timedelta) -> str:
    """Return a length of time in seconds, exactly, without an exponent and without zeros at its end: ``86401.25``."""
    whole, fraction = divmod(abs(length), timedelta(seconds=1))
    exact = f"{whole}.{fraction.microseconds:06d}".rstrip("0").removesuffix(".")
    return f"-{exact}" if length < timedelta() else exact


def _cut_at(characters: int) -> BeforeValidator:
    def cut(value: Any) -> Any:
        return one_line(value, characters) if isinstance(value, str) else value

    return BeforeValidator(cut)


# One line of text; what is longer is cut when the value is made, since a status that the API server refuses helps nobody.
Line = Annotated[str, _cut_at(MESSAGE_CHARACTERS), StringConstraints(max_length=MESSAGE_CHARACTERS)]
ConditionMessage = Annotated[str, _cut_at(CONDITION_CHARACTERS), StringConstraints(max_length=CONDITION_CHARACTERS)]
# Characters, not bytes, which a schema cannot count; whoever makes the tail counts bytes.
Tail = Annotated[str, StringConstraints(max_length=TAIL_BYTES)]


class Value(BaseModel):
    """A frozen value that is written and read in camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def dump(self) -> dict[str, Any]:
        """Return the value as JSON-ready data, without fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Stored(Value):
    """A value that the operator itself stores: fields of a newer version are ignored, not refused."""

    model_config = ConfigDict(extra="ignore")
