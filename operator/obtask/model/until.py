"""Owns what every `until` says besides what it asks: when to give up, what to show, how the pauses grow. API.md section 2.1."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from obtask.model.base import Value
from obtask.model.constraints import Expression

Pause = Annotated[int, Field(strict=True, ge=1, le=3600)]

DEFAULT_INTERVAL_SECONDS = 5
SHORT_LIMIT = "maxIntervalSeconds must not be less than intervalSeconds"


class Until(Value):
    """Tells when an effect has arrived."""

    expect: Expression = Field(description="CEL: true ends the waiting, and the attempt succeeds.")
    fail_when: Expression | None = Field(
        default=None,
        description="CEL over the same variables, asked before expect: true ends the attempt at once, with reason ExpectationNotMet.",
    )
    message: Expression | None = Field(
        default=None,
        description="CEL over the same variables that gives a text or a number: the subtask's message while it waits, such as a "
        "percentage. The status shows it after 5 seconds, and a new one every 15 seconds at most. A message without "
        "an answer does not end the attempt.",
    )
    max_interval_seconds: Pause | None = Field(
        default=None, description="Longest pause, in seconds: 1 to 3600. The pause doubles up to it. Default: all pauses are the same."
    )


class PollingUntil(Until):
    """An `until` that asks again and again."""

    interval_seconds: Pause = Field(
        default=DEFAULT_INTERVAL_SECONDS, description="Pause before the second check, in seconds: 1 to 3600. Default 5."
    )

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.max_interval_seconds is not None and self.max_interval_seconds < self.interval_seconds:
            raise ValueError(SHORT_LIMIT)
        return self
