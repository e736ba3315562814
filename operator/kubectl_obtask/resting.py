"""Owns when a task has come to rest, what that means for the exit code, and how it is told meanwhile. API.md section 10. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from kubectl_obtask.outcome import ExitCode
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FAILED, IN_LINE, Task
from kubectl_obtask.wording import waiting
from kubectl_obtask.wording.phases import phase_word


class Until(StrEnum):
    """What a task is waited for."""

    FINISHED = "finished"
    FAILED = "failed"
    STARTED = "started"


# The worst first: of several tasks, it decides about the exit code.
WORST = (ExitCode.USAGE, ExitCode.ERROR, ExitCode.REFUSED, ExitCode.TIMEOUT, ExitCode.FAILED, ExitCode.ENDED_OTHERWISE, ExitCode.DONE)


def awaits_approval(task: Task) -> bool:
    """Return whether a person has to let the task go on."""
    return task.status.text("reason") == "AwaitingApproval"


def reached(task: Task, until: Until) -> ExitCode | None:
    """Return the exit code if there is nothing more to wait for, or None."""
    match until:
        case Until.STARTED if task.phase not in IN_LINE:
            never_began = task.phase in {"Cancelled", "Rejected"}
            return ExitCode.ENDED_OTHERWISE if never_began else ExitCode.DONE
        case Until.FAILED if task.phase == FAILED:
            return ExitCode.DONE
        case Until.FAILED if task.finished:
            return ExitCode.ENDED_OTHERWISE
        case Until.FINISHED if task.phase == FAILED:
            return ExitCode.FAILED
        case Until.FINISHED if task.finished:
            return ExitCode.DONE if task.phase == "Succeeded" else ExitCode.ENDED_OTHERWISE
        case _:
            return None


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that counts for several tasks."""
    found = set(codes)
    return next((code for code in WORST if code in found), max(found, default=ExitCode.DONE))


def stands(session: Session, task: Task) -> str:
    """Return in one line where a task stands."""
    progress, step, message = (task.status.text(name) for name in ("progress", "currentStep", "message"))
    return session.say(
        waiting.STANDS,
        name=task.name,
        phase=phase_word(task.phase, session.language),
        progress=f" {progress}" if progress else "",
        step=session.say(waiting.STEP, step=step) if step and not task.finished else "",
        message=session.say(waiting.MESSAGE, message=message) if message and (task.finished or task.phase == FAILED) else "",
    )


def still(session: Session, task: Task) -> str:
    """Return what is still awaited of a task, and what to type."""
    values = {"phase": phase_word(task.phase, session.language), "step": task.status.text("currentStep") or "-"}
    if task.phase in IN_LINE:
        return session.say(waiting.STILL_IN_LINE, line=session.command_line("why", task.name), **values)
    if awaits_approval(task):
        return session.say(waiting.STILL_APPROVAL, line=session.command_line("approve", task.name), **values)
    if task.phase == FAILED:
        return session.say(waiting.STILL_FAILED, line=session.command_line("why", task.name), **values)
    return session.say(waiting.STILL_WORKING, line=session.command_line("logs", task.name), **values)
