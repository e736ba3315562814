"""Owns the largest task that the contract allows: every name, message and log tail at its longest."""

from datetime import UTC, datetime
from typing import Any

from obtask.logs.store import log_ref
from obtask.model.answered import HandledCommand, LastAction
from obtask.model.contract import ActionResult, ConditionStatus, Direction, Left, Phase, SubtaskPhase, Verb
from obtask.model.limits import (
    EXTERNAL_CHARACTERS,
    FOR_EACH_NAME,
    HISTORY_ENTRIES,
    ITEM_SHOWN_BYTES,
    MESSAGE_CHARACTERS,
    STAGE_CHARACTERS,
    TAIL_BYTES,
    message_room,
    one_line,
    tail_room,
    values_room,
)
from obtask.model.reasons import FailureReason, Reason
from obtask.model.status import Blocker, Condition, FailedSubtask, Failure, LockStatus, StepStatus, SubtaskStatus, TaskStatus
from obtask.rules.commands import remembered
from obtask.rules.opening import value_bytes
from obtask.rules.variables import shown_item

WHEN = datetime(2026, 11, 22, 19, 36, 52, 123456, UTC)
CONDITIONS = ("Finished", "Ready", "Reconciling", "Stalled", "LockHeld")

# Costs the API server three times as many bytes as characters, or six times where it escapes.
LONG_TEXT = "租户<b>" * 4096


def _name(prefix: str, number: int) -> str:
    return f"{prefix}{number:03d}".ljust(63, "x")


def largest_spec(steps: int, subtasks: int) -> dict[str, Any]:
    """Return a spec of that many steps with that many subtasks each, all with the longest names."""
    parts = [
        {"name": _name("s", step), "parallel": [{"name": _name("t", number), "wait": {"seconds": 604800}} for number in range(subtasks)]}
        for step in range(steps)
    ]
    return {"type": "Cluster", "cluster": "demo", "maintenance": "Tenant", "tenant": "租" * 253, "steps": parts}


def largest_status(steps: int, subtasks: int, action: str = "obshell") -> TaskStatus:
    """Return the status of such a task, all of it failed; ``action``: what its subtasks are."""
    count = steps * subtasks
    return TaskStatus(
        observed_generation=1,
        phase=Phase.FAILED,
        direction=Direction.ROLLBACK,
        reason=Reason.ROLLBACK_FAILED,
        message=one_line(LONG_TEXT),
        progress=f"0/{steps}",
        current_step=_name("s", 0),
        started_at=WHEN,
        allowed_actions=(Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP),
        blocked_by=tuple(Blocker(name="b" * 253, uid="u" * 36, phase=Phase.ROLLING_BACK, scope="OBProxy", since=WHEN) for _ in range(10)),
        blocked_by_count=10000,
        blocked_by_summary="b" * 253 + " (RollingBack) +9999",
        lock=LockStatus(lease="l" * 63, scope="OBProxy", acquired_at=WHEN, token=10**9),
        failed_subtask=_failed_subtask(),
        failed_subtasks=count,
        last_action=_last_action(),
        history=_history(),
        steps=tuple(
            StepStatus(
                name=_name("s", step),
                phase=SubtaskPhase.ROLLING_BACK,
                started_at=WHEN,
                finished_at=WHEN,
                subtasks=tuple(_subtask(_name("t", number), count, action, live=not step) for number in range(subtasks)),
            )
            for step in range(steps)
        ),
        conditions=tuple(_condition(name) for name in CONDITIONS),
    )


def looping_spec(steps: int) -> dict[str, Any]:
    """Return a spec of that many loops, all with the longest names."""
    loop = {"items": "[1]", "subtask": {"sql": {"statements": ["SELECT 1"], "outputs": {"o" * 63: "rows"}}}}
    parts = [{"name": _name("s", step)[:FOR_EACH_NAME], "forEach": loop} for step in range(steps)]
    return {"type": "Cluster", "cluster": "demo", "maintenance": "Tenant", "tenant": "租" * 253, "steps": parts}


