"""What is said about where a task stands."""

from dataclasses import replace

import pytest

from obtask.model.contract import Phase
from obtask.rules.preview_wording import HeldLock
from obtask.rules.situation_wording import Blocked, Situation, happened, is_safe, to_type

LOCK = HeldLock("Global", "Cluster", "obdemo")
FAILED = Situation(
    "prod",
    "tune",
    "Failed",
    reason="SubtaskFailed",
    step="window",
    number=2,
    total=3,
    at=("zone2",),
    touched=("zone2",),
    failed=1,
    attempt=2,
    why="SqlError",
    code="1146",
    said="Table 'orders_v2' doesn't exist",
    lock=LOCK,
    behind=3,
    allowed=("retry", "rollback", "skip"),
    to_undo=2,
)


def test_a_failure_says_what_happened_what_is_safe_and_what_to_type() -> None:
    """In English."""
    assert happened(FAILED, "en") == "Step 2/3 window failed: zone2, attempt 2, SqlError 1146: Table 'orders_v2' doesn't exist"
    assert is_safe(FAILED, "en") == (
        "Nothing runs now, and nothing changes until somebody decides; its lock (Global of cluster obdemo) stays taken. "
        "zone2 may have changed the target: read the log before you retry. A rollback would undo 2 subtasks. 3 tasks wait for it."
    )
    assert to_type(FAILED) == (
        "kubectl annotate obtask tune -n prod action=retry",
        "kubectl annotate obtask tune -n prod action=rollback",
        "kubectl annotate obtask tune -n prod action=skip",
    )


def test_a_failure_in_chinese() -> None:
    """The same in the words of the contract."""
    assert happened(FAILED, "zh") == "第 2/3 环节 window 失败：zone2，第 2 次，SqlError 1146：Table 'orders_v2' doesn't exist。"
    assert is_safe(FAILED, "zh") == (
        "现在没有任何操作在执行，在有人决定之前不会有任何改动；锁（集群 obdemo，全局）仍被占用。"
        "zone2 可能已改动目标：重试前请先看日志。回滚会撤销 2 个子任务。有 3 个任务在等它。"
    )


def test_who_waits_is_told_for_whom() -> None:
    """And how to look at what is in the way."""
    waiting = Situation("prod", "resize", "Waiting", lock=LOCK, blocked_by=(Blocked("tune", "Failed"),), blockers=1, allowed=("cancel",))

    assert happened(waiting, "en") == "It waits for its lock (Global of cluster obdemo): tune (Failed) is in the way."
    assert happened(waiting, "zh") == "正在等待锁（集群 obdemo，全局）：tune (失败)排在前面。"
    assert to_type(waiting) == ("kubectl describe obtask tune -n prod",)
    assert to_type(replace(waiting, blocked_by=(Blocked("a; b", "Failed"),))) == ("kubectl describe obtask 'a; b' -n prod",)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("phase", [phase.value for phase in Phase])
def test_every_phase_has_a_sentence(phase: str, language: str) -> None:
    """Also of a task of which next to nothing is known."""
    told = Situation("prod", "tune", phase, message="why", total=2)

    assert happened(told, language).strip(" .")
    assert "None" not in happened(told, language) + is_safe(told, language)
