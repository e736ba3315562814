"""Owns request bodies that contain values from Secrets. API.md section 2.1, bodyFrom."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from obtask.masking.words import MASK
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.model.secret_values import BodyFrom
from obtask.rules.json_pointer import NoPlace, with_values

ValueOf = Callable[[str, str], Awaitable[str | Failed]]
"""Returns the text under a key of a Secret (its name, the key), or why it cannot be used."""


@dataclass(frozen=True, slots=True)
class SecretBody:
    """A body as it is sent, and what in it is secret besides its own fields."""

    body: Any = field(repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)


async def secret_body(body: Any, sources: Sequence[BodyFrom], value_of: ValueOf) -> SecretBody | Failed:
    """Return the body with the values of Secrets in it, or why one of them cannot be used."""
    if not sources:
        return SecretBody(body)
    values: list[tuple[str, str]] = []
    for source in sources:
        value = await value_of(source.secret_key_ref.name, source.secret_key_ref.key)
        if isinstance(value, Failed):
            return value
        values.append((source.pointer, value))
    try:
        return SecretBody(with_values(body, values), tuple(value for _, value in values))
    except NoPlace as wrong:
        return Failed(FailureReason.INVALID_EXPRESSION, one_line(f"bodyFrom: {wrong}"), untouched=True)


def shown_body(body: Any, sources: Sequence[BodyFrom]) -> Any:
    """Return the body with masks where values of Secrets go."""
    try:
        return with_values(body, [(source.pointer, MASK) for source in sources]) if sources else body
    except NoPlace:
        return body
