"""Owns which attempt of a task the page shows: what its address asks for, else what runs, else what failed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction, SubtaskPhase
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.rules.progress import current

LONGEST_NUMBER = 18  # digits; versions of objects are numbers, too


@dataclass(frozen=True, slots=True)
class Place:
    """An attempt of a task. ``attempt`` is 0 where there is none yet."""

    step: str
    subtask: str
    direction: Direction
    attempt: int

    def of(self, uid: str) -> AttemptId:
        """Return the name of the attempt for a task with this uid."""
        return AttemptId(uid, self.step, self.subtask, self.direction, self.attempt)

    @property
    def query(self) -> str:
        """The part of an address that leads here (API.md section 9)."""
        return urlencode({"step": self.step, "subtask": self.subtask, "direction": self.direction.value, "attempt": self.attempt})


def number(text: str | None) -> int:
    """Return a whole number that an address may have; 0 for anything else."""
    return int(text) if text and len(text) <= LONGEST_NUMBER and text.isascii() and text.isdecimal() else 0


def located(status: TaskStatus) -> Place | None:
    """Return the current progress: what runs, else what failed, else what was done last; None before anything was begun."""
    step = current(status)
    for sub in step.subtasks if step is not None else ():
        if sub.phase.working:
            return last_of(step, sub)
    failed = status.failed_subtask
    if failed is not None:
        return Place(failed.step, failed.subtask, failed.direction, failed.attempt)
    begun = [last_of(step, sub) for step in status.steps for sub in step.subtasks if sub.attempts]
    return begun[-1] if begun else None


def chosen(asked: Mapping[str, str], status: TaskStatus) -> Place | None:
    """Return the attempt that an address asks for, as far as there is such a one; what it leaves open is chosen as in ``located``."""
    here = located(status)
    step = next((step for step in status.steps if step.name == asked.get("step")), None)
    if step is None or not step.subtasks:
        return here
    sub = next((sub for sub in step.subtasks if sub.name == asked.get("subtask")), None)
    if sub is None:
        names = {sub.name: sub for sub in step.subtasks}
        sub = names[here.subtask] if here is not None and here.step == step.name and here.subtask in names else _foremost(step)
    direction = Direction(asked["direction"]) if asked.get("direction") in set(Direction) else direction_of(sub)
    count = attempts_in(sub, direction)
    wanted = number(asked.get("attempt"))
    return Place(step.name, sub.name, direction, wanted if 1 <= wanted <= count else count)


def is_asked(asked: Mapping[str, str], place: Place | None) -> bool:
    """Return whether a place is all that an address asks for, and not only near it."""
    here = {"step": place.step, "subtask": place.subtask, "direction": place.direction, "attempt": str(place.attempt)} if place else {}
    return all(here.get(name) == asked[name] for name in ("step", "subtask", "direction", "attempt") if asked.get(name))


def last_of(step: StepStatus | None, sub: SubtaskStatus) -> Place:
    """Return the last attempt of a subtask, in the direction that it went last."""
    direction = direction_of(sub)
    return Place(step.name if step is not None else "", sub.name, direction, attempts_in(sub, direction))


def direction_of(sub: SubtaskStatus) -> Direction:
    """Return in which direction the last attempt of a subtask went."""
    undone = sub.phase is SubtaskPhase.ROLLING_BACK or sub.phase is SubtaskPhase.ROLLED_BACK
    failed = sub.phase is SubtaskPhase.FAILED and sub.failure is not None and sub.failure.direction is Direction.ROLLBACK
    return Direction.ROLLBACK if sub.rollback_attempts and (undone or failed) else Direction.FORWARD


def attempts_in(sub: SubtaskStatus, direction: Direction) -> int:
    """Return how many attempts a subtask had in a direction."""
    return sub.rollback_attempts if direction is Direction.ROLLBACK else sub.attempts


def attempts_of(step: str, sub: SubtaskStatus) -> Iterator[Place]:
    """Yield all attempts of a subtask: forward, then those to undo it."""
    for direction in Direction:
        for attempt in range(1, attempts_in(sub, direction) + 1):
            yield Place(step, sub.name, direction, attempt)


def found(place: Place, status: TaskStatus) -> SubtaskStatus | None:
    """Return the subtask at a place."""
    return next((sub for step in status.steps if step.name == place.step for sub in step.subtasks if sub.name == place.subtask), None)


def is_last(place: Place, sub: SubtaskStatus) -> bool:
    """Return whether it is the attempt that the status itself tells of."""
    return place.direction is direction_of(sub) and place.attempt == attempts_in(sub, place.direction)


def is_running(place: Place, sub: SubtaskStatus) -> bool:
    """Return whether the attempt has not ended."""
    return sub.phase.working and is_last(place, sub)


def _foremost(step: StepStatus) -> SubtaskStatus:
    """Return the subtask of a step that a reader most likely wants: one that runs, else that failed, else that was begun."""

    def rank(sub: SubtaskStatus) -> tuple[bool, bool, bool]:
        return (not sub.phase.working, sub.phase is not SubtaskPhase.FAILED, not sub.attempts)

    return min(step.subtasks, key=rank)
