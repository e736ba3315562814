"""Owns what is known of a failure: in which other tasks of the namespace the same was seen before, and what became of those."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from obtask.kube.api import ApiError, Inspects, Json
from obtask.kube.config_maps import ConfigMaps
from obtask.model.contract import Phase
from obtask.model.status import FailedSubtask
from obtask.model.task import Task
from obtask.web.detail.log_reading import KeptLog, kept_log
from obtask.web.extras import extra
from obtask.web.views.rows import Row

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Earlier:
    """A task that failed in the same way, and when it did so last."""

    row: Row
    at: datetime


@dataclass(frozen=True, slots=True)
class Before:
    """The tasks that failed in the same way. ``since``: when the first of them did; ``shown``: the newest, the newest first."""

    count: int
    since: datetime
    phases: tuple[tuple[Phase, int], ...]
    shown: tuple[Earlier, ...]


async def kept_failures(api: Inspects, task: Task) -> Sequence[KeptLog]:
    """Return which attempts of other tasks of the namespace failed as this task did, by the logs that are kept of failed attempts.

    There are none for a task that has not failed, or if the visitor may not know, or not soon. Raises kube.api.ApiUnauthorized.
    """
    failed = task.status.failed_subtask
    if task.status.phase is not Phase.FAILED or failed is None:
        return ()
    listed = await extra(ConfigMaps(api).of_tasks(task.metadata.namespace), [])
    found = [log for meta in listed if (log := _read(meta)) is not None] if not isinstance(listed, ApiError) else []
    return [log for log in found if _is_same(log, failed) and log.attempt.uid != task.metadata.uid]


def before(task: Task, kept: Iterable[KeptLog], rows: Mapping[str, Row]) -> Before | None:
    """Return where the failure of a task was seen before, None if it was not. ``rows``: the tasks that the visitor sees, by uid."""
    failed = task.status.failed_subtask
    if failed is None:
        return None
    when: dict[str, datetime] = {}
    for log in kept:
        uid, at = log.attempt.uid, log.finished_at
        if at is not None and at < failed.failed_at and uid in rows:
            when[uid] = max(at, when.get(uid, at))
    if not when:
        return None
    found = sorted((Earlier(rows[uid], at) for uid, at in when.items()), key=lambda each: each.at, reverse=True)
    phases = [each.row.phase for each in found]
    counts = tuple((phase, phases.count(phase)) for phase in Phase if phase in phases)
    return Before(len(found), found[-1].at, counts, tuple(found[:MOST_SHOWN]))


def _read(meta: Json) -> KeptLog | None:
    owners = meta.get("ownerReferences") or ()
    return next((log for owner in owners if (log := kept_log(meta, str(owner.get("uid")))) is not None), None)


def _is_same(log: KeptLog, failed: FailedSubtask) -> bool:
    outcome = " ".join(filter(None, (failed.reason.value, failed.code)))
    return (log.attempt.step, log.attempt.direction, log.outcome) == (failed.step, failed.direction, outcome)
