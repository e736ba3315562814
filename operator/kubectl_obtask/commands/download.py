"""Owns `download`: everything about a task in one ZIP, the same that the Task Center gives."""

import sys
from importlib import import_module
from pathlib import Path

import click

from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.wording import evidence as words

STDOUT = "-"


@verb("download")
@click.argument("name", type=TASK)
@click.option(
    "-o", "--output", type=click.Path(), metavar="FILE", help="Where to write it; - is the standard output. Default: a name with the time."
)
def command(session: Session, *, name: str, output: str | None) -> int | None:
    """Download the evidence bundle: the task, its logs, Events and history."""
    namespace = session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    bundle, evidence = import_module("kubectl_obtask.bundle"), import_module("kubectl_obtask.evidence")
    found = bundle.collect(session.kubectl, namespace, name)
    if isinstance(found, Fault):
        return session.failed(found)
    moment = session.now()
    pieces = evidence.packed(found, moment)
    if output == STDOUT:
        sys.stdout.buffer.writelines(pieces)
    else:
        file = Path(output or evidence.filename(found, moment))
        fault = bundle.write(file, pieces)
        if fault is not None:
            return session.failed(fault)
        session.terminal.line(str(file))
    for what, why in found.missing:
        session.terminal.note(session.say(words.MISSING, what=what, why=why))
    if found.warnings:
        session.terminal.note(session.say(words.CAREFUL, places=", ".join(found.warnings)))
    return None
