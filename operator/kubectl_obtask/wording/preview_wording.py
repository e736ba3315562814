# A copy of operator/obtask/rules/preview_wording.py, made by `make generate`.
"""Owns the sentences that say what a command will do, in English and Chinese: on the page and in the terminal the same. Pure.

It knows nothing but the standard library: `make generate` gives the plugin a copy of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MOST_NAMED: Final = 5
NO_ROLLBACK: Final = "no rollback"
CHANGED_NOTHING: Final = "changed nothing"


@dataclass(frozen=True, slots=True)
class Piece:
    """A subtask; without a name, all subtasks of a loop whose items are not known yet. ``depends``: on the condition of its step."""

    step: str
    subtask: str | None
    depends: bool = False

    @property
    def label(self) -> str:
        """How people name it: the step alone where that is all there is."""
        return self.step if self.subtask in {None, self.step} else f"{self.step}/{self.subtask}"


@dataclass(frozen=True, slots=True)
class HeldLock:
    """What the task locks: scope, cluster or agent, and the tenant if it is one."""

    scope: str
    kind: str
    target: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a command would do: obtask.rules.preview.Preview in plain names, and what the sentences need besides.

    ``step``: the current one. ``left``: what cannot, or need not, be undone, and why. ``ends``: the phase in the end.
    ``undoing``: the task is being undone already. ``started``: it has left the line. ``fresh``: nothing is resumed.
    """

    verb: str
    step: str | None = None
    runs: tuple[Piece, ...] = ()
    undoes: tuple[Piece, ...] = ()
    left: tuple[tuple[Piece, str], ...] = ()
    stops: tuple[Piece, ...] = ()
    skips: tuple[Piece, ...] = ()
    ends: str = "Succeeded"
    lock: HeldLock | None = None
    undoing: bool = False
    started: bool = True
    fresh: bool = False


def summary(told: Told, language: str) -> str:
    """Return in a sentence or two what the command will do. ``language``: zh, or English."""
    zh = language == "zh"
    match told.verb:
        case "retry" if told.undoing:
            return _undoing(told, zh=zh)
        case "retry":
            return _retry(told, zh=zh)
        case "rollback":
            return _undoing(told, zh=zh)
        case "skip":
            return _skip(told, zh=zh)
        case "skip-step":
            return _skip_step(told, zh=zh)
        case "cancel":
            return _cancel(told, zh=zh)
        case _:
            return _approve(told, zh=zh)


def details(told: Told, language: str) -> tuple[str, ...]:
    """Return one line for each subtask that the command concerns, in order; nothing that the summary would not cover."""
    zh = language == "zh"
    words = ("执行", "撤销", "停止", "保持现状") if zh else ("run", "undo", "stop", "leave as it is")
    groups = zip(words, (told.runs, told.undoes, told.stops, told.skips), strict=True)
    lines = [f"{word} {piece.label}{_when(piece, zh=zh)}" for word, pieces in groups for piece in pieces]
    nothing = "无需撤销" if zh else "nothing to undo:"
    return (*lines, *(f"{nothing} {piece.label}{_why(why, zh=zh)}" for piece, why in told.left))


def starts_next(names: Sequence[str], language: str) -> str:
    """Return which waiting tasks start once the lock is free; empty if none does."""
    if not names:
        return ""
    zh = language == "zh"
    shown = _listed(names, zh=zh)
    if zh:
        return f"随后开始：{shown}。"
    return f"Then {shown} {'starts' if len(names) == 1 else 'start'}."


def lock_named(lock: HeldLock, language: str) -> str:
    """Return how people name a lock."""
    return _lock(lock, zh=language == "zh")


def _retry(told: Told, *, zh: bool) -> str:
    again = [piece for piece in told.runs if piece.step == told.step]
    later = _later(told)
    fresh = ("不接续 obshell 中已有的任务。" if zh else " What was begun in obshell is not resumed.") if told.fresh else ""
    if not again:
        return (_go_on(later, zh=zh, first=True) or _ends(told, zh=zh)) + fresh
    whole = all(piece.subtask in {None, piece.step} for piece in again)
    names = _listed([piece.subtask or "" for piece in again], zh=zh)
    if zh:
        what = f"重新执行环节 {told.step}" if whole else f"重新执行环节 {told.step} 中未完成的 {names}"
        return f"{what}；成功后{_go_on(later, zh=True)}" + fresh if later else f"{what}，这是最后一个环节。" + fresh
    what = f"Runs step {told.step} again" if whole else f"Runs again what is not done of step {told.step}: {names}"
    return f"{what}; if it succeeds, {_go_on(later, zh=False)}" + fresh if later else f"{what}; no step follows." + fresh


def _undoing(told: Told, *, zh: bool) -> str:
    names = _listed([piece.label for piece in told.undoes], zh=zh)
    count = len(told.undoes)
    if zh:
        first = "继续回滚，" if told.verb == "retry" else ""
        what = f"{first}依次撤销 {count} 个子任务：{names}。" if count else f"{first}没有需要撤销的操作。"
        return what + _not_undone(told, zh=True) + _ends(told, zh=True)
    first = "Goes on undoing" if told.verb == "retry" else "Undoes"
    many = "subtask" if count == 1 else "subtasks, in this order"
    what = f"{first} {count} {many}: {names}." if count else f"{first} nothing: there is nothing to undo."
    return " ".join(filter(None, (what, _not_undone(told, zh=False), _ends(told, zh=False))))


