"""What people read before they give a command: whole sentences, in both languages, short however large the task is."""

import pytest

from obtask.model.contract import Verb
from obtask.rules.preview_wording import CHANGED_NOTHING, NO_ROLLBACK, HeldLock, Piece, Told, details, starts_next, summary

ZONE1, ZONE2, CHECK, APPLY = Piece("resize", "zone1"), Piece("resize", "zone2"), Piece("check", "check"), Piece("apply", "apply")
ORDERS = HeldLock("Tenant", "Cluster", "obdemo", "orders")
GLOBAL = HeldLock("Global", "Local", "10.0.0.5:2886")

SENTENCES = [
    (
        Told("retry", "resize", runs=(ZONE2, APPLY)),
        "Runs again what is not done of step resize: zone2; if it succeeds, goes on with the step that follows: apply.",
        "重新执行环节 resize 中未完成的 zone2；成功后继续执行后续 1 个环节：apply。",
    ),
    (
        Told("retry", "apply", runs=(APPLY,), fresh=True),
        "Runs step apply again; no step follows. What was begun in obshell is not resumed.",
        "重新执行环节 apply，这是最后一个环节。不接续 obshell 中已有的任务。",
    ),
    (
        Told("retry", "resize", undoes=(CHECK,), ends="RolledBack", undoing=True, lock=ORDERS),
        "Goes on undoing 1 subtask: check. The task ends as RolledBack and frees its lock (Tenant orders of cluster obdemo).",
        "继续回滚，依次撤销 1 个子任务：check。任务以“已回滚”结束，释放锁（集群 obdemo，租户 orders）。",
    ),
    (
        Told("rollback", "resize", undoes=(ZONE1, ZONE2), left=((CHECK, NO_ROLLBACK),), ends="RolledBack", lock=GLOBAL),
        (
            "Undoes 2 subtasks, in this order: resize/zone1 and resize/zone2. Not undone: check (no rollback). "
            "The task ends as RolledBack and frees its lock (Global of host 10.0.0.5:2886)."
        ),
        (
            "依次撤销 2 个子任务：resize/zone1、resize/zone2。不撤销：check（没有回滚动作）。"
            "任务以“已回滚”结束，释放锁（主机 10.0.0.5:2886，全局）。"
        ),
    ),
    (
        Told("rollback", "check", left=((CHECK, CHANGED_NOTHING),), ends="RolledBack"),
        "Undoes nothing: there is nothing to undo. Not undone: check (changed nothing). The task ends as RolledBack.",
        "没有需要撤销的操作。不撤销：check（没有改动）。任务以“已回滚”结束。",
    ),
    (
        Told("skip", "resize", skips=(ZONE2,), ends="Skipped", lock=ORDERS),
        (
            "Runs nothing and undoes nothing: resize/zone2 stays as it is. "
            "The task ends as Skipped and frees its lock (Tenant orders of cluster obdemo)."
        ),
        "不执行也不撤销任何操作；resize/zone2 保持现状。任务以“已跳过”结束，释放锁（集群 obdemo，租户 orders）。",
    ),
    (
        Told("skip-step", "resize", skips=(ZONE1, ZONE2), runs=(Piece("apply", None, depends=True),)),
        "Leaves resize/zone1 and resize/zone2 as they are and goes on with the step that follows: apply (if its condition holds).",
        "resize/zone1、resize/zone2 保持现状，继续执行后续 1 个环节：apply（视条件而定）。",
    ),
    (
        Told("cancel", "resize", stops=(ZONE1,), ends="Failed", lock=ORDERS),
        "Stops resize/zone1; the target may be half changed. The task is then Failed, keeps its lock, and waits for a person to decide.",
        "停止 resize/zone1；目标可能只改动了一半。任务随后为失败状态，保留锁，由人决定下一步。",
    ),
    (
        Told("cancel", ends="Cancelled", lock=ORDERS, started=False),
        "Nothing has been started. The task ends as Cancelled.",
        "任务尚未开始，不会有任何改动。任务以“已取消”结束。",
    ),
    (
        Told("approve", "ok", runs=(CHECK, APPLY)),
        "Approves step ok, then goes on with the 2 steps that follow: check and apply.",
        "批准环节 ok，继续执行后续 2 个环节：check、apply。",
    ),
]


@pytest.mark.parametrize(("told", "en", "zh"), SENTENCES, ids=lambda each: each.verb if isinstance(each, Told) else "")
def test_a_command_says_what_it_will_do(told: Told, en: str, zh: str) -> None:
    """Each command has its sentence."""
    assert (summary(told, "en"), summary(told, "zh")) == (en, zh)
    assert {each.verb for each, *_ in SENTENCES} == {verb.value for verb in Verb}


def test_a_large_task_has_a_short_sentence() -> None:
    """The first five are named, the others counted; the details have them all."""
    many = Told("rollback", "s", undoes=tuple(Piece("s", f"zone{number}") for number in range(64)), ends="RolledBack")

    assert "Undoes 64 subtasks, in this order: s/zone0, s/zone1, s/zone2, s/zone3, s/zone4 and 59 more." in summary(many, "en")
    assert "依次撤销 64 个子任务：s/zone0、s/zone1、s/zone2、s/zone3、s/zone4 等 64 个。" in summary(many, "zh")
    assert len(details(many, "en")) == len(details(many, "zh")) == 64


def test_who_starts_next_is_said() -> None:
    """One, some, or nobody."""
    assert starts_next(["a"], "en") == "Then a starts."
    assert starts_next(["a", "b"], "zh") == "随后开始：a、b。"
    assert starts_next([], "en") == ""
