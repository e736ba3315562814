"""Owns the sentences that say where a task stands: what happened, what is safe, and what to type, in English and Chinese. Pure.

It knows nothing but the standard library and rules/preview_wording.py, so that the page and the terminal can say the same.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from obtask.rules.preview_wording import HeldLock, lock_named

MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Blocked:
    """A task in the way: its name and its phase."""

    name: str
    phase: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a task stands, in plain names.

    ``number`` of ``total`` steps is the current one, from 1, 0 before the first. ``at``: the subtasks that run or failed.
    ``touched``: those of them that may have changed their target. ``failed``: how many failed. ``lock``: what it has locked, or wants to.
    ``behind``: how many tasks wait for it. ``allowed``: the commands that would be accepted now. ``undo``: it is being undone, or was.
    """

    namespace: str
    name: str
    phase: str
    reason: str = ""
    message: str = ""
    step: str = ""
    number: int = 0
    total: int = 0
    at: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    failed: int = 0
    attempt: int = 0
    why: str = ""
    code: str = ""
    said: str = ""
    lock: HeldLock | None = None
    behind: int = 0
    blocked_by: tuple[Blocked, ...] = ()
    blockers: int = 0
    allowed: tuple[str, ...] = ()
    undo: bool = False
    to_undo: int = 0


def happened(told: Situation, language: str) -> str:
    """Return what happened to the task, in one sentence. ``language``: zh, or English."""
    zh = language == "zh"
    match told.phase:
        case "Failed":
            return _failed(told, zh=zh)
        case "Waiting":
            return _waiting(told, zh=zh)
        case "Running":
            return _running(told, zh=zh)
        case "RollingBack":
            return _rolling_back(told, zh=zh)
        case "Pending":
            return "还没有 operator 处理这个任务。" if zh else "No operator has taken the task up yet."
        case _:
            return _ended(told, zh=zh)


def is_safe(told: Situation, language: str) -> str:
    """Return what can be done without harm, and what cannot; empty for a task that has ended as it should."""
    zh = language == "zh"
    match told.phase:
        case "Failed":
            return _safe_when_failed(told, zh=zh)
        case "Waiting" | "Pending":
            return (
                "任务尚未开始，没有任何改动；可以继续等待，也可以取消。"
                if zh
                else "Nothing has been started: it can wait, or be cancelled."
            )
        case "Running" if told.reason == "AwaitingApproval":
            return "批准之前不会执行后续环节。" if zh else "Nothing runs until somebody approves."
        case "Running" | "RollingBack":
            return (
                "可以放心等待；取消会使正在执行的操作停在半途。"
                if zh
                else "It is safe to wait; a cancel would stop half way what runs now."
            )
        case "Rejected" | "Cancelled":
            return "没有执行任何环节，没有任何改动。" if zh else "No step was run, and nothing was changed."
        case "Skipped":
            return (
                "跳过时没有执行也没有撤销任何操作；目标保持当时的状态。"
                if zh
                else "Skipping ran nothing and undid nothing: the target is as it was then."
            )
        case _:
            return ""


def to_type(told: Situation) -> tuple[str, ...]:
    """Return the commands for a terminal that would be accepted now, or those that show what is in the way."""
    place = f"-n {told.namespace}"
    if told.phase == "Waiting" and not (set(told.allowed) - {"cancel"}):
        return tuple(f"kubectl describe obtask {shlex.quote(other.name)} {place}" for other in told.blocked_by[:MOST_NAMED])
    if told.phase in {"Running", "RollingBack"} and told.reason != "AwaitingApproval":
        return (f"kubectl wait --for=condition=Finished obtask/{told.name} {place} --timeout=30m",)
    return tuple(f"kubectl annotate obtask {told.name} {place} action={verb}" for verb in told.allowed)


def _failed(told: Situation, *, zh: bool) -> str:
    if told.reason == "LockLost":
        return (
            f"锁{_lock(told, zh=True)}的 Lease 已属于别人，任务停止，不再执行后续环节。"
            if zh
            else f"The Lease of its lock{_lock(told, zh=False)} names somebody else: no further step is started."
        )
    where = _where(told, zh=zh)
    names = _listed(told.at, zh=zh)
    why = " ".join(filter(None, (told.why, told.code)))
    what = f"{why}：{told.said}" if zh and told.said else f"{why}: {told.said}" if told.said else why
    if zh:
        did = "撤销失败" if told.undo else "被取消" if told.reason == "SubtaskCancelled" else "失败"
        more = f"（共 {told.failed} 个子任务失败）" if told.failed > 1 else ""
        return f"{where}{did}：{names}，第 {told.attempt} 次，{what}{more}。" if names else f"{where}{did}。{told.message}"
    did = "could not be undone" if told.undo else "was cancelled" if told.reason == "SubtaskCancelled" else "failed"
    more = f" ({told.failed} subtasks failed)" if told.failed > 1 else ""
    return f"{where} {did}: {names}, attempt {told.attempt}, {what}{more}" if names else f"{where} {did}. {told.message}"


