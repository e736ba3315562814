"""Owns what `tree` and `why` print for machines; docs/guides/kubectl-plugin.md says what each field means.

A field is always there, null where there is nothing to say. New ones may come; none changes its meaning.
"""

from typing import Any

from kubectl_obtask.acting import offers
from kubectl_obtask.blocking import Line, holds, scope
from kubectl_obtask.machine import instant
from kubectl_obtask.session import Session
from kubectl_obtask.situation import in_phase_since, situation, waiting_since
from kubectl_obtask.tasks import IN_LINE, Fields, Step, Subtask, Task
from kubectl_obtask.wording.situation_wording import happened, is_safe


def tree_shape(task: Task) -> dict[str, Any]:
    """Return the steps of a task with their subtasks, those that have not begun, too."""
    begun = {step.name: step for step in task.steps}
    names = [step.name for step in task.planned] or [*begun]
    return {
        **_named(task),
        **_said(task.status, "direction", "reason", "message", "progress", "currentStep"),
        **_times(task.status),
        "steps": [_step(begun.get(name, Step({"name": name}))) for name in names],
    }


def why_shape(session: Session, task: Task, line: Line) -> dict[str, Any]:
    """Return what keeps a task from going on: since when, who is in the way, who is behind, and what to type."""
    waits, behind = task.phase in IN_LINE, line.behind(task)
    holders, earlier = (line.holders_against(task), line.ahead_of(task)) if waits else ((), ())
    told, step = situation(task, len(behind)), task.current
    retries = [at for sub in (step.subtasks if step is not None else ()) if (at := sub.moment("nextAttemptAt")) is not None]
    holder = next(iter(holders), None) if waits else task
    return {
        **_named(task),
        **_said(task.status, "reason", "message"),
        **_lock(task),
        "since": instant(waiting_since(task) if waits else in_phase_since(task)),
        "happened": happened(told, session.language),
        "safe": is_safe(told, session.language) or None,
        "place": len(earlier) + 1 if waits and scope(task) != "None" else None,
        "waitsFor": [_in_the_way(session, other, line) for other in (*holders, *earlier)],
        "behind": [{"name": other.name, "since": instant(waiting_since(other))} for other in behind],
        "startNext": [other.name for other in line.starting_after(holder)] if holder is not None else [],
        "nextAttemptAt": instant(min(retries, default=None)),
        "commands": _commands(session, task),
    }


def _named(task: Task) -> dict[str, Any]:
    return {"namespace": task.namespace, "name": task.name, "uid": task.uid, "phase": task.phase}


def _lock(task: Task) -> dict[str, Any]:
    return {"scope": scope(task), "target": task.target, "tenant": task.tenant or None}


def _in_the_way(session: Session, other: Task, line: Line) -> dict[str, Any]:
    holding = holds(other)
    return {
        "name": other.name,
        "phase": other.phase,
        **_lock(other),
        "holds": holding,
        "since": instant(in_phase_since(other) if holding else waiting_since(other)),
        "keepsItsPlace": not line.is_stuck(other),
        **_said(other.at("status", "failedSubtask"), "step", "reason", "code", "message"),
        "commands": _commands(session, other),
    }


def _commands(session: Session, task: Task) -> list[dict[str, str]]:
    return [offer._asdict() for offer in offers(session, task)]


def _step(step: Step) -> dict[str, Any]:
    return {"name": step.name, "phase": step.phase, **_times(step), "subtasks": [_subtask(sub) for sub in step.subtasks]}


def _subtask(sub: Subtask) -> dict[str, Any]:
    return {
        "name": sub.name,
        "phase": sub.phase,
        **_times(sub),
        "attempts": sub.number("attempts"),
        "rollbackAttempts": sub.number("rollbackAttempts"),
        "changed": sub.truth("changed"),
        **_said(sub.at("failure"), "reason", "code"),
        **_said(sub, "message"),
    }


def _times(shown: Fields) -> dict[str, Any]:
    return {name: instant(shown.moment(name)) for name in ("startedAt", "finishedAt")}


def _said(shown: Fields, *names: str) -> dict[str, Any]:
    return {name: shown.text(name) or None for name in names}
