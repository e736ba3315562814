"""Owns `tree`: the steps of a task with their subtasks, attempts and times."""

from collections.abc import Iterator

import click

from kubectl_obtask.cluster import read_task
from kubectl_obtask.machine import FORMATS, written
from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import Fault
from kubectl_obtask.resting import stands
from kubectl_obtask.rows import STYLES
from kubectl_obtask.session import Session, verb
from kubectl_obtask.shapes import tree_shape
from kubectl_obtask.table import Cell, table
from kubectl_obtask.tasks import Fields, Step, Subtask, Task
from kubectl_obtask.times import span
from kubectl_obtask.wording import trees
from kubectl_obtask.wording.marks import MARKS
from kubectl_obtask.wording.phases import phase_word

Row = tuple[Cell, ...]


@verb("tree")
@click.argument("name", type=TASK)
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Output format.")
def command(session: Session, *, name: str, output: str | None) -> int | None:
    """Show the steps of a task: subtasks, attempts, times, and what failed."""
    namespace = session.kubectl.current_namespace()
    task = namespace if isinstance(namespace, Fault) else read_task(session.kubectl, namespace, name)
    if isinstance(task, Fault):
        return session.failed(task)
    if output is not None:
        session.terminal.line(written(tree_shape(task), output))
        return None
    session.terminal.line(stands(session, task))
    if not task.planned and not task.steps:
        session.terminal.note(session.say(trees.NO_STEPS, name=name))
        return None
    headings = [session.say(text) for text in (trees.STEP, trees.PHASE, trees.TIME, trees.ATTEMPTS, trees.MESSAGE)]
    for line in table(headings, [*_rows(session, task)], session.terminal):
        session.terminal.line(line)
    return None


def _rows(session: Session, task: Task) -> Iterator[Row]:
    begun = {step.name: step for step in task.steps}
    names = [step.name for step in task.planned] or [*begun]
    for number, name in enumerate(names, 1):
        step = begun.get(name, Step({"name": name}))
        alone = step.subtasks[0] if len(step.subtasks) == 1 and step.subtasks[0].name == name else None
        yield _row(session, f"{number} {name}", step, alone)
        subtasks = () if alone is not None else step.subtasks
        for position, sub in enumerate(subtasks, 1):
            branch = "└" if position == len(subtasks) else "├"
            yield _row(session, f"{' ' * len(str(number))} {branch} {sub.name}", sub, sub)


def _row(session: Session, label: str, shown: Step | Subtask, sub: Subtask | None) -> Row:
    mark = MARKS.get(shown.phase, "?")
    word = phase_word(shown.phase, session.language)
    styles = STYLES.get(shown.phase, ())
    return (label, (f"{mark} {word}", *styles), _time(session, shown), _attempts(session, sub), _why(sub) if sub is not None else "")


def _time(session: Session, shown: Fields) -> str:
    started = shown.moment("startedAt")
    if started is None:
        return "-"
    return span((shown.moment("finishedAt") or session.now()) - started, session.language)


def _attempts(session: Session, sub: Subtask | None) -> str:
    attempts, undos = (sub.number("attempts"), sub.number("rollbackAttempts")) if sub is not None else (0, 0)
    if undos:
        return session.say(trees.UNDOS, attempts=attempts, undos=undos)
    return str(attempts) if attempts else "-"


def _why(sub: Subtask) -> str:
    failure = sub.at("failure") if sub.phase == "Failed" else Fields(None)
    why = " ".join(filter(None, (failure.text("reason"), failure.text("code"))))
    return ": ".join(filter(None, (why, sub.text("message"))))
