"""Owns what only the operator can check of a spec before a task takes a lock: its expressions, what they refer to, and its SQL texts."""

from collections.abc import Iterator
from dataclasses import dataclass

from obtask.model.action_expressions import expressions, inserted
from obtask.model.actions import Action, HttpAction, ObshellAction, SqlAction, kind
from obtask.model.limits import EXPRESSIONS_BYTES, one_line
from obtask.model.spec import TaskSpec
from obtask.model.task import InvalidSpec, Task
from obtask.model.values import VARIABLES, mentioned
from obtask.rules.expressions import Gives, Question, Verdicts, Vocabulary, question_about, short
from obtask.rules.json_pointer import NoPlace, with_values
from obtask.rules.references import broken_reference, calls
from obtask.rules.sql_faults import sql_faults
from obtask.rules.values import ONLY_IN_SQL, SQL_TEXTS, is_direct
from obtask.rules.variables import OF_A_TEMPLATE, action_scope, step_scope

OTHER_ATTEMPT = "what is to be restored cannot depend on attempt: the undo is another one, and would look for another object"


@dataclass(frozen=True, slots=True)
class _Asked:
    """An expression with its field.

    ``step``: the position of its step; ``undoes``: it belongs to a rollback; ``in_sql``: its value becomes a part of a SQL text.
    """

    field: str
    question: Question
    step: int = 0
    undoes: bool = False
    in_sql: bool = False


def spec_fault(task: Task, verdicts: Verdicts) -> str | None:
    """Return what is known to be wrong with the task's spec, naming the field, or None."""
    if isinstance(task.spec, InvalidSpec):
        return task.spec.message
    for where, action in task.spec.actions:
        if (fault := _fault_of(action)) is not None:
            return one_line(f"{where}.{kind(action)}.{fault}")
    for where, work in task.spec.works:
        if work.is_restored and any("attempt" in mentioned(text) for _, text in inserted(work.action)):
            return f"{where}.{kind(work.action)}: {OTHER_ATTEMPT}"
    asked = tuple(_asked(task.spec))
    size = sum(len(one.question.text.encode(errors="replace")) for one in asked)
    if size > EXPRESSIONS_BYTES:
        return f"spec.steps: the expressions have {size} bytes together; at most {EXPRESSIONS_BYTES} are allowed"
    for one in asked:
        if (fault := _misused(task.spec, one)) is not None:
            return one_line(f"{one.field}: {fault} in the expression {short(one.question.text)!r}")
    for one in asked:
        broken = verdicts.get(one.question)
        if broken is not None:
            return f"{one.field}: expression {short(one.question.text)!r} does not compile: {broken.message}"
    return None


def expressions_of(task: Task) -> Iterator[tuple[str, str]]:
    """Yield every expression of a task with its field, also those that nobody has to compile."""
    if isinstance(task.spec, TaskSpec):
        yield from ((one.field, one.question.text) for one in _asked(task.spec))


def unchecked(task: Task, verdicts: Verdicts) -> tuple[Question, ...]:
    """Return the questions about the task's expressions that have no answer yet, in the order of the spec."""
    if isinstance(task.spec, InvalidSpec) or any(_fault_of(action) is not None for _, action in task.spec.actions):
        return ()  # it is rejected without an answer; where an expression ends may not even be known
    return unanswered(task.spec, verdicts)


def unanswered(spec: TaskSpec, verdicts: Verdicts) -> tuple[Question, ...]:
    """Return the questions of `unchecked` for a spec in which nothing else is known to be wrong: that is not looked for again."""
    found = (one.question for one in _asked(spec) if not _needs_no_compiler(one.question))
    return tuple(dict.fromkeys(question for question in found if question not in verdicts))


def _needs_no_compiler(question: Question) -> bool:
    return question.vocabulary is Vocabulary.VALUES and is_direct(question.text)


def _fault_of(action: Action) -> str | None:
    for field, fault in sql_faults(action) if isinstance(action, SqlAction) else ():
        return f"{field}: {fault}"
    if (misplaced := _misplaced(action)) is not None:
        return f"bodyFrom: {misplaced}"
    try:
        inserted(action)
    except ValueError as unclosed:
        return f"{unclosed}"
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


def _misused(spec: TaskSpec, one: _Asked) -> str | None:
    """Return which variable, step, output or function an expression uses that is not there, or None."""
    if one.question.vocabulary is Vocabulary.VALUES and is_direct(one.question.text):
        for name in mentioned(one.question.text) - one.question.scope:
            return f"there is no variable {name} here (there are {', '.join(each for each in VARIABLES if each in one.question.scope)})"
    if not one.in_sql and calls(one.question.text, "ident"):
        return ONLY_IN_SQL
    return broken_reference(spec, one.step, one.question.text, undoes=one.undoes)


def _asked(spec: TaskSpec) -> Iterator[_Asked]:
    if spec.connection is not None:
        scope = frozenset({"task"}) | (step_scope(spec) & OF_A_TEMPLATE)
        for path, text in inserted(spec.connection):
            yield _Asked(f"spec.connection.{path}", Question(Vocabulary.VALUES, text, Gives.VALUE, scope))
    for at, step in enumerate(spec.steps):
        where = f"spec.steps[{at}]"
        if step.when is not None:
            yield _Asked(f"{where}.when", Question(Vocabulary.VALUES, step.when, Gives.CONDITION, step_scope(spec)), at)
        if step.for_each is not None:
            question = Question(Vocabulary.VALUES, step.for_each.items, Gives.LIST, step_scope(spec))
            yield _Asked(f"{where}.forEach.items", question, at)
        scope = action_scope(spec, step)
        for below, work in step.works:
            yield from _of_action(f"{where}{below}", work.action, scope, at, undoes=False)
            if work.rollback is not None:
                yield from _of_action(f"{where}{below}.rollback", work.rollback.action, scope, at, undoes=True)


def _of_action(where: str, action: Action, scope: frozenset[str], at: int, *, undoes: bool) -> Iterator[_Asked]:
    for field, text in expressions(action):
        question = question_about(action, field, text, mentioned(text) & scope)
        yield _Asked(f"{where}.{kind(action)}.{field}", question, at, undoes)
    for field, text in inserted(action):
        in_sql = isinstance(action, SqlAction) and SQL_TEXTS.fullmatch(field) is not None
        yield _Asked(f"{where}.{kind(action)}.{field}", Question(Vocabulary.VALUES, text, Gives.VALUE, scope), at, undoes, in_sql)
