"""Owns how expressions are evaluated in an exploration: the answer is one step, it may come at once or later, and is another one each time.

What is asked of the compiler is left out: a task that is here has expressions that compile.
"""

import json

from tests.exploration.requests import Call, Waiting

from obtask.engine.answers import Answers
from obtask.engine.checks import Checks, Queue
from obtask.kube.api import ApiError
from obtask.model.task import Task
from obtask.rules.expressions import ExpressionFault, Question, Verdicts
from obtask.rules.opening import StepField, StepQuestion
from obtask.rules.validation import unchecked

Known = tuple[str, str, StepField, str, str]
"""An answer as a value: uid of the task, step, what was asked, expression, and its value as JSON."""


async def _asks(namespace: str, question: Question | StepQuestion) -> ExpressionFault | None:
    raise AssertionError(f"something is asked for {namespace} elsewhere: {question}")


class Compiled(Checks):
    """Knows that every expression compiles."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(_asks, queue)

    def verdicts(self, task: Task) -> Verdicts:
        """Return that all of them do."""
        return dict.fromkeys(unchecked(task, {}))


class AskedAnswers(Answers):
    """Suspends the reconcile that asks, as a request does."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(_asks, queue)

    async def ask(self, task: Task, question: StepQuestion) -> bool:
        """Have the scheduler answer now, or later: then it is asked again, as if the task was enqueued once the answer is there."""
        path = f"{task.key.name}/{question.step}/{question.asked.value}"
        answer = await Waiting(Call("EVALUATE", path, "", json.dumps(question.expression)))
        if isinstance(answer, ApiError) or "value" not in answer:
            return False
        self._known.setdefault(task.metadata.uid, {})[question] = answer["value"]
        return True

    def dump(self) -> tuple[Known, ...]:
        """Return what is known."""
        found = ((uid, asked, value) for uid, known in self._known.items() for asked, value in known.items())
        return tuple(sorted(((uid, one.step, one.asked, one.expression, json.dumps(value)) for uid, one, value in found), key=str))

    def restore(self, known: tuple[Known, ...]) -> None:
        """Restore what was dumped."""
        for uid, step, asked, expression, value in known:
            self._known.setdefault(uid, {})[StepQuestion(step, asked, expression, {})] = json.loads(value)
