"""Owns `wait`: for tasks to finish, fail or start."""

import click

from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import Fault
from kubectl_obtask.resting import Until, awaits_approval, reached, stands, worst
from kubectl_obtask.session import Session, verb
from kubectl_obtask.tasks import FAILED, Task
from kubectl_obtask.times import duration
from kubectl_obtask.waiting import Teller, tell_late, wait_for
from kubectl_obtask.wording import waiting


@verb("wait")
@click.argument("names", type=TASK, metavar="NAME...", nargs=-1, required=True)
@click.option("--for", "until", type=click.Choice([each.value for each in Until]), default="finished", help="What to wait for.")
@click.option("--timeout", default="30m", metavar="DURATION", show_default=True, help="How long to wait at most; 0 for ever.")
def command(session: Session, *, names: tuple[str, ...], until: str, timeout: str) -> int:
    """Wait until tasks are finished; a task that is Failed is not waited for."""
    seconds = duration(timeout)
    if seconds is None:
        raise click.BadParameter(f"{timeout!r} is no duration such as 30m, 1h30m or 90s", param_hint="--timeout")
    namespace = session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    goal, teller = Until(until), Teller(session)

    def judge(task: Task) -> int | None:
        teller.tell(task, stands(session, task))
        code = reached(task, goal)
        if code is None and awaits_approval(task):
            teller.tell(task, session.say(waiting.AWAITS_APPROVAL, name=task.name, line=session.command_line("approve", task.name)))
        elif task.phase == FAILED and goal is Until.FINISHED:
            line = session.command_line("why", task.name)
            session.terminal.note(session.say(waiting.WAITS_FOR_PERSON, name=task.name, line=line))
        return code

    waited = wait_for(session, namespace, list(dict.fromkeys(names)), judge, seconds or None)
    tell_late(session, waited, seconds)
    return worst(waited.codes.values())
