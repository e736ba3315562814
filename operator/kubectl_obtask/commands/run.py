"""Owns `run`: creating a task and following it until it rests."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import click

from kubectl_obtask.options import TEMPLATE
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.resting import worst
from kubectl_obtask.session import Session, verb
from kubectl_obtask.tasks import RESOURCE, Task
from kubectl_obtask.templates import Wanted, template
from kubectl_obtask.wording import running as words
from kubectl_obtask.wording import shared

KIND: Final = "OBTask"


@verb("run")
@click.option(
    "-f", "--filename", type=click.Path(), metavar="FILE", help="A file with tasks, as kubectl create takes it; - is the standard input."
)
@click.option("--template", "from_template", type=TEMPLATE, metavar="NAME", help="A template; `kubectl obtask templates` lists them.")
@click.option(
    "-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the template, or the task's cluster, agent or tenant."
)
@click.option("--name", metavar="NAME", help="Name of the task. Default: that of the template and some letters.")
@click.option("--connection", metavar="SECRET", help="Secret with the connection. Default: <cluster>-sys.")
@click.option("--service-account", metavar="NAME", help="Service account of `resource` steps and Jobs.")
@click.option("--detach", is_flag=True, help="Do not follow it.")
def command(session: Session, *, filename: str | None, from_template: str | None, detach: bool, **given: Any) -> int:
    """Create a task, and follow it until it rests."""
    if (filename is None) == (from_template is None):
        raise click.UsageError(session.say(words.EITHER))
    if filename is not None and (extra := [name for name, value in given.items() if value]):
        raise click.UsageError(session.say(words.ONLY_TEMPLATE, option="--" + extra[0].replace("_", "-")))
    namespace = session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    created = _from_file(session, filename or "") if from_template is None else _from_template(session, namespace, from_template, given)
    if isinstance(created, Fault):
        return session.failed(created)
    # A file may put its tasks into another namespace than the one that the user is in.
    return _followed(
        [(session if task.namespace == namespace else session.within(task.namespace), task) for task in created], detach=detach
    )


def _followed(found: Sequence[tuple[Session, Task]], *, detach: bool) -> int:
    names = [task.name for _, task in found]
    session = found[0][0]
    if detach:
        session.terminal.note(session.say(words.DETACHED, line=session.command_line("wait", *names)))
        return ExitCode.DONE
    try:
        progress = import_module("kubectl_obtask.progress")
        return worst(progress.follow(each, task) for each, task in found)
    except KeyboardInterrupt:
        session.terminal.note(session.say(shared.DETACHED, line=session.command_line("wait", *names)))
        raise


def _from_file(session: Session, file: str) -> list[Task] | Fault:
    stdin = sys.stdin.buffer.read() if file == "-" else None
    made = _created(session, ["create", "--filename", file, "--output=json"], stdin)
    if isinstance(made, Fault):
        return made
    return made or Fault(ExitCode.USAGE, session.say(words.NO_TASK, file=file))


def _from_template(session: Session, namespace: str, name: str, given: Mapping[str, Any]) -> list[Task] | Fault:
    found = template(session.kubectl, namespace, name)
    if isinstance(found, Fault):
        return found
    wanted = Wanted(found)
    if given["connection"]:
        wanted.rest["connection"] = {"secretName": given["connection"]}
    if given["service_account"]:
        wanted.rest["serviceAccountName"] = given["service_account"]
    fault = wanted.take(given["param"]) or import_module("kubectl_obtask.asking").complete(session, wanted)
    if fault is not None:
        return fault
    manifest = json.dumps(wanted.manifest(namespace, given["name"])).encode()
    return _created(session, ["create", "--filename", "-", "--output=json"], manifest)


def _created(session: Session, line: Sequence[str], stdin: bytes | None) -> list[Task] | Fault:
    """Create objects, and say which ones were; those before one that was refused are there."""
    said = session.kubectl.read(line, stdin)
    made = [Task(each) for each in _objects(said.printed if isinstance(said, Fault) else said)]
    for each in made:
        resource = RESOURCE if each.text("kind") == KIND else each.text("kind").lower()
        session.terminal.line(session.say(words.CREATED, name=f"{resource}/{each.name}"))
    return said if isinstance(said, Fault) else [each for each in made if each.text("kind") == KIND]


def _objects(said: bytes) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that kubectl has created: it prints one after the other, or a List."""
    decoder, text = json.JSONDecoder(), said.decode(errors="replace").strip()
    while text:
        try:
            found, end = decoder.raw_decode(text)
        except ValueError:
            return
        text = text[end:].lstrip()
        items = found.get("items") if isinstance(found, dict) and found.get("kind") == "List" else [found]
        yield from (each for each in items or () if isinstance(each, dict))
