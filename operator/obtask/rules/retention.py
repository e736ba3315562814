"""Owns which finished tasks are kept, and for how long. A Failed task is not finished and is none of these."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from obtask import names


class Cause(StrEnum):
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


def surplus(tasks: Iterable[Finished], retention: Retention, now: datetime) -> list[tuple[Finished, Cause]]:
    """Return which tasks are not kept, and why, the one that finished first at the head.

    The limit counts every one of these in a namespace that is not spared; the time concerns only tasks that say none themselves.
    """
    places: defaultdict[str, list[Finished]] = defaultdict(list)
    found: list[tuple[Finished, Cause]] = []
    for task in tasks:
        if task.over is not None and task.over <= now:
            found.append((task, Cause.AGE))
        elif not (task.spared or retention.keeps_everything):
            places[task.namespace].append(task)
    found += [each for place in places.values() for each in _of_one_place(place, retention, now)]
    return sorted(found, key=lambda each: _age(each[0]))


def _of_one_place(tasks: list[Finished], retention: Retention, now: datetime) -> Iterator[tuple[Finished, Cause]]:
    limit = len(tasks) if retention.history_limit is None else retention.history_limit
    for place, task in enumerate(sorted(tasks, key=_age, reverse=True)):
        if _too_old(task, retention, now):
            yield task, Cause.AGE
        elif place >= limit:
            yield task, Cause.NUMBER


def _too_old(task: Finished, retention: Retention, now: datetime) -> bool:
    if retention.ttl_seconds is None or task.own_ttl is not None:
        return False
    return task.finished_at + timedelta(seconds=retention.ttl_seconds) <= now


def _age(task: Finished) -> tuple[datetime, str, str]:
    return task.finished_at, task.name, task.uid
