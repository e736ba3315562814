"""Owns following one task until it rests, and telling how: live on a terminal, line by line elsewhere; at last the log of what failed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec

from kubectl_obtask.logs import failed, read_log
from kubectl_obtask.outcome import Fault
from kubectl_obtask.resting import Until, awaits_approval, reached, stands
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import FAILED, Task
from kubectl_obtask.waiting import Teller, wait_for
from kubectl_obtask.wording import running, waiting

Show = Callable[[Task], None]


def follow(session: Session, task: Task) -> int:
    """Follow a task until it is finished or waits for a person; return the exit code."""

    def judge(seen: Task) -> int | None:
        show(seen)
        return reached(seen, Until.FINISHED)

    with _display(session) as show:
        waited = wait_for(session, task.namespace, [task.name], judge, None)
    code = waited.codes[task.name]
    last = waited.latest.get(task.name)
    if last is not None:
        _tell_failure(session, last)
    return code


def _display(session: Session) -> AbstractContextManager[Show]:
    if session.terminal.width and session.terminal.interactive and find_spec("rich") is not None:
        display: AbstractContextManager[Show] = import_module("kubectl_obtask.screen.live").live(session)
        return display
    teller = Teller(session)

    def tell(task: Task) -> None:
        teller.tell(task, stands(session, task))
        if awaits_approval(task):
            line = session.command_line("approve", task.name)
            teller.tell(task, session.say(waiting.AWAITS_APPROVAL, name=task.name, line=line))

    return nullcontext(tell)


def _tell_failure(session: Session, task: Task) -> None:
    attempt = failed(task)
    if attempt is not None:
        log = read_log(session.kubectl, task, attempt)
        if log is not None and not isinstance(log, Fault):
            session.terminal.note(session.say(running.LOG, attempt=attempt.label))
            session.terminal.line(log.text)
    if task.phase == FAILED:
        line = session.command_line("why", task.name)
        session.terminal.note(session.say(waiting.WAITS_FOR_PERSON, name=task.name, line=line))
