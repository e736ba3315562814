"""Owns `watch`: the Task Center on a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import click

from kubectl_obtask.blocking import line_of
from kubectl_obtask.cluster import first_page, read_task
from kubectl_obtask.commands.locks import told_locks
from kubectl_obtask.commands.why import told_why
from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import watching


@verb("watch")
@click.argument("name", type=TASK, required=False)
@click.option("-A", "--all-namespaces", is_flag=True, help="Tasks of all namespaces.")
def command(session: Session, *, name: str | None, all_namespaces: bool) -> int:
    """Watch tasks, their steps and logs, and act on them."""
    if not (session.terminal.interactive and session.terminal.width):
        session.terminal.note(session.say(watching.NEEDS_TERMINAL))
        return ExitCode.ERROR
    if find_spec("textual") is None:
        session.terminal.note(session.say(watching.NEEDS_TEXTUAL))
        return ExitCode.ERROR
    namespace = None if all_namespaces else session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    # kubectl works while Textual is imported.
    first = first_page(session.kubectl, namespace)
    if name is not None and namespace is not None and isinstance(missing := read_task(session.kubectl, namespace, name), Fault):
        first.stop()
        return session.failed(missing)
    # On the screen, pages have no colours of their own.
    plain = replace(session, terminal=replace(session.terminal, colour=False))

    def why(task: Task, tasks: Sequence[Task]) -> Iterator[str]:
        return told_why(plain, task, line_of(task, tasks))

    def locks(task: Task, tasks: Sequence[Task]) -> Iterator[str]:  # noqa: ARG001 - as why
        return told_locks(plain, tasks)

    source = import_module("kubectl_obtask.screen.overview").Overview(session, namespace, first, name)
    screen = import_module("kubectl_obtask.screen.app").TaskCenter(session, source, where=namespace, wanted=name, why=why, locks=locks)
    return int(screen.run() or ExitCode.DONE)
