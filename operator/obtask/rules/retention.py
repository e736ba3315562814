"""Owns which finished tasks are kept, and for how long. A Failed task is not finished and is none of these."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from obtask import names


class DeletionCause(StrEnum):
    """Why a finished task is not kept."""

    AGE = "age"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Retention:
    """How many finished tasks are kept in a namespace, and how long those without a time of their own; None: for ever, all."""

    ttl_seconds: int | None = None
    history_limit: int | None = None

    @property
    def keeps_everything(self) -> bool:
        """True if nothing is ever deleted by it."""
        return self.ttl_seconds is None and self.history_limit is None


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished task, in as few words as the rule needs. ``own_ttl``: its own time in seconds. ``spared``: nothing else ends it."""

    namespace: str
    name: str
    uid: str
    version: str
    finished_at: datetime
    own_ttl: int | None = None
    spared: bool = False

    @property
    def over(self) -> datetime | None:
        """When its own time is over; None if it has none, or if that is later than any date."""
        try:
            return None if self.own_ttl is None else self.finished_at + timedelta(seconds=self.own_ttl)
        except OverflowError:
            return None


def is_kept_elsewhere(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Return whether a GitOps tool keeps the task: it makes it again when it is gone, and then it runs again."""
    if any(mark in annotations for mark in names.KEEPER_ANNOTATIONS) or any(mark in labels for mark in names.KEEPER_LABELS):
        return True
    kept_by_argo = any(mark in annotations for mark in names.ARGO_ANNOTATIONS) or any(mark in labels for mark in names.ARGO_LABELS)
    return kept_by_argo and names.HOOK_ANNOTATION not in annotations


def may_be_kept_elsewhere(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Return whether the task is spared where nobody has asked for its end: a label that others use, too, is enough."""
    shared = names.SHARED_LABEL in labels and names.HOOK_ANNOTATION not in annotations
    return shared or is_kept_elsewhere(labels, annotations)


def surplus(tasks: Iterable[Finished], retention: Retention, now: datetime) -> list[tuple[Finished, DeletionCause]]:
    """Return which tasks are not kept, and why, the one that finished first at the head.

    The limit counts every one of these in a namespace that is not spared; the time concerns only tasks that say none themselves.
    """
    listed = sorted(tasks, key=age)
    by_namespace: defaultdict[str, list[Finished]] = defaultdict(list)
    for task in listed:
        if not task.spared:
            by_namespace[task.namespace].append(task)
    own = sorted((task for task in listed if task.over is not None), key=over)
    return surplus_in_order(by_namespace.values(), own, retention, now)


def surplus_in_order(
    by_namespace: Iterable[Sequence[Finished]], own: Iterable[Finished], retention: Retention, now: datetime
) -> list[tuple[Finished, DeletionCause]]:
    """Return the same of tasks that are in order, without a look at more of them than there are to return.

    ``by_namespace``: those that are not spared, by ``age``. ``own``: those with a time of their own, by when it is ``over``.
    """
    ended = list(takewhile(lambda task: task.over is not None and task.over <= now, own))
    found = [(task, DeletionCause.AGE) for task in ended]
    if not retention.keeps_everything:
        gone = {task.uid for task in ended}
        ended_in = Counter(task.namespace for task in ended if not task.spared)
        found += [
            each for tasks in by_namespace if tasks for each in _of_namespace(tasks, gone, ended_in[tasks[0].namespace], retention, now)
        ]
    return sorted(found, key=lambda each: age(each[0]))


def _of_namespace(
    tasks: Sequence[Finished], gone: Container[str], ended: int, retention: Retention, now: datetime
) -> Iterator[tuple[Finished, DeletionCause]]:
    too_many = 0 if retention.history_limit is None else len(tasks) - ended - retention.history_limit
    for task in tasks:
        old = _is_old(task, retention, now)
        if too_many <= 0 and not old:
            return  # nor is any that finished later
        if task.uid in gone:
            continue
        too_many -= 1
        if old and task.own_ttl is None:
            yield task, DeletionCause.AGE
        elif too_many >= 0:
            yield task, DeletionCause.NUMBER


def _is_old(task: Finished, retention: Retention, now: datetime) -> bool:
    return retention.ttl_seconds is not None and task.finished_at + timedelta(seconds=retention.ttl_seconds) <= now


def age(task: Finished) -> tuple[datetime, str, str]:
    """Return the order in which tasks finished."""
    return task.finished_at, task.name, task.uid


def over(task: Finished) -> tuple[datetime, str]:
    """Return the order in which the tasks' own times are over; for tasks that have one."""
    return task.over or task.finished_at, task.uid
