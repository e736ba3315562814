"""Owns one reconcile of one task: observe, decide, act, record, until there is nothing left to do but wait."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from obtask.cache.cluster import ClusterCache
from obtask.engine.announcing import Announcer
from obtask.engine.answers import Answers
from obtask.engine.attempts import STOPPING_PAUSE, Attempts
from obtask.engine.caretaker import Caretaker
from obtask.engine.checks import Checks
from obtask.engine.locking import Locking
from obtask.engine.outcome import Again, Done, Outcome
from obtask.engine.proofs import Proofs
from obtask.kube.api import ApiError, ApiForbidden, Json
from obtask.kube.errors import explained
from obtask.kube.leases import Lease
from obtask.kube.namespaces import OptIn
from obtask.kube.tasks import Tasks
from obtask.model.attempt import Running
from obtask.model.contract import Phase
from obtask.model.task import FINISHED, Key, Task, Unreadable
from obtask.rules import machine, restored
from obtask.rules.announcements import left_elsewhere, released
from obtask.rules.decision import (
    Check,
    Delete,
    Evaluate,
    Finish,
    Intent,
    MarkTask,
    Record,
    RemoveFinalizer,
    Rest,
    Stop,
    TakeCommand,
    TakeLock,
    VerifyLock,
)
from obtask.rules.expansion import awaits_template
from obtask.rules.observation import Observation

# After this many intents a reconcile yields to other tasks.
LONGEST_RECONCILE = 16
ENDING_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Engine:
    """Reconciles one task at a time."""

    tasks: Tasks
    cache: ClusterCache
    attempts: Attempts
    locking: Locking
    checks: Checks
    answers: Answers
    announcer: Announcer
    clock: Callable[[], datetime]
    longest_reconcile: int = LONGEST_RECONCILE
    opt_in: OptIn | None = None
    marked_at_creation: bool | None = None
    proofs: Proofs = field(default_factory=Proofs)

    async def reconcile(self, key: Key) -> Outcome:
        """Move the task on as far as possible now; return whether and when to reconcile it again.

        Raises kube.api.ApiUnavailable, or ApiForbidden, when the API server does not let the reconcile finish.
        """
        tracked = self.cache.tasks.tracked(key)
        if tracked is not None and tracked.deleted:
            await self._clean_up(key)
        if tracked is not None and tracked.stale and not await self._refresh(key):
            return Done()
        began_at = self.answers.stand(self.cache.tasks.metadata(key))
        for _ in range(self.longest_reconcile):
            task = self.cache.tasks.get(key)
            match task:
                case None:
                    return Done()
                case Unreadable():
                    return await self._look_after(task)
                case Task():
                    outcome = await self._step(task)
            if outcome is not None:
                return outcome
        if self.longest_reconcile > 1 and began_at is not None and began_at == self.answers.stand(self.cache.tasks.metadata(key)):
            # Writes were refused as if by a race: retried at full speed, they would occupy a worker and the API server for ever.
            raise ApiForbidden(f"nothing of what {key} needs could be written in {self.longest_reconcile} tries")
        return Again(timedelta())

    async def _step(self, task: Task) -> Outcome | None:
        """Observe, decide, act and record once; None: decide again from the new state."""
        observed = await self._observe(task)
        intent = machine.decide(task, observed)
        claim = None
        if isinstance(intent, TakeLock | VerifyLock):
            answered = await self.locking.ask(task, intent, self.clock())
            if answered is None:
                return None
            claim = answered.give_back
            intent = await self.answers.decided(task, replace(observed, now=self.clock(), answer=answered.answer))
        return await self._act(task, intent, claim)

    async def _act(self, task: Task, intent: Intent, claim: Lease | None) -> Outcome | None:
        """Carry out the intent. ``claim`` is given back once the record is stored."""
        match intent:
            case Rest():
                return await self._rest(task, intent)
            case Check(questions=questions):
                self.checks.ask(task.key, questions)
                return Done()
            case Evaluate():
                return await self._evaluate(task, intent)
            case Delete():
                await self._delete(task)
                return await self._rest(task, Rest())
            case MarkTask() as mark:
                return self._gone_on(task, there=await self._updated(task, await self.tasks.adopt(task, mark)))
            case TakeCommand(command=command, again=again):
                noted = self.proofs.learned(task, command, await self.tasks.note_command(task, command, again=again))
                return self._gone_on(task, there=await self._updated(task, noted))
            case TakeLock() | VerifyLock():
                return None
            case Record():
                return self._gone_on(task, there=await self._store(task, intent, claim))
            case Stop():
                return await self._stop(task, intent)
            case Finish():
                return self._gone_on(task, there=await self._finish(task))
            case RemoveFinalizer():
                return self._gone_on(task, there=await self._let_go(task))
            case never:
                assert_never(never)

    async def _evaluate(self, task: Task, intent: Evaluate) -> Outcome | None:
        if await self.answers.ask(task, intent.question):
            return None
        return Done() if intent.meanwhile is None else self._gone_on(task, there=await self._store(task, intent.meanwhile, None))

    def _gone_on(self, task: Task, *, there: bool) -> Outcome | None:
        if there:
            return None
        return Again(STOPPING_PAUSE) if self.attempts.runs(task.key, task.metadata.uid) else Done()

    async def _stop(self, task: Task, intent: Stop) -> Outcome | None:
        await self.attempts.cancel(intent.attempts)
        reports = await self.attempts.look(task)
        if not all(isinstance(reports[attempt.id].state, Running) for attempt in intent.attempts):
            return None
        if intent.meanwhile is not None and await self._act(task, intent.meanwhile, None) is None:
            return None
        return Again(STOPPING_PAUSE)

    async def _rest(self, task: Task, intent: Rest) -> Outcome:
        if not task.status.phase.finished:
            return Again(self.locking.look_again_in(task, intent.wake_at, self.clock()))
        if not await self.attempts.wound_up(task):
            return Again(STOPPING_PAUSE)
        await self.locking.take_back(task)
        # Another operator may have finished the task.
        self.attempts.settle(task)
        return Done() if self._is_over(task) else Again(ENDING_PAUSE)

    def _is_over(self, task: Task | Unreadable) -> bool:
        """Forget a finished task if the watch, which has the last word, told of its end; return whether nothing is left to forget."""
        tracked = self.cache.tasks.tracked(task.key)
        if tracked is None:
            return True
        over = tracked.ended()
        if over:  # if the event came before our answer, no other one will come
            self.cache.forget(task.key, task.metadata.uid, deleted=False)
        return over

    async def _look_after(self, task: Unreadable) -> Outcome:
        """Do what can be done for a task with an unreadable status; return whether and when to reconcile it again."""
        answer = await Caretaker(self.tasks, self.attempts, self.announcer, self.clock, self.cache.tasks).look(task)
        if answer is None:
            return await self._rest_unreadable(task)
        if isinstance(answer, timedelta):
            return Again(answer)
        if isinstance(answer, RemoveFinalizer):
            await self.attempts.abandon(task.key, None)
            await self.locking.free_deleted(task.key)
            answer = await self.tasks.remove_finalizer(task)
        return Again(timedelta()) if await self._updated(task, answer) else Done()

    async def _rest_unreadable(self, task: Unreadable) -> Outcome:
        if task.phase in FINISHED:
            if not await self.attempts.wound_up(task):
                return Again(STOPPING_PAUSE)
            self._is_over(task)
        return Done()

    async def _refresh(self, key: Key) -> bool:
        """Read a task whose cached version may be wrong; return whether it still exists."""
        if (tracked := self.cache.tasks.tracked(key)) is not None:
            tracked.mark_fresh()
        cached = self.cache.tasks.get(key)
        return cached is None or await self.read_again(cached)

    async def _observe(self, task: Task) -> Observation:
        # The attempts in the status of a copy belong to another object, and may run elsewhere.
        copied = restored.fault(task, holds_lock=self.locking.holds(task), marked_at_creation=self.marked_at_creation)
        reports = await self.attempts.look(task) if copied is None else {}
        observed = replace(self.locking.observe(task, reports, self.clock()), groups_proven=self.proofs.cover(task))
        progress_at, remarks, answers = self.attempts.progress_at(task), self.attempts.remarks(task), self.answers.known(task.metadata.uid)
        marked = self.marked_at_creation
        observed = replace(observed, progress_at=progress_at, remarks=remarks, answers=answers, marked_at_creation=marked)
        if not task.status.phase.in_line:
            return observed
        is_open = task.status.phase is not Phase.PENDING or self.opt_in is None or await self.opt_in.includes(task.metadata.namespace)
        template = await self.tasks.template(task) if is_open and awaits_template(task) else None
        return replace(observed, verdicts=self.checks.verdicts(task), opted_in=is_open, template=template)

    async def _delete(self, task: Task) -> None:
        """Delete a finished task at once if its time to live is zero; otherwise, or if that is refused, it is left to the cleaner."""
        if not isinstance(await self.tasks.delete(task.key, task.metadata.uid), ApiError):
            self.announcer.deleted()

    async def _finish(self, task: Task) -> bool:
        if not await self.attempts.wound_up(task):
            return False
        awaited = await self.locking.release(task)
        if awaited is not None:
            self.announcer.say(task, released(awaited.scope.value, awaited.lease_name))
        self.attempts.settle(task)
        return await self._updated(task, await self.tasks.remove_finalizer(task))

    async def _let_go(self, task: Task) -> bool:
        left, answer = self.attempts.left_behind(task), await self.tasks.remove_finalizer(task)
        if isinstance(answer, ApiError) and not answer.missing:
            return await self._updated(task, answer)
        if left is not None:
            self.announcer.say(task, left_elsewhere(left))
        self.cache.forget(task.key, task.metadata.uid, deleted=True)
        await self._clean_up(task.key)
        return False

    async def _store(self, task: Task, record: Record, claim: Lease | None) -> bool:
        self.attempts.intend(record.start)
        await self.attempts.conclude(task, record.status)
        answer = await self.tasks.write_status(task, record.status)
        if isinstance(answer, ApiError):
            there = await self._updated(task, answer)
            fresh = self.cache.tasks.get(task.key)
            self.attempts.refused(record.start, fresh if isinstance(fresh, Task) else None)
            return there
        self.cache.update(answer)
        stored = replace(task, status=record.status)
        if claim is not None:
            await self.locking.give_back(claim)
        if task.metadata.uid in self._deleted(task.key):
            self.attempts.refused(record.start, None)
            return True
        await self.attempts.start(record.start)
        await self.attempts.cancel(record.cancel)
        self.attempts.settle(stored)
        (self.answers.forget if stored.status.phase.finished else self.answers.used)(task.metadata.uid)
        self.locking.stored(stored, self.clock())
        self.announcer.announce(task, record)
        return True

    def _deleted(self, key: Key) -> frozenset[str]:
        return tracked.deleted if (tracked := self.cache.tasks.tracked(key)) is not None else frozenset()

    async def _clean_up(self, key: Key) -> None:
        """Stop the attempts of deleted tasks of this name, and free their Leases."""
        cached, deleted = self.cache.tasks.metadata(key), self._deleted(key)
        self.checks.forget(key)
        for uid in deleted:
            self.answers.forget(uid)
        await self.attempts.abandon(key, cached.uid if cached else None, deleted)
        await self.locking.free_deleted(key)
        self.cache.tasks.cleaned_up(key, deleted)

    async def _updated(self, task: Task | Unreadable, answer: Json | ApiError) -> bool:
        """Update the cache with the answer to a write; after an error read the task again. Return whether it still exists."""
        if not isinstance(answer, ApiError):
            self.cache.update(answer)
            return True
        if not (answer.conflict or answer.missing):
            raise ApiForbidden(f"write to {task.key} refused: {explained(answer)}")
        return await self.read_again(task)

    async def read_again(self, task: Task | Unreadable) -> bool:
        """Read a task from the API server, and clean up if it is gone or was replaced by a namesake. Return whether there is one."""
        fresh = await self.tasks.get(task.key)
        if isinstance(fresh, ApiError) and not fresh.missing:
            raise ApiForbidden(f"cannot read {task.key}: {explained(fresh)}")
        if isinstance(fresh, ApiError) or fresh["metadata"]["uid"] != task.metadata.uid:
            self.cache.forget(task.key, task.metadata.uid, deleted=True)
            await self._clean_up(task.key)
        if isinstance(fresh, ApiError):
            return False
        self.cache.update(fresh)
        return True
