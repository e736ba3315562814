"""Owns the buttons of a task: which command can be given, why another cannot, what it would do, and the same for a terminal. Pure."""

import hashlib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from obtask import names
from obtask.model.contract import Direction, Phase, Verb
from obtask.model.spec import TaskSpec
from obtask.model.task import Key, Task
from obtask.rules.commands import forbidding_step
from obtask.rules.preview import told
from obtask.rules.preview_wording import details, starts_next, summary
from obtask.rules.progress import current
from obtask.web.formats import Gettext
from obtask.web.words import N_

# In the order of the original, then what it does not have.
LABELS: Final[Mapping[Verb, str]] = {
    Verb.RETRY: N_("Retry"),
    Verb.ROLLBACK: N_("Roll back"),
    Verb.SKIP: N_("Skip task"),
    Verb.SKIP_STEP: N_("Skip step"),
    Verb.CANCEL: N_("Cancel"),
    Verb.APPROVE: N_("Approve"),
}
LONGEST_REASON: Final = 512
LOST: Final = N_("This needs the verb %(verb)s on obtasks in %(namespace)s (ClusterRole %(role)s).")
NO_PATCH: Final = N_("This needs the verb patch on obtasks in %(namespace)s (ClusterRole edit).")
WHEN: Final[Mapping[Verb, str]] = {
    Verb.RETRY: N_("Only a failed task can be retried."),
    Verb.ROLLBACK: N_("Only a failed task can be rolled back."),
    Verb.SKIP: N_("Only a failed task can be skipped."),
    Verb.SKIP_STEP: N_("Only a step that failed on the way forward can be skipped."),
    Verb.CANCEL: N_("Only a task that waits or runs can be cancelled."),
    Verb.APPROVE: N_("No step waits for approval."),
}


@dataclass(frozen=True, slots=True)
class Button:
    """A command of a task. ``why``: why it cannot be given now, empty if it can. ``terminal``: the same for a terminal."""

    verb: Verb
    label: str
    why: str
    terminal: str

    @property
    def enabled(self) -> bool:
        """Whether it can be given."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Dialog:
    """What a reader is told before a command is given. ``seen`` recognises the text: whoever confirms has read this one."""

    verb: Verb
    sentence: str
    follows: str
    details: tuple[str, ...]
    seen: str
    offers_fresh: bool
    terminal: str


def buttons(task: Task, missing: Collection[str], gettext: Gettext) -> tuple[Button, ...]:
    """Return the commands of a task. ``missing``: the verbs that the visitor lacks."""
    found = []
    for verb, label in LABELS.items():
        if verb is Verb.APPROVE and not _has_approvals(task):
            continue
        why = why_not(task, verb, missing, gettext)
        found.append(Button(verb, gettext(label), why, in_a_terminal(task.key, verb)))
    return tuple(found)


def why_not(task: Task, verb: Verb, missing: Collection[str], gettext: Gettext) -> str:
    """Return why a visitor cannot give a command now; empty if nothing prevents it."""
    if verb not in task.status.allowed_actions:
        return _why_not_now(task, verb, gettext)
    if verb.value in missing:
        return gettext(LOST) % {"verb": verb.value, "namespace": task.metadata.namespace, "role": verb.audience.value}
    return gettext(NO_PATCH) % {"namespace": task.metadata.namespace} if "patch" in missing else ""


def dialog(task: Task, verb: Verb, language: str, then: Sequence[str] = ()) -> Dialog:
    """Return what is said before an allowed command is given. ``then``: the tasks that start once the lock is free."""
    if not isinstance(task.spec, TaskSpec):
        return Dialog(verb, "", "", (), "", offers_fresh=False, terminal=in_a_terminal(task.key, verb))
    what = told(task.spec, task.status, verb)
    lines = details(what, language)
    frees = Phase(what.ends).finished
    step = current(task.status)
    resumes = step is not None and any(sub.external for sub in step.subtasks)
    return Dialog(
        verb,
        summary(what, language),
        starts_next(then, language) if frees else "",
        lines,
        seen=_digest(verb, summary(what, "en"), *details(what, "en")),
        offers_fresh=verb is Verb.RETRY and task.status.direction is Direction.FORWARD and resumes,
        terminal=in_a_terminal(task.key, verb),
    )


def in_a_terminal(key: Key, verb: Verb, reason: str = "", option: str = "") -> str:
    """Return the command as it is typed."""
    words = ["kubectl", "annotate", "obtask", key.name, "-n", key.namespace, f"{names.ACTION_ANNOTATION}={verb}"]
    words += [f"{names.ACTION_REASON_ANNOTATION}={reason}"] if reason else []
    words += [f"{names.ACTION_OPTION_ANNOTATION}={option}"] if option else []
    return shlex.join(words)


def _why_not_now(task: Task, verb: Verb, gettext: Gettext) -> str:
    if task.status.phase.finished:
        return gettext("The task has ended.")
    if isinstance(task.spec, TaskSpec):
        step = forbidding_step(task.spec, task.status, verb)
        if step is not None and (task.status.phase is Phase.FAILED or (verb is Verb.CANCEL and task.status.phase.working)):
            return gettext("Step %(step)s forbids it.") % {"step": step}
        if verb is Verb.ROLLBACK and task.status.phase is Phase.FAILED:
            return gettext("What was done cannot be undone.")
    elif verb.goes_on:
        return gettext("This version cannot read what the task is to do.")
    return gettext(WHEN[verb])


def _has_approvals(task: Task) -> bool:
    return isinstance(task.spec, TaskSpec) and any(step.approve is not None for step in task.spec.steps)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
