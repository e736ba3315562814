"""Owns the handling of tasks with an unreadable status: see rules.unreadable."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.cache.tasks import TaskCache
from obtask.engine.announcing import Announcer
from obtask.engine.attempts import STOPPING_PAUSE, Attempts
from obtask.kube.api import ApiError, Json
from obtask.kube.tasks import Tasks
from obtask.model.task import Unreadable
from obtask.rules.decision import RemoveFinalizer, Rest, TakeCommand
from obtask.rules.unreadable import Amend, care


@dataclass(frozen=True, slots=True)
class Caretaker:
    """Looks after tasks that cannot be read."""

    tasks: Tasks
    attempts: Attempts
    announcer: Announcer
    clock: Callable[[], datetime]
    cache: TaskCache

    async def look(self, task: Unreadable) -> Json | ApiError | RemoveFinalizer | timedelta | None:
        """Do the next thing: return what the API server answered, RemoveFinalizer when its finalizer is to go, or None when it can rest.

        What runs of a task that is to end is stopped first: that takes this time at most until the next look.
        """
        intent = care(task, self.clock())
        if (isinstance(intent, RemoveFinalizer) or (isinstance(intent, Amend) and intent.ends)) and not await self.attempts.wound_up(task):
            return STOPPING_PAUSE
        match intent:
            case Amend() as amend:
                return await self._amend(task, amend)
            case TakeCommand(command=command):
                return await self.tasks.note_command(task, command)
            case RemoveFinalizer() as end:
                return end
            case Rest():
                return None

    async def _amend(self, task: Unreadable, amend: Amend) -> Json | ApiError | None:
        answer = await self.tasks.amend_status(task, amend.change)
        refused = isinstance(answer, ApiError) and not (answer.conflict or answer.missing)
        if refused and amend.instead is not None:
            answer = await self.tasks.write_status(task, amend.instead)
        elif refused:  # any write would lose what is stored: report it by an Event, once
            if self.cache.track(task.key).first_note():
                self.announcer.say(task, amend.said)
            return None
        if not isinstance(answer, ApiError):
            self.announcer.say(task, amend.said)
        return answer
