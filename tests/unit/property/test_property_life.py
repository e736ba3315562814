"""The life of random tasks: outcomes, commands, crashes, locks and deletions in any order, and what holds whatever happens."""

from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.builders import TaskBuilder
from tests.support.world import Crash
from tests.unit.property import strategies
from tests.unit.property.watched import WatchedWorld

from obtask import names
from obtask.model.action_expressions import outputs_of
from obtask.model.actions import ApproveAction
from obtask.model.attempt import Attempt, Outcome, Succeeded
from obtask.model.command import Command
from obtask.model.contract import ActionResult, Direction, Phase, Verb
from obtask.model.status import Blocker
from obtask.model.task import read_task
from obtask.rules import machine
from obtask.rules.decision import Finish, Record, Rest, TakeLock, VerifyLock
from obtask.rules.observation import Hindered

STRANGER = "stranger/uid-of-stranger"
# What the task gets after something has happened: reconciles until it rests, one reconcile, one in which the operator dies, or none yet.
Follows = Literal["rest", "reconcile"] | Crash | None
FOLLOWS: st.SearchStrategy[Follows] = st.sampled_from(["rest", "rest", "rest", "reconcile", *Crash, None])
EVENTS = [
    "a moment passes",
    "an hour passes",
    "progress is told",
    "crash",
    "operator stops",
    "Lease emptied",
    "Lease taken",
    "slow stops",
    "no refresh",
    "finalizer taken off",
    "deletion",
]
VERBS = st.sampled_from([*Verb, "nonsense"])
KEYS = [("action",), ("_action",), ("action", "_action")]