def _safe_when_failed(told: Situation, *, zh: bool) -> str:
    touched = _listed(told.touched, zh=zh)
    if zh:
        first = "现在没有任何操作在执行，在有人决定之前不会有任何改动" + (f"；锁{_lock(told, zh=True)}仍被占用。" if told.lock else "。")
        target = (
            f"{touched} 可能已改动目标：重试前请先看日志。" if touched else "失败的子任务没有改动目标，重试是安全的。" if told.at else ""
        )
        undo = f"回滚会撤销 {told.to_undo} 个子任务。" if "rollback" in told.allowed else ""
        behind = f"有 {told.behind} 个任务在等它。" if told.behind else ""
        return first + target + undo + behind
    parts = [
        "Nothing runs now, and nothing changes until somebody decides"
        + (f"; its lock{_lock(told, zh=False)} stays taken." if told.lock else ".")
    ]
    if touched:
        parts.append(f"{touched} may have changed the target: read the log before you retry.")
    elif told.at:
        parts.append("What failed has changed nothing: it is safe to retry.")
    if "rollback" in told.allowed:
        parts.append(f"A rollback would undo {told.to_undo} {'subtask' if told.to_undo == 1 else 'subtasks'}.")
    if told.behind:
        parts.append(f"{told.behind} {'task waits' if told.behind == 1 else 'tasks wait'} for it.")
    return " ".join(parts)


def _waiting(told: Situation, *, zh: bool) -> str:
    names = _listed([f"{other.name} ({_phase_zh(other.phase) if zh else other.phase})" for other in told.blocked_by], zh=zh)
    more = told.blockers - min(len(told.blocked_by), MOST_NAMED) if len(told.blocked_by) <= MOST_NAMED else 0
    if zh:
        return f"正在等待锁{_lock(told, zh=True)}：{names}{f' 等另外 {more} 个' if more > 0 else ''}排在前面。"
    verb = "is" if told.blockers == 1 else "are"
    return f"It waits for its lock{_lock(told, zh=False)}: {names}{f' and {more} more' if more > 0 else ''} {verb} in the way."


def _running(told: Situation, *, zh: bool) -> str:
    where, names = _where(told, zh=zh), _listed(told.at, zh=zh)
    if told.reason == "AwaitingApproval":
        return f"{where}等待批准。{told.said}" if zh else f"{where} waits for approval. {told.said}".rstrip()
    if not names:
        return "即将执行下一个环节。" if zh else "The next step is about to begin."
    return f"{where}正在执行：{names}。" if zh else f"{where} runs: {names}."


def _rolling_back(told: Situation, *, zh: bool) -> str:
    where, names = _where(told, zh=zh), _listed(told.at, zh=zh)
    if zh:
        return f"正在回滚，{where}：{names}。" if names else f"正在回滚，{where}。"
    return f"It is being undone: {where}, {names}." if names else f"It is being undone: {where}."


def _ended(told: Situation, *, zh: bool) -> str:
    match told.phase:
        case "Succeeded":
            return (
                f"全部 {told.total} 个环节已完成。"
                if zh
                else f"All {told.total} steps are done."
                if told.total != 1
                else "Its step is done."
            )
        case "RolledBack":
            return "所有可撤销的操作都已撤销。" if zh else "Everything that could be undone is undone."
        case "Skipped":
            return (
                f"任务已被跳过，停在{_where(told, zh=True)}。"
                if zh
                else f"A person gave the task up at {_where(told, zh=False)[:1].lower()}{_where(told, zh=False)[1:]}."
            )
        case "Cancelled":
            return "任务在开始之前被取消。" if zh else "The task was cancelled before it began."
        case "Rejected":
            return f"任务被拒绝：{told.message}" if zh else f"The task was rejected: {told.message}"
        case _:
            return told.message


def _lock(told: Situation, *, zh: bool) -> str:
    if told.lock is None:
        return ""
    return f"（{lock_named(told.lock, 'zh')}）" if zh else f" ({lock_named(told.lock, 'en')})"


def _where(told: Situation, *, zh: bool) -> str:
    if not told.step:
        return "任务" if zh else "The task"
    return f"第 {told.number}/{told.total} 环节 {told.step} " if zh else f"Step {told.number}/{told.total} {told.step}"


def _listed(names: Sequence[str], *, zh: bool) -> str:
    shown = list(names[:MOST_NAMED])
    more = len(names) - len(shown)
    if zh:
        return "、".join(shown) + (f" 等 {len(names)} 个" if more else "")
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


_PHASES_ZH: Final = {"Pending": "待处理", "Waiting": "等待中", "Running": "运行中", "Failed": "失败", "RollingBack": "回滚中"}


def _phase_zh(phase: str) -> str:
    return _PHASES_ZH.get(phase, phase)
