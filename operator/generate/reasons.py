"""Owns the reference of phases, conditions, reasons and Events, from the contract."""

from generate.text import table
from obtask.model.contract import ConditionType, Phase
from obtask.model.reasons import EventReason, FailureReason, Reason
from obtask.rules.announcements import is_announced, is_warning


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/events-and-reasons.md."""
    return {
        "phases": table(
            ("phase", "meaning", "holds its lock", "finished", "true condition"),
            ((f"`{phase}`", phase.about, _yes(phase.holds_lock), _yes(phase.finished), f"`{phase.condition}`") for phase in Phase),
        ),
        "conditions": table(("condition", "is True when"), ((f"`{one}`", one.about) for one in ConditionType)),
        "reasons": table(("reason", "meaning"), ((f"`{reason}`", reason.about) for reason in Reason)),
        "failures": table(
            ("reason", "meaning", "repeated by `autoRetry`"),
            ((f"`{reason}`", reason.about, _yes(reason.repeated)) for reason in FailureReason),
        ),
        "events": table(
            ("reason", "type", "meaning"),
            ((f"`{event}`", "Warning" if event.warning else "Normal", event.about) for event in EventReason),
        ),
        "ends": table(
            ("phase", "type"), ((f"`{phase}`", "Warning" if is_warning(phase) else "Normal") for phase in Phase if is_announced(phase))
        ),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"
