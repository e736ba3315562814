"""Owns giving a command: written as the annotation that kubectl would write, with the visitor's own rights. API.md section 5."""

from dataclasses import dataclass
from enum import Enum

from obtask import names
from obtask.kube.api import ApiError, Json
from obtask.kube.client import Api
from obtask.kube.tasks import task_path
from obtask.model.contract import ActionResult, Verb
from obtask.model.status import TaskStatus
from obtask.model.task import Key

PATIENCE_SECONDS = 10  # after which nobody seems to answer


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a visitor gives it. ``reason`` and ``option`` may be empty."""

    verb: Verb
    reason: str = ""
    option: str = ""


class Stage(Enum):
    """How far a command has come."""

    ASKED = "asked"
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    UNDER_WAY = "under way"
    DONE = "done"
    AGAIN = "failed again"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a command has come, and what the operator said."""

    verb: Verb
    stage: Stage
    message: str = ""


async def give(api: Api, key: Key, version: str, command: Command) -> int | ApiError:
    """Give a command to a task that still is at this version; return the version that bears it, or why it was refused.

    Raises kube.api.ApiUnavailable.
    """
    notes: dict[str, str | None] = {
        names.GROUP_ACTION_ANNOTATION: command.verb.value,
        names.ACTION_REASON_ANNOTATION: command.reason or None,
        names.ACTION_OPTION_ANNOTATION: command.option or None,
    }
    body: Json = {"metadata": {"resourceVersion": version, "annotations": notes}}
    answer = await api.send("PATCH", task_path(key), query={"fieldManager": "obtask-web"}, body=body)
    return answer if isinstance(answer, ApiError) else int(answer["metadata"]["resourceVersion"])


def waiting_command(raw: Json) -> str:
    """Return the command that a task bears and nobody has answered yet; empty if there is none."""
    notes = (raw.get("metadata") or {}).get("annotations") or {}
    return str(notes.get(names.ACTION_ANNOTATION) or notes.get(names.GROUP_ACTION_ANNOTATION) or "")


def progress(status: TaskStatus, verb: Verb, version: int, waited: float) -> Progress:
    """Return how far a command is that was written at this version. ``waited``: for how many seconds."""
    last = status.last_action
    answered = int(last.id) if last is not None and last.id is not None and last.id.isdecimal() else 0
    if last is None or answered < version:
        return Progress(verb, Stage.UNANSWERED if waited > PATIENCE_SECONDS else Stage.ASKED)
    if last.verb == verb and last.result is ActionResult.REJECTED:
        return Progress(verb, Stage.REFUSED, last.message)
    if status.phase.working or status.phase.in_line:
        return Progress(verb, Stage.UNDER_WAY, last.message)
    failed = not status.phase.finished and verb is not Verb.CANCEL
    return Progress(verb, Stage.AGAIN if failed else Stage.DONE, last.message)