def with_values(status: TaskStatus, *, items: bool) -> TaskStatus:
    """Return a status with as many values as a task may store: outputs of its subtasks, or items of which some are shown cut."""
    count = sum(len(step.subtasks) for step in status.steps)
    room = values_room(count) // count
    return status.model_copy(
        update={"steps": tuple(_with_items(step, room) if items else _with_outputs(step, room) for step in status.steps)}
    )


def _with_items(step: StepStatus, room: int) -> StepStatus:
    long = "<" * (ITEM_SHOWN_BYTES // 6 + 1)  # one of them is too long to be shown, so all are stored beside
    rest = "x" * ((room * len(step.subtasks) // 2 - value_bytes([long])) // (len(step.subtasks) - 1) - 8)
    items = [long, *[rest] * (len(step.subtasks) - 1)]
    shown = [sub.model_copy(update={"item": shown_item(item)}) for sub, item in zip(step.subtasks, items, strict=True)]
    return step.model_copy(update={"items": items, "subtasks": tuple(shown)})


def _with_outputs(step: StepStatus, room: int) -> StepStatus:
    outputs = {"o" * 63: "x" * (room - value_bytes({"o" * 63: ""}) - 1)}
    return step.model_copy(update={"subtasks": tuple(sub.model_copy(update={"outputs": outputs}) for sub in step.subtasks)})


LEFT_BY: dict[str, dict[str, Any]] = {
    "job": {"job": "j" * 63},
    "obshell": {"external": "e" * EXTERNAL_CHARACTERS, "external_mark": f"{'f' * 8}@{10**12}~", "external_left": Left.RELEASED},
    "resource": {"kept": "k" * 43},
}


def _subtask(name: str, count: int, action: str, *, live: bool) -> SubtaskStatus:
    return SubtaskStatus(
        name=name,
        phase=SubtaskPhase.ROLLING_BACK,
        attempts=1000,
        rollback_attempts=1000,
        auto_retries=100,
        changed=False,
        changed_before=live,
        started_at=WHEN,
        finished_at=WHEN,
        message=one_line(LONG_TEXT, room=message_room(count)),
        failure=Failure(reason=FailureReason.EXPECTATION_NOT_MET, code="12345", direction=Direction.ROLLBACK),
        runner="r" * 90,
        log_tail="l" * min(TAIL_BYTES, tail_room(count)),
        log_ref=log_ref("c" * 48),
        nonce_digests=("d" * 22,) if live else (),
        stage="s" * STAGE_CHARACTERS if live else None,
        **LEFT_BY[action],
    )


def _failed_subtask() -> FailedSubtask:
    return FailedSubtask(
        step=_name("s", 0),
        subtask=_name("t", 0),
        attempt=1000,
        direction=Direction.ROLLBACK,
        reason=FailureReason.EXPECTATION_NOT_MET,
        code="12345",
        message=LONG_TEXT,
        failed_at=WHEN,
        log_tail="<" * TAIL_BYTES,
        log_ref=log_ref("c" * 48),
    )


def _last_action() -> LastAction:
    return LastAction(
        verb=LONG_TEXT,
        result=ActionResult.REJECTED,
        message=LONG_TEXT,
        requested_at=WHEN,
        handled_at=WHEN,
        requested_by=LONG_TEXT,
        reason=LONG_TEXT,
        id="i" * MESSAGE_CHARACTERS,
    )


def _history() -> tuple[HandledCommand, ...]:
    found: tuple[HandledCommand, ...] = ()
    for _ in range(HISTORY_ENTRIES):
        found = remembered(found, _last_action())
    return found


def _condition(name: str) -> Condition:
    return Condition(
        type=name,
        status=ConditionStatus.FALSE,
        reason="RollbackFailed",
        message=one_line(LONG_TEXT),
        observed_generation=1,
        last_transition_time=WHEN,
    )
