"""Owns what the head of a task's page says: where the task stands, what can be done, and what became of a command."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from obtask.model.contract import Verb
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.task import Task
from obtask.rules.preview_wording import lock_named
from obtask.rules.situation import lock_of, situation
from obtask.rules.situation_wording import happened, is_safe, to_type
from obtask.web.detail import commands, giving
from obtask.web.detail.place import number
from obtask.web.formats import Gettext
from obtask.web.language import Language
from obtask.web.views.rows import Row


def head(
    task: Task,
    behind: Sequence[Row],
    missing: Collection[str],
    asked: Mapping[str, str],
    *,
    language: Language,
    gettext: Gettext,
    now: datetime,
) -> dict[str, Any]:
    """Return what the templates of the head are filled with. ``missing``: verbs that the visitor lacks; ``asked``: the page's query."""
    told = situation(task, len(behind))
    given = commands.buttons(task, missing, gettext)
    enabled = tuple(button.verb.value for button in given if button.enabled)
    spec = task.spec if isinstance(task.spec, TaskSpec) else None
    return {
        "task": task,
        "spec": spec,
        "behind": behind,
        "happened": happened(told, language),
        "safe": is_safe(told, language),
        "type_this": to_type(replace(told, allowed=enabled)),
        "lock": lock_named(lock, language) if (lock := lock_of(spec) if spec is not None else None) is not None else "",
        "buttons": given,
        "progress": progress(asked, task.status, now),
    }


def progress(asked: Mapping[str, str], status: TaskStatus, now: datetime) -> giving.Progress | None:
    """Return how far the command is that an address tells of; None if it tells of none."""
    verb, version = verb_of(asked.get("verb", "")), number(asked.get("request"))
    if verb is None or not version:
        return None
    return giving.progress(status, verb, version, now.timestamp() - number(asked.get("asked")))


def verb_of(text: str) -> Verb | None:
    """Return a command by its word."""
    return Verb(text) if text in set(Verb) else None