def _not_undone(told: Told, *, zh: bool) -> str:
    if not told.left:
        return ""
    names = _listed([f"{piece.label}{_why(why, zh=zh)}" for piece, why in told.left], zh=zh)
    return f"不撤销：{names}。" if zh else f"Not undone: {names}."


def _skip(told: Told, *, zh: bool) -> str:
    names = _listed([piece.label for piece in told.skips], zh=zh)
    if zh:
        stays = f"；{names} 保持现状。" if names else "。"
        return f"不执行也不撤销任何操作{stays}{_ends(told, zh=True)}"
    stays = f": {names} {'stays as it is' if len(told.skips) == 1 else 'stay as they are'}." if names else "."
    return f"Runs nothing and undoes nothing{stays} {_ends(told, zh=False)}"


def _skip_step(told: Told, *, zh: bool) -> str:
    names = _listed([piece.label for piece in told.skips], zh=zh)
    later = _later(told)
    if zh:
        return f"{names} 保持现状，{_go_on(later, zh=True)}" if later else f"{names} 保持现状，没有后续环节。{_ends(told, zh=True)}"
    what = f"Leaves {names} as {'it is' if len(told.skips) == 1 else 'they are'}"
    return f"{what} and {_go_on(later, zh=False)}" if later else f"{what}; no step follows. {_ends(told, zh=False)}"


def _cancel(told: Told, *, zh: bool) -> str:
    if not told.started:
        return "任务尚未开始，不会有任何改动。" + _ends(told, zh=True) if zh else f"Nothing has been started. {_ends(told, zh=False)}"
    names = _listed([piece.label for piece in told.stops], zh=zh)
    if zh:
        what = f"停止 {names}" if names else "在下一次执行之前停止"
        return f"{what}；目标可能只改动了一半。任务随后为失败状态，保留锁，由人决定下一步。"
    what = f"Stops {names}" if names else "Stops before the next attempt"
    kept = "keeps its lock, and waits" if told.lock else "waits"
    return f"{what}; the target may be half changed. The task is then Failed, {kept} for a person to decide."


def _approve(told: Told, *, zh: bool) -> str:
    later = _later(told)
    if zh:
        return (
            f"批准环节 {told.step}，{_go_on(later, zh=True)}"
            if later
            else f"批准环节 {told.step}，这是最后一个环节。{_ends(told, zh=True)}"
        )
    what = f"Approves step {told.step}"
    return f"{what}, then {_go_on(later, zh=False)}" if later else f"{what}, the last one. {_ends(told, zh=False)}"


def _later(told: Told) -> list[Piece]:
    """Return one piece for each step that follows the current one."""
    steps = {piece.step: piece for piece in told.runs if piece.step != told.step}
    return [Piece(step, None, depends=piece.depends) for step, piece in steps.items()]


def _go_on(later: Sequence[Piece], *, zh: bool, first: bool = False) -> str:
    if not later:
        return ""
    names = _listed([f"{piece.step}{_when(piece, zh=zh)}" for piece in later], zh=zh)
    if zh:
        return f"继续执行后续 {len(later)} 个环节：{names}。"
    goes = "Goes on" if first else "goes on"
    return (
        f"{goes} with the step that follows: {names}." if len(later) == 1 else f"{goes} with the {len(later)} steps that follow: {names}."
    )


PHASES_ZH: Final = {"Succeeded": "成功", "RolledBack": "已回滚", "Skipped": "已跳过", "Cancelled": "已取消", "Failed": "失败"}


def _ends(told: Told, *, zh: bool) -> str:
    lock = _lock(told.lock, zh=zh) if told.lock is not None and told.started else ""
    if zh:
        return f"任务以“{PHASES_ZH.get(told.ends, told.ends)}”结束" + (f"，释放锁（{lock}）。" if lock else "。")
    return f"The task ends as {told.ends}" + (f" and frees its lock ({lock})." if lock else ".")


def _lock(lock: HeldLock, *, zh: bool) -> str:
    tenant = f" {lock.tenant}" if lock.tenant else ""
    if zh:
        scope = {"Global": "全局", "Tenant": "租户"}.get(lock.scope, lock.scope)
        return f"{'集群' if lock.kind == 'Cluster' else '主机'} {lock.target}，{scope}{tenant}"
    return f"{lock.scope}{tenant} of {'cluster' if lock.kind == 'Cluster' else 'host'} {lock.target}"


def _why(why: str, *, zh: bool) -> str:
    if zh:
        return "（没有回滚动作）" if why == NO_ROLLBACK else "（没有改动）"
    return f" ({why})"


def _when(piece: Piece, *, zh: bool) -> str:
    if not piece.depends:
        return ""
    return "（视条件而定）" if zh else " (if its condition holds)"


def _listed(names: Sequence[str], *, zh: bool) -> str:
    """Return names as people list them; of many, the first ones and how many there are."""
    shown = list(_shown(names, zh=zh))
    if zh:
        more = f" 等 {len(names)} 个" if len(names) > MOST_NAMED else ""
        return "、".join(shown) + more
    return ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else "".join(shown)


def _shown(names: Sequence[str], *, zh: bool) -> Iterator[str]:
    yield from names[:MOST_NAMED]
    if len(names) > MOST_NAMED and not zh:
        yield f"{len(names) - MOST_NAMED} more"
