"""Owns the effects of a reconcile on attempts: starting, observing, stopping."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from obtask.engine.log_keeping import LogKeeping
from obtask.executors.base import Executor, LooksAfter
from obtask.logs.memory import LogMemory
from obtask.logs.text import AttemptLog
from obtask.model.actions import Action, ApproveAction
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Running, Succeeded
from obtask.model.contract import Left, Phase
from obtask.model.limits import TAIL_BYTES, tail_room
from obtask.model.reasons import FailureReason
from obtask.model.status import TaskStatus
from obtask.model.task import Key, Task, Unreadable
from obtask.model.values import leaves
from obtask.rules import elsewhere
from obtask.rules.afterwards import left_attempts
from obtask.rules.approval import APPROVED
from obtask.rules.attempts import PROGRESS_SHOWN_EVERY
from obtask.rules.observation import ObservedAttempt
from obtask.rules.subtask_context import running_attempts

ELSEWHERE_PAUSE = timedelta(seconds=3)
STOPPING_PAUSE = timedelta(seconds=5)


@dataclass(slots=True)
class _Live:
    """An attempt with its log, its final state once that was observed, and the text that people were shown last."""

    attempt: Attempt
    log: AttemptLog
    end: ObservedAttempt | None = None
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptsDump:
    """What is remembered of attempts without their logs: the live ones, those about to start, and those that have ended."""

    live: tuple[Attempt, ...]
    intended: tuple[AttemptId, ...]
    ends: Mapping[AttemptId, ObservedAttempt]


class Attempts:
    """The attempts that this operator is responsible for."""

    def __init__(
        self,
        executors: Mapping[type[Action], Executor],
        logs: LogKeeping,
        clock: Callable[[], datetime],
        runner: str,
        works_elsewhere: Callable[[str], bool],
        *,
        memory: LogMemory | None = None,
    ) -> None:
        self._memory = memory or LogMemory()
        self._runner = runner
        self._works_elsewhere = works_elsewhere
        self._executors = executors
        self._logs = logs
        self._clock = clock
        self._live: dict[AttemptId, _Live] = {}
        self._live_of: dict[Key, set[AttemptId]] = {}  # all that there is under a task's name
        self._intended: set[AttemptId] = set()
        self._shown_at: dict[str, datetime] = {}  # by uid of the task

    def dump(self) -> AttemptsDump:
        """Return what is remembered."""
        ends = {name: entry.end for name, entry in self._live.items() if entry.end is not None}
        return AttemptsDump(tuple(entry.attempt for entry in self._live.values()), tuple(self._intended), ends)

    def restore(self, dump: AttemptsDump) -> None:
        """Restore what was dumped; nothing else may be remembered yet."""
        for attempt in dump.live:
            self._watched(attempt).end = dump.ends.get(attempt.id)
        self._intended.update(dump.intended)

    def intend(self, attempts: tuple[Attempt, ...]) -> None:
        """Remember attempts that are about to be recorded: if the answer gets lost, it is known that they were not started."""
        self._intended |= {attempt.id for attempt in attempts}

    def refused(self, attempts: tuple[Attempt, ...], task: Task | None) -> None:
        """Note that a record was refused: only attempts that the current version of the task records may still be started.

        A write that was carried out, but not answered, is sent again by the HTTP library, and refused the second time.
        """
        recorded = {attempt.id for attempt in running_attempts(task)} if task is not None else set[AttemptId]()
        self._intended -= {attempt.id for attempt in attempts} - recorded

    async def start(self, attempts: tuple[Attempt, ...]) -> None:
        """Start attempts that are recorded; to start one twice is harmless."""
        for attempt in attempts:
            self._intended.discard(attempt.id)
            await self._executor(attempt).start(attempt, self._watched(attempt).log)

    async def look(self, task: Task) -> dict[AttemptId, ObservedAttempt]:
        """Return the state of every attempt of the task that is unfinished according to its status."""
        return {attempt.id: await self._report(task, attempt) for attempt in running_attempts(task)}

    async def show_logs(self) -> None:
        """Publish what running attempts have written so far."""
        running = [(entry.attempt, entry.log) for entry in self._live.values() if self._is_running(entry.attempt.id)]
        await self._logs.show(running, self._is_running)

    async def cancel(self, attempts: tuple[Attempt, ...]) -> None:
        """Ask attempts to stop; a later observation tells when they have stopped."""
        for attempt in attempts:
            await self._executor(attempt).cancel(attempt)

    def progress_at(self, task: Task) -> datetime | None:
        """Return when new progress of a task may be shown: an attempt that polls every second must not cause a write every second."""
        shown = self._shown_at.get(task.metadata.uid)
        return shown and shown + PROGRESS_SHOWN_EVERY

    def remarks(self, task: Task) -> Mapping[str, str | None]:
        """Return, by subtask, what became of the things that the failed attempts of a task left elsewhere while it waits for a person."""
        if task.status.phase is not Phase.FAILED:
            return {}
        remarks: dict[str, str | None] = {}
        for attempt in left_attempts(task):
            executor = self._executor(attempt)
            if isinstance(executor, LooksAfter):
                remarks[attempt.id.subtask] = executor.remark(attempt)
        return remarks

    def left_behind(self, task: Task) -> str | None:
        """Return what a task that is being deleted leaves elsewhere, also by attempts that were stopped for the deletion."""
        told = [text] if (text := elsewhere.left_behind(task.status)) else []
        for attempt in running_attempts(task):
            entry = self._live.get(attempt.id)
            state = entry.end.state if entry is not None and entry.end is not None else None
            if isinstance(state, Failed) and state.external is not None and state.left is not Left.RELEASED:
                told.append(elsewhere.left_of(state.external, attempt.id.subtask, state.left))
        return "; ".join(told) or None

    async def conclude(self, task: Task, status: TaskStatus) -> None:
        """Complete what people can read of the attempts that this status ends by an approval: they do not report an end themselves."""
        asking = [self._live[name] for name in self._running(task.key, task.metadata.uid)]
        asking = [entry for entry in asking if isinstance(entry.attempt.action, ApproveAction)]
        alive = {attempt.id for attempt in running_attempts(replace(task, status=status))} if asking else set[AttemptId]()
        for entry in asking:
            if entry.attempt.id not in alive:
                entry.log.write(APPROVED)
                await self._logs.ended(entry.attempt, entry.log, Succeeded(APPROVED), TAIL_BYTES)

    def settle(self, task: Task) -> None:
        """Forget the attempts that have ended according to the stored status; an end that is not recorded yet stays."""
        running = running_attempts(task)
        alive = {attempt.id for attempt in running}
        self._note_progress(task, running)
        mine = self._live_of.get(task.key, ())
        for name in [name for name in mine if name.uid == task.metadata.uid and name not in alive]:
            self._forget(name)

    def _note_progress(self, task: Task, running: Sequence[Attempt]) -> None:
        uid = task.metadata.uid
        said = {(step.name, sub.name): sub.message for step in task.status.steps for sub in step.subtasks}
        now_shown = {one.id: text for one in running if (text := said.get((one.id.step, one.id.subtask))) and one.id in self._live}
        if any(self._live[name].shown != text for name, text in now_shown.items()):
            self._shown_at[uid] = self._clock()
        for name, text in now_shown.items():
            self._live[name].shown = text
        if not running:
            self._shown_at.pop(uid, None)

    def key_of(self, name: AttemptId) -> Key | None:
        """Return the task of an attempt, if this operator is responsible for it."""
        entry = self._live.get(name)
        return Key(entry.attempt.namespace, entry.attempt.task) if entry else None

    async def abandon(self, key: Key, successor: str | None, deleted: frozenset[str] = frozenset()) -> None:
        """Stop and forget the attempts of deleted tasks of this name; ``successor`` is the uid of the one that exists.

        Those of the ``deleted`` that were recorded, but never started, are forgotten, too.
        """
        gone = [(name, self._live[name]) for name in self._live_of.get(key, ()) if name.uid != successor]
        for name, entry in gone:
            await self._executor(entry.attempt).cancel(entry.attempt)
            self._forget(name)
        dead = {name.uid for name, _ in gone} | (deleted - {successor})
        self._intended = {name for name in self._intended if name.uid not in dead}

    async def wound_up(self, task: Task | Unreadable) -> bool:
        """Stop everything that runs here of a task that ends, whatever its status says; return whether nothing runs any more."""
        for name in self._running(task.key, task.metadata.uid):
            entry = self._live[name]
            await self._executor(entry.attempt).cancel(entry.attempt)
            state = await self._executor(entry.attempt).observe(entry.attempt, entry.log)
            if not isinstance(state, Running):
                await self._logs.ended(entry.attempt, entry.log, state, room=0)
                self._forget(name)
        return not self.runs(task.key, task.metadata.uid)

    def runs(self, key: Key, uid: str) -> bool:
        """Return whether something of this very task runs here."""
        return bool(self._running(key, uid))

    def _running(self, key: Key, uid: str) -> list[AttemptId]:
        return [name for name in self._live_of.get(key, ()) if name.uid == uid and self._is_running(name)]

    def _forget(self, name: AttemptId) -> None:
        entry = self._live.pop(name, None)
        self._logs.forget(name)
        if entry is None:
            return
        entry.log.close()
        key = Key(entry.attempt.namespace, entry.attempt.task)
        self._live_of[key].discard(name)
        if not self._live_of[key]:
            del self._live_of[key]
            self._shown_at.pop(name.uid, None)
        self._executor(entry.attempt).forget(name)

    async def _report(self, task: Task, attempt: Attempt) -> ObservedAttempt:
        if (live := self._live.get(attempt.id)) is not None and live.end is not None:
            return live.end
        leaving = task.metadata.deletion_timestamp is not None
        if attempt.id in self._intended and attempt.runner == self._runner and not leaving:
            await self.start((attempt,))
        if attempt.runner not in (None, self._runner) and self._works_elsewhere(attempt.runner or ""):
            return ObservedAttempt(Running(wake_at=self._clock() + ELSEWHERE_PAUSE))
        if attempt.id not in self._live:
            await self._logs.recall(attempt, self._watched(attempt).log)
        entry = self._watched(attempt)
        state = await self._executor(attempt).observe(attempt, entry.log)
        match state:
            case Running(message=message):
                shown = message and await self._logs.masked(attempt, entry.log, message)
                stage = state.stage and await self._logs.masked(attempt, entry.log, state.stage)
                return ObservedAttempt(replace(state, message=shown, stage=stage))
            case Succeeded():
                ended: Succeeded | Failed | Lost = await self._succeeded(attempt, entry.log, state)
            case Failed(message=message):
                ended = replace(state, message=await self._logs.masked(attempt, entry.log, message))
            case Lost():
                ended = state
        room = tail_room(task.plan.subtask_count)
        report = await self._logs.ended(attempt, entry.log, ended, room)
        entry.end = report
        return report

    async def _succeeded(self, attempt: Attempt, log: AttemptLog, state: Succeeded) -> Succeeded | Failed:
        """Return the success with its message masked; a secret in its outputs, in one piece or in several, makes a failure of it."""
        told: list[str] = []
        for name, value in state.outputs.items():
            told += (name, *leaves(value))
            if await self._logs.reveals(attempt, log, told):
                why = f"outputs.{name} would show what is in a Secret; what the step does is done"
                return Failed(FailureReason.INVALID_EXPRESSION, why, permanent=True, external=state.external)
        return replace(state, message=state.message and await self._logs.masked(attempt, log, state.message))

    def _is_running(self, name: AttemptId) -> bool:
        return name in self._live and self._live[name].end is None

    def _watched(self, attempt: Attempt) -> _Live:
        entry = self._live.get(attempt.id)
        if entry is None:
            log = AttemptLog(clock=self._clock, room=self._memory.of(attempt.namespace))
            entry = self._live[attempt.id] = _Live(attempt, log)
            self._live_of.setdefault(Key(attempt.namespace, attempt.task), set()).add(attempt.id)
        return entry

    def _executor(self, attempt: Attempt) -> Executor:
        return self._executors[type(attempt.action)]
