"""Owns the sentences of status.message: what is going on, and what a person can type."""

from collections.abc import Sequence

from obtask.model.contract import Phase, Verb
from obtask.model.limits import one_line
from obtask.model.status import Blocker
from obtask.model.task import Metadata


def waiting(blockers: Sequence[Blocker], count: int, namespace: str, shown: int = 3) -> str:
    """Return who is in the way, in which phase, since when, and what to type; at most so many of them by name."""
    parts = [_blocker(blocker, namespace) for blocker in blockers[:shown]]
    if count > len(parts):
        parts.append(f"and {count - len(parts)} more")
    return "waiting for " + "; ".join(parts)


def _blocker(blocker: Blocker, namespace: str) -> str:
    since = f" since {blocker.since:%Y-%m-%dT%H:%M:%SZ}" if blocker.since else ""
    text = f"{blocker.name} ({blocker.scope}, {blocker.phase.value}{since})"
    if blocker.phase is Phase.FAILED:
        text += f": kubectl annotate obtask {blocker.name} -n {namespace} action=retry (or rollback, skip)"
    return text


def blocked_by_summary(blockers: Sequence[Blocker], count: int) -> str | None:
    """Return the first task in the way with its phase, and how many more there are."""
    if not blockers:
        return None
    more = f" +{count - 1}" if count > 1 else ""
    return f"{blockers[0].name} ({blockers[0].phase.value}){more}"


def unreadable_spec(why: str, phase: Phase, metadata: Metadata) -> str:
    """Return why a task that was begun stands still although its lock is held, and what to type."""
    verbs = "action=skip" if phase is Phase.FAILED else "action=cancel, then action=skip"
    what = f"kubectl annotate obtask {metadata.name} -n {metadata.namespace} {verbs}"
    text = f"this version of the operator cannot read the spec ({one_line(why, 200)}): install another one, or give the task up"
    return one_line(f"{text}: {what}")


def not_allowed(verb: str, phase: Phase, allowed: Sequence[Verb]) -> str:
    """Return why a command is refused in this phase, and which would be accepted."""
    return f"{verb} is not allowed while {phase.value}; {allowed_now(allowed)}"


def allowed_now(allowed: Sequence[Verb]) -> str:
    """Return which commands would be accepted."""
    return f"allowed now: {', '.join(allowed)}" if allowed else "no command is allowed now"
