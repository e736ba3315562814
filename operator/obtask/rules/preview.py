"""Owns what a command would do to a task: what would run, what would be undone, and what would stay. Pure. API.md sections 5 and 9."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from obtask.model.contract import Direction, Maintenance, Phase, Verb
from obtask.model.spec import TaskSpec
from obtask.model.status import SubtaskStatus, TaskStatus
from obtask.model.steps import Step
from obtask.rules.attempts import has_changed
from obtask.rules.opening import is_expanded
from obtask.rules.preview_wording import CHANGED_NOTHING, NO_ROLLBACK, HeldLock, Piece, Told
from obtask.rules.progress import current, to_undo


@dataclass(frozen=True, slots=True)
class Part:
    """A subtask of a task; of a loop whose items are not known yet there is one, without a name. ``depends``: on ``when``."""

    step: str
    subtask: str | None
    depends: bool = False


class Why(Enum):
    """Why a rollback has nothing to undo in a subtask that was begun."""

    NO_ROLLBACK = "it has no rollback"
    CHANGED_NOTHING = "it changed nothing"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a command would do if all goes well, each in order.

    ``stops``: what runs and would be stopped. ``skips``: what failed, or was not begun, and would be left as it is.
    ``left``: what was begun and cannot, or need not, be undone. ``ends`` with this phase at once, or once all of it is done.
    """

    verb: Verb
    runs: tuple[Part, ...] = ()
    undoes: tuple[Part, ...] = ()
    left: tuple[tuple[Part, Why], ...] = ()
    stops: tuple[Part, ...] = ()
    skips: tuple[Part, ...] = ()
    ends: Phase = Phase.SUCCEEDED

    @property
    def frees_lock(self) -> bool:
        """Whether others can take the lock once it is done."""
        return self.ends.finished


def preview(spec: TaskSpec, status: TaskStatus, verb: Verb) -> Preview:
    """Return what an allowed command would do to a task."""
    match verb:
        case Verb.RETRY if status.direction is Direction.ROLLBACK:
            return _undoing(spec, status, verb)
        case Verb.RETRY:
            return Preview(verb, runs=(*_again(spec, status), *_later(spec, status)))
        case Verb.ROLLBACK:
            return _undoing(spec, status, verb)
        case Verb.SKIP:
            return Preview(verb, skips=tuple(_open(status)), ends=Phase.SKIPPED)
        case Verb.SKIP_STEP:
            return Preview(verb, runs=tuple(_later(spec, status)), skips=tuple(_open(status)))
        case Verb.CANCEL if status.phase.in_line:
            return Preview(verb, ends=Phase.CANCELLED)
        case Verb.CANCEL:
            return Preview(verb, stops=tuple(_running(status)), ends=Phase.FAILED)
        case Verb.APPROVE:
            return Preview(verb, runs=tuple(_later(spec, status)))
        case never:
            assert_never(never)


def told(spec: TaskSpec, status: TaskStatus, verb: Verb, *, fresh: bool = False) -> Told:
    """Return what the sentences about a command are made of: rules.preview_wording. ``fresh``: with the option of that name."""
    seen = preview(spec, status, verb)
    lock = HeldLock(spec.maintenance.value, spec.type.value, spec.agent or spec.cluster or "", spec.tenant)
    return Told(
        verb=verb.value,
        step=status.current_step,
        runs=_pieces(seen.runs),
        undoes=_pieces(seen.undoes),
        left=tuple((Piece(part.step, part.subtask), _why_told(why)) for part, why in seen.left),
        stops=_pieces(seen.stops),
        skips=_pieces(seen.skips),
        ends=seen.ends.value,
        lock=None if spec.maintenance is Maintenance.NONE else lock,
        undoing=status.direction is Direction.ROLLBACK,
        started=not status.phase.in_line,
        fresh=fresh,
    )


def _pieces(parts: tuple[Part, ...]) -> tuple[Piece, ...]:
    return tuple(Piece(part.step, part.subtask, part.depends) for part in parts)


def _why_told(why: Why) -> str:
    match why:
        case Why.NO_ROLLBACK:
            return NO_ROLLBACK
        case Why.CHANGED_NOTHING:
            return CHANGED_NOTHING
        case never:
            assert_never(never)


def _again(spec: TaskSpec, status: TaskStatus) -> Iterator[Part]:
    """Yield what of the current step would run again, or for the first time."""
    step = current(status)
    if step is None:
        return
    planned = spec.by_name[step.name]
    asks = step.started_at is None and planned.when is not None
    if planned.for_each is not None and not is_expanded(step):
        yield Part(step.name, None, depends=asks)
        return
    for sub in step.subtasks:
        if sub.phase.open:
            yield Part(step.name, sub.name, depends=asks)


def _later(spec: TaskSpec, status: TaskStatus) -> Iterator[Part]:
    """Yield what of the steps after the current one would run."""
    names = [step.name for step in spec.steps]
    for step in spec.steps[names.index(status.current_step) + 1 if status.current_step in names else 0 :]:
        yield from _all(step)


def _all(step: Step) -> Iterator[Part]:
    asks = step.when is not None
    if step.for_each is not None:
        yield Part(step.name, None, depends=asks)
    for subtask in step.subtasks:
        yield Part(step.name, subtask.name, depends=asks)


def _open(status: TaskStatus) -> Iterator[Part]:
    step = current(status)
    for sub in step.subtasks if step is not None else ():
        if sub.phase.open:
            yield Part(status.current_step or "", sub.name)


def _running(status: TaskStatus) -> Iterator[Part]:
    step = current(status)
    for sub in step.subtasks if step is not None else ():
        if sub.phase.working:
            yield Part(status.current_step or "", sub.name)


def _undoing(spec: TaskSpec, status: TaskStatus, verb: Verb) -> Preview:
    undoes: list[Part] = []
    left: list[tuple[Part, Why]] = []
    names = [step.name for step in status.steps]
    last = names.index(status.current_step) if status.current_step in names else len(names) - 1
    for step in reversed(status.steps[: last + 1]):
        planned = spec.by_name[step.name]
        in_turn = planned.for_each is not None and planned.for_each.max_parallel is not None
        for sub in reversed(to_undo(step)) if in_turn else to_undo(step):
            why = _why_not(planned, sub)
            if why is None:
                undoes.append(Part(step.name, sub.name))
            else:
                left.append((Part(step.name, sub.name), why))
    return Preview(verb, undoes=tuple(undoes), left=tuple(left), ends=Phase.ROLLED_BACK)


def _why_not(planned: Step, sub: SubtaskStatus) -> Why | None:
    if planned.subtask_of(sub.name).rollback is None:
        return Why.NO_ROLLBACK
    return None if has_changed(sub) else Why.CHANGED_NOTHING
