"""Owns what only the operator can check of a spec before a task takes a lock: its expressions and its SQL texts."""

from collections.abc import Iterator

from obtask.model.actions import Action, HttpAction, ObshellAction, SqlAction, expressions, kind
from obtask.model.limits import EXPRESSIONS_BYTES, one_line
from obtask.model.spec import OneAction
from obtask.model.task import InvalidSpec, Task
from obtask.rules.expressions import Question, Verdicts, question_about
from obtask.rules.json_pointer import NoPlace, with_values
from obtask.rules.sql_faults import sql_faults

SHOWN_EXPRESSION = 160


def spec_fault(task: Task, verdicts: Verdicts) -> str | None:
    """Return what is known to be wrong with the task's spec, naming the field, or None."""
    if isinstance(task.spec, InvalidSpec):
        return task.spec.message
    size = sum(len(question.text.encode(errors="replace")) for _, question in _questions(task))
    if size > EXPRESSIONS_BYTES:
        return f"spec.steps: the expressions have {size} bytes together; at most {EXPRESSIONS_BYTES} are allowed"
    for where, action in _actions(task):
        for field, fault in sql_faults(action) if isinstance(action, SqlAction) else ():
            return one_line(f"{where}.{field}: {fault}")
        if (misplaced := _misplaced(action)) is not None:
            return one_line(f"{where}.bodyFrom: {misplaced}")
    for field, question in _questions(task):
        broken = verdicts.get(question)
        if broken is not None:
            return f"{field}: expression {one_line(question.text, SHOWN_EXPRESSION)!r} does not compile: {broken.message}"
    return None


def _misplaced(action: Action) -> str | None:
    """Return why a value of a Secret has no place in the body of a request, or None."""
    if not isinstance(action, HttpAction | ObshellAction) or not action.body_from:
        return None
    if isinstance(action.body, str):
        return "a body that is a text has no places for values: write it as an object"
    try:
        with_values(action.body, [(source.pointer, "") for source in action.body_from])
    except NoPlace as wrong:
        return str(wrong)
    return None


def unchecked(task: Task, verdicts: Verdicts) -> tuple[Question, ...]:
    """Return the questions about the task's expressions that have no answer yet, in the order of the spec."""
    return tuple(dict.fromkeys(question for _, question in _questions(task) if question not in verdicts))


def _questions(task: Task) -> Iterator[tuple[str, Question]]:
    for where, action in _actions(task):
        for field, text in expressions(action):
            yield f"{where}.{field}", question_about(action, field, text)


def _actions(task: Task) -> Iterator[tuple[str, Action]]:
    """Yield every action as (field path, action)."""
    if isinstance(task.spec, InvalidSpec):
        return
    for index, step in enumerate(task.spec.steps):
        path = f"spec.steps[{index}]"
        works: list[tuple[str, OneAction]] = [(path, step)] if step.parallel is None else []
        works += [(f"{path}.parallel[{at}]", subtask) for at, subtask in enumerate(step.parallel or [])]
        works += [(f"{where}.rollback", undo) for where, work in works if (undo := getattr(work, "rollback", None)) is not None]
        for where, work in works:
            yield f"{where}.{kind(work.action)}", work.action