class TaskLife(RuleBasedStateMachine):
    """Lets anything happen to a task, and to the next one when that one is finished."""

    world: WatchedWorld
    tried_after = 0

    @initialize(task=strategies.tasks())
    def create(self, task: TaskBuilder) -> None:
        """Start with a new task."""
        self.world = WatchedWorld(task)
        self.tried_after = 0

    @property
    def there(self) -> bool:
        """Whether there is a task."""
        return not self.world.api.gone

    @property
    def failed(self) -> bool:
        """Whether the task waits for a person who may do something."""
        return self.there and self.world.phase is Phase.FAILED and bool(self.world.status.allowed_actions)

    @property
    def over(self) -> bool:
        """Whether nothing is left of the task but its record."""
        return not self.there or (self.world.phase.finished and names.FINALIZER not in self.world.task.metadata.finalizers)

    def _then(self, follows: Follows) -> None:
        """Give the task its reconciles after something has happened."""
        self.world.writes_in_a_row = 0
        if not self.there:
            return
        match follows:
            case "rest":
                last = self.world.run()
                assert not self.there or not isinstance(last, Rest) or self.world.decide() == last
            case "reconcile":
                self.world.reconcile()
            case Crash():
                self.world.reconcile(follows)
            case None:
                return

    @precondition(lambda self: self.over)
    @rule(task=strategies.tasks(), follows=FOLLOWS)
    def next_task(self, task: TaskBuilder, follows: Follows) -> None:
        """Go on with another task."""
        self.create(task)
        self._then(follows)

    def _end(self, attempt: Attempt, outcome: Outcome, tail: str | None = None) -> None:
        """End an attempt; one that succeeds gives away what its action promises, another value each time."""
        if isinstance(outcome, Succeeded) and isinstance(attempt.action, ApproveAction):
            self.world.api.annotate(action=Verb.APPROVE)  # nothing else ends it well
            return
        if isinstance(outcome, Succeeded):
            made = f"{attempt.id.direction.value} {attempt.id.number}"
            outcome = replace(outcome, outputs=dict.fromkeys(outputs_of(attempt.action), made))
        self.world.executors.end(attempt.id.subtask, outcome, tail)

    @precondition(lambda self: self.there and self.world.executors.running)
    @rule(data=st.data(), follows=FOLLOWS)
    def some_attempts_end(self, data: st.DataObject, follows: Follows) -> None:
        """End some of the attempts, one way or another."""
        running = st.sampled_from(self.world.executors.running)
        for attempt in data.draw(st.lists(running, min_size=1, unique_by=lambda one: one.id)):
            self._end(attempt, data.draw(strategies.outcomes()), tail="last line")
        self._then(follows)

    @precondition(lambda self: self.there and self.world.executors.running)
    @rule(outcome=strategies.outcomes(), follows=FOLLOWS)
    def all_attempts_end(self, outcome: Outcome, follows: Follows) -> None:
        """End all attempts alike."""
        for attempt in self.world.executors.running:
            self._end(attempt, outcome)
        self._then(follows)

    @precondition(lambda self: self.there and self.world.executors.running)
    @rule()
    def step_succeeds(self) -> None:
        """Let the step, or its undo, succeed."""
        self.all_attempts_end(Succeeded(), "rest")

    @precondition(lambda self: self.failed)
    @rule()
    def person_rolls_back(self) -> None:
        """Roll a failed task back, and go on with that when it has failed."""
        self.world.api.annotate(action="rollback" if self.world.status.direction is Direction.FORWARD else "retry")
        self._then("rest")

    @precondition(lambda self: self.failed)
    @rule(data=st.data(), follows=FOLLOWS)
    def person_helps(self, data: st.DataObject, follows: Follows) -> None:
        """Give a command that is offered to a failed task."""
        self.world.api.annotate(action=data.draw(st.sampled_from(self.world.status.allowed_actions)))
        self._then(follows)

    @precondition(lambda self: self.there)
    @rule(verbs=st.lists(VERBS, min_size=2, max_size=2), keys=st.sampled_from(KEYS), follows=FOLLOWS)
    def person_tries(self, verbs: list[str], keys: tuple[str, ...], follows: Follows) -> None:
        """Give any command, or two at once."""
        self.world.api.annotate(_action_reason="because", **dict(zip(keys, verbs, strict=False)))
        self._then(follows)

    @precondition(lambda self: self.there and (self.failed or self.world.phase in {Phase.PENDING, Phase.WAITING}))
    @rule(blockers=st.one_of(st.just(()), strategies.blockers()), seen=st.booleans(), follows=FOLLOWS)
    def others_come_and_go(self, blockers: tuple[Blocker, ...], seen: bool, follows: Follows) -> None:
        """Put others in the way, or nobody; the operator need not know it yet."""
        self.world.in_the_way = blockers if seen else ()
        self.world.rivals = blockers
        self._then(follows)

    @precondition(lambda self: self.there and (self.world.draining or self.world.lease.holder == STRANGER or self.world.in_the_way))
    @rule(follows=FOLLOWS)
    def all_is_well_again(self, follows: Follows) -> None:
        """Let others go away, and another operator take over if this one was stopping."""
        self._heal()
        self._then(follows)

    def _heal(self) -> None:
        self.world.in_the_way = self.world.rivals = ()
        self.world.lease.holder = "" if self.world.lease.holder == STRANGER else self.world.lease.holder
        if self.world.draining:
            self.world.crash()

    @precondition(lambda self: self.there)
    @rule(what=st.sampled_from(EVENTS), follows=FOLLOWS)
    def something_happens(self, what: str, follows: Follows) -> None:
        """Let something happen that nobody asked for."""
        world = self.world
        match what:
            case "a moment passes":
                world.later(5)
            case "an hour passes":
                world.later(3600)
            case "progress is told":
                for attempt in world.executors.running[:1]:
                    world.executors.say(attempt.id.subtask, "x" * 600)
            case "crash":
                world.crash()
            case "operator stops":
                world.draining = True
            case "Lease emptied":
                world.lease.holder = ""
            case "Lease taken":
                world.lease.holder = STRANGER
            case "slow stops":
                world.executors.stops_at_once = not world.executors.stops_at_once
            case "no refresh":
                world.refresh_due = not world.refresh_due
            case "finalizer taken off":
                world.api.touch(Finish())
            case _:
                world.delete()
        self._then(follows)

    @rule(at_once=st.booleans())
    def answers_take_time(self, at_once: bool) -> None:
        """Let answers to what steps ask come at once, or later than the reconcile waits for them."""
        self.world.answers_at_once = at_once

    @precondition(lambda self: self.there and self.world.task.metadata.deletion_timestamp is None)
    @rule(follows=FOLLOWS)
    def somebody_else_holds_the_object(self, follows: Follows) -> None:
        """Put a finalizer on that nobody takes off; when the task is being deleted, that cannot be done any more."""
        self.world.api.body["metadata"]["finalizers"].append("x/y")
        self.world.api.annotate()
        self._then(follows)

    @precondition(lambda self: self.there and not self.world.phase.finished)
    @rule(why=st.sampled_from(["held up: no", "held up: other"]), follows=FOLLOWS)
    def api_server_refuses(self, why: str, follows: Follows) -> None:
        """Have the task say that it does not get on; it takes that back when it does."""
        told = self.world.record_of(Hindered(why))
        if told.status != self.world.status:
            self.world.perform(told)
        self._then(follows)

    @invariant()
    def what_a_deletion_owes_is_paid(self) -> None:
        """A task that is deleted and at rest has ended, holds no lock and leaves no command behind, whoever still holds the object."""
        if not hasattr(self, "world") or not self.there or self.world.task.metadata.deletion_timestamp is None:
            return
        if self.world.executors.running or not isinstance(self.world.decide(), Rest):
            return  # it has not had its reconciles yet
        self.world.run()
        assert self.world.phase.finished
        assert not self.world.holds_lease
        assert names.ACTION_ANNOTATION not in self.world.task.metadata.annotations

    @invariant()
    def commands_do_what_is_offered(self) -> None:
        """Each verb, given now, is accepted or at least tried if it is offered, and refused if not."""
        if not hasattr(self, "world") or not self.there or len(self.world.stored) == self.tried_after:
            return
        self.tried_after = len(self.world.stored)
        for verb in Verb:
            if (answer := self._answer(verb)) is not None:
                assert answer is (verb in self.world.status.allowed_actions), f"{verb} in {self.world.status.phase}"

    def _answer(self, verb: Verb) -> bool | None:
        note = Command(id="not-yet-given", verb=verb, requested_at=self.world.now).model_dump_json(by_alias=True)
        body: Any = self.world.api.body
        meta = body["metadata"]
        if meta.get("deletionTimestamp") or self.world.draining:
            return None
        annotations = {names.ACCEPTED_COMMAND_ANNOTATION: note, names.ADOPTED_ANNOTATION: meta["uid"]}
        finalizers = meta["finalizers"] or ([] if self.world.phase.finished else [names.FINALIZER])
        task = read_task(body | {"metadata": meta | {"finalizers": finalizers, "annotations": annotations}})
        intent = machine.decide(task, self.world.observe())
        if isinstance(intent, TakeLock | VerifyLock):
            return True
        assert isinstance(intent, Record)
        assert intent.status.last_action is not None
        return intent.status.last_action.result is ActionResult.ACCEPTED

    def teardown(self) -> None:
        """Whatever has happened, an end can be reached: attempts end, others leave, and a person skips, or deletes, what failed."""
        if not hasattr(self, "world"):
            return
        self._heal()
        self.world.executors.stops_at_once = True
        for _ in range(200):
            if self.over or self._help():
                return
        raise AssertionError(f"no end in sight: {self.world.status}")

    def _help(self) -> bool:
        world = self.world
        world.writes_in_a_row = 0
        rest = world.run()
        if self.over:
            return True
        if world.executors.running:
            self._end(world.executors.running[0], Succeeded())
            world.run()
        elif isinstance(rest, Rest) and rest.wake_at is not None:
            world.now = rest.wake_at
        elif Verb.SKIP in world.status.allowed_actions:
            world.command(Verb.SKIP)
        else:
            world.delete()
        return False


# Making a failure small enough to read takes Hypothesis up to five minutes.
TestTaskLife = pytest.mark.timeout(600)(TaskLife.TestCase)
TestTaskLife.settings = settings(max_examples=2 * settings().max_examples)
