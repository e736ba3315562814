"""Owns reporting why a task makes no progress: by an Event, and in the status where that can be written; at a limited rate."""

from datetime import datetime, timedelta

from obtask.cache.tracked import Tracked
from obtask.engine.reconcile import Engine
from obtask.kube.api import ApiError
from obtask.model.task import Key, Task
from obtask.rules import held_up, machine
from obtask.rules.announcements import Announcement
from obtask.rules.decision import Record
from obtask.rules.observation import Hindered, Observation

TRIES = 2
# Events expire after an hour by default: the same reason is reported again before that.
SAME_AGAIN = timedelta(minutes=30)
# The words of an error may differ each time: another text is reported no sooner than this.
OTHER_AGAIN = timedelta(minutes=1)


def is_due(tracked: Tracked, why: str, now: datetime) -> bool:
    """Return whether this is to be reported now, and note that it was."""
    if tracked.told_at is not None and now - tracked.told_at < (SAME_AGAIN if tracked.told == why else OTHER_AGAIN):
        return False
    tracked.tell(why, now)
    return True


async def explain(engine: Engine, key: Key, why: str) -> None:
    """Say by an Event, and in an unfinished task's status, why it does not get on. Raises kube.api.ApiUnavailable, or ApiForbidden."""
    task = engine.cache.tasks.get(key)
    if task is None:
        return
    engine.announcer.say(task, Announcement(warning=True, reason=held_up.REASON, message=why))
    for _ in range(TRIES):
        if not isinstance(task, Task) or task.status.phase.finished:
            return  # a finished status is final
        record = machine.decide(task, Observation(engine.clock(), answer=Hindered(why)))
        if not isinstance(record, Record) or record.status == task.status:
            return
        answer = await engine.tasks.write_status(task, record.status)
        if not isinstance(answer, ApiError):
            engine.cache.update(answer)
            return
        if not answer.conflict or not await engine.read_again(task):
            return
        task = engine.cache.tasks.get(key)
