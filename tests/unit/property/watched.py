"""A world that looks at every intent before it is carried out, and at every status once it is stored."""

from tests.support import promises
from tests.support.builders import TaskBuilder
from tests.support.world import Crash, World
from tests.unit.property.language import LanguagePromises
from tests.unit.property.promises import WORKING, check_change, check_status

from obtask.model.contract import Maintenance, Phase
from obtask.model.status import TaskStatus
from obtask.model.task import read_task
from obtask.rules import machine
from obtask.rules.decision import Intent, Record, Rest

# How many status writes in a row may follow from one thing that happened: the answers to the command at hand and to the one behind
# it, the loss of the lock, and the ends of attempts that were seen meanwhile.
MOST_WRITES_IN_A_ROW = 5


class WatchedWorld(World):
    """A world that looks at every intent before it is carried out."""

    def __init__(self, task: TaskBuilder) -> None:
        super().__init__(task)
        self.writes_in_a_row = 0
        self.answered: list[str] = []
        self.language = LanguagePromises()

    def decide(self) -> Intent:
        """Decide twice, once on the task as it reads back: the intent must be the same, and a rest must have an end."""
        intent = super().decide()
        assert intent == machine.decide(read_task(self.api.body), self.observe())
        if isinstance(intent, Rest):
            self.check_rest(intent)
        return intent

    def perform(self, intent: Intent, crash: Crash | None = None) -> bool:
        """Check a record before it is stored: by itself, as a change, and against the Lease."""
        if isinstance(intent, Record):
            check_change(self.task, intent)
            check_status(self.task, intent.status)
            self.language.check(self.task, intent)
            locked = self.task.plan.maintenance is not Maintenance.NONE
            assert not intent.start or (intent.status.phase in WORKING and self.holds_lease is locked and not self.draining)
        task, before, body, stored = self.task, self.status, self.api.body, len(self.stored)
        goes_on = super().perform(intent, crash)
        if isinstance(intent, Record) and len(self.stored) > stored:
            self.check_history(before)
            self.language.stored(task, self.stored[-1])
            assert list(promises.task_changed(body, self.api.body)) == []
            assert list(promises.broken([self.api.body], None)) == []
        return goes_on

    def check_history(self, before: TaskStatus) -> None:
        """Check that no command is answered twice, and that one thing that happens does not lead to many writes."""
        action = self.stored[-1].last_action
        if action is not None and action.id is not None and action != before.last_action:
            assert action.id not in self.answered, "a command was answered twice"
            self.answered.append(action.id)
        self.writes_in_a_row += 1
        assert self.writes_in_a_row <= MOST_WRITES_IN_A_ROW, "a storm of writes"

    def check_rest(self, rest: Rest) -> None:
        """Check that a task that rests waits for something: a time to come, an attempt, a person, or the tasks in its way."""
        status = self.status
        assert rest.wake_at is None or rest.wake_at > self.now
        if self.draining:
            return
        match status.phase:
            case Phase.RUNNING | Phase.ROLLING_BACK:
                assert rest.wake_at is not None or self.executors.running
            case Phase.WAITING:
                assert self.observe().obstacle.count
            case Phase.PENDING:
                raise AssertionError("a new task must not rest")
            case _:
                assert not self.executors.running
