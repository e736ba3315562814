"""Owns a command as it was given by annotation, and the note of it that is kept until it is carried out. API.md section 5."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from obtask import names
from obtask.model.base import Line, Moment, Stored
from obtask.model.contract import Option, Verb
from obtask.model.limits import MESSAGE_CHARACTERS

Short = Annotated[str, StringConstraints(max_length=63)]


class Command(Stored):
    """One command; ``id`` makes it recognisable after a restart, so that it is carried out once."""

    id: Short
    verb: Short
    fault: Line | None = Field(default=None, description="Why it cannot be a command at all.")
    option: Short | None = Field(default=None, description="An Option, or what a newer operator knows.")
    reason: Line | None = None
    requested_by: Line | None = None
    approver_group: Line | None = Field(default=None, description="STEP/GROUP, as the chart's policy writes it.")
    requested_at: Moment


def given_command(annotations: Mapping[str, str], *, resource_version: str, now: datetime) -> Command | None:
    """Return the command in the annotations, if there is one. The object's version makes its id unique."""
    given = [annotations[key].strip() for key in (names.ACTION_ANNOTATION, names.GROUP_ACTION_ANNOTATION) if key in annotations]
    if not given:
        return None
    reason = annotations.get(names.ACTION_REASON_ANNOTATION)
    fault = None
    if len(set(given)) > 1:
        fault = f"two different commands at once: {names.ACTION_ANNOTATION}={given[0]} and {names.GROUP_ACTION_ANNOTATION}={given[1]}"
    elif given[0] not in set(Verb):
        fault = f'unknown command "{given[0][:63]}": use one of {", ".join(Verb)}'
    option = (annotations.get(names.ACTION_OPTION_ANNOTATION) or "").strip()
    if fault is None and option:
        fault = _option_fault(given[0], option)
    asker, approver = annotations.get(names.REQUESTED_BY_ANNOTATION), annotations.get(names.APPROVER_GROUP_ANNOTATION)
    return Command(
        id=resource_version,
        verb=given[0][:63],
        fault=fault,
        option=Option(option) if option and fault is None else None,
        reason=reason[:MESSAGE_CHARACTERS] if reason is not None else None,
        requested_by=asker[:MESSAGE_CHARACTERS] if asker is not None else None,
        approver_group=approver[:MESSAGE_CHARACTERS] if approver is not None else None,
        requested_at=now,
    )


def _option_fault(verb: str, option: str) -> str | None:
    shown = f"{names.ACTION_OPTION_ANNOTATION}={option[:63]}"
    if option not in set(Option):
        return f"unknown option {shown}: use one of {', '.join(Option)}"
    return None if verb == Verb.RETRY else f"{shown} is for {Verb.RETRY} only, not for {verb}"


def noted_command(annotations: Mapping[str, str]) -> Command | None:
    """Return the command that was taken off the user's annotation and noted; None if there is none or it is unreadable."""
    text = annotations.get(names.ACCEPTED_COMMAND_ANNOTATION)
    try:
        command = Command.model_validate_json(text) if text else None
    except ValidationError:
        return None
    if command is None or command.fault is not None or command.option is None or command.verb not in set(Verb):
        return command
    # A newer operator may have noted what this one cannot do: whoever gave the command is told.
    return command.model_copy(update={"fault": _option_fault(command.verb, command.option)})
