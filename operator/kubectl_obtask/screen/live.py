"""Owns the live display of `run`: the steps of one task, drawn again as they change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kubectl_obtask.resting import awaits_approval, stands
from kubectl_obtask.rows import STYLES
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FAILED, Step, Subtask, Task
from kubectl_obtask.times import span
from kubectl_obtask.wording import waiting
from kubectl_obtask.wording.marks import MARKS


@contextmanager
def live(session: Session) -> Iterator[Callable[[Task], None]]:
    """Yield a function that shows a task as it is now; nothing of the display stays behind but its last state."""
    console = Console(file=session.terminal.err, no_color=not session.terminal.colour, highlight=False)
    shown: list[Task] = []
    spinner = Spinner("dots")

    def drawn() -> RenderableType:
        return _drawn(session, shown, spinner)

    with Live(get_renderable=drawn, console=console, redirect_stdout=False, redirect_stderr=False) as display:

        def show(task: Task) -> None:
            shown[:] = [task]
            display.refresh()

        yield show


def _drawn(session: Session, shown: list[Task], spinner: Spinner) -> RenderableType:
    if not shown:
        return Text("")
    task = shown[0]
    head = Text(stands(session, task), style=_style(task.phase))
    spinner.update(text=head)
    parts: list[RenderableType] = [head if task.finished or task.phase == FAILED else spinner]
    if task.planned or task.steps:
        parts.append(_steps(session, task))
    if awaits_approval(task):
        line = session.command_line("approve", task.name)
        parts.append(Text(session.say(waiting.AWAITS_APPROVAL, name=task.name, line=line)))
    return Group(*parts)


def _steps(session: Session, task: Task) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    begun = {step.name: step for step in task.steps}
    for name in [step.name for step in task.planned] or [*begun]:
        step = begun.get(name, Step({"name": name}))
        _row(session, table, name, step)
        if len(step.subtasks) > 1:
            for sub in step.subtasks:
                _row(session, table, f"  {sub.name}", sub)
    return table


def _row(session: Session, table: Table, label: str, shown: Step | Subtask) -> None:
    started = shown.moment("startedAt")
    lasted = span((shown.moment("finishedAt") or session.now()) - started, session.language) if started is not None else ""
    message = shown.text("message") if isinstance(shown, Subtask) else next((sub.text("message") for sub in shown.subtasks), "")
    table.add_row(
        Text(MARKS.get(shown.phase, "?"), style=_style(shown.phase)),
        Text(label),
        Text(lasted),
        Text(message, overflow="ellipsis", no_wrap=True),
    )


def _style(phase: str) -> str:
    return " ".join(STYLES.get(phase, ()))
