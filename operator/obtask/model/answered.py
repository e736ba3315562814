"""Owns what the status says of commands: the last one, and those before it. API.md sections 3 and 5."""

from pydantic import Field

from obtask.model.base import Line, Moment, Stored
from obtask.model.contract import ActionResult
from obtask.model.limits import MESSAGE_CHARACTERS
from obtask.model.listed import listed


class LastAction(Stored):
    """The last command and what became of it."""

    verb: Line = Field(description="The command as given.")
    result: ActionResult = Field(description=f"{listed(ActionResult)}.")
    message: Line = Field(default="", description="What was done, or why it was refused.")
    requested_at: Moment | None = Field(default=None, description="When the operator saw the annotation.")
    handled_at: Moment = Field(description="When the command was carried out or refused.")
    requested_by: Line | None = Field(
        default=None, description="Who gave the command: as proven by the chart's admission policies; without them, as the annotation said."
    )
    reason: Line | None = Field(
        default=None, description=f"Text of the annotation task.oceanbase.com/action-reason, at most {MESSAGE_CHARACTERS} characters."
    )
    id: str | None = Field(default=None, description="Identifies the command, so that it is carried out once.")


class HandledCommand(Stored):
    """An earlier command and what became of it."""

    verb: str = Field(description="The command as given.")
    requested_by: str | None = Field(default=None, description="Who asked, as in lastAction.")
    requested_at: Moment | None = Field(default=None, description="When the operator saw the annotation.")
    handled_at: Moment = Field(description="When the command was carried out or refused.")
    result: ActionResult = Field(description=f"{listed(ActionResult)}.")
    reason: str | None = Field(default=None, description="Why it was given: the beginning of what the person wrote.")
