"""Owns `list`: the tasks, unfinished ones first, and how many of them there are."""

import json
from collections.abc import Sequence
from typing import Final

import click

from kubectl_obtask.cluster import equal, first_page, pages, unfinished
from kubectl_obtask.outcome import Fault
from kubectl_obtask.rows import columns, counted, in_order
from kubectl_obtask.session import Session, verb
from kubectl_obtask.table import table
from kubectl_obtask.tasks import FAILED, PHASES_OF_TASKS, RESOURCE, Task
from kubectl_obtask.wording import listing

FORMATS: Final = ("wide", "json", "yaml", "name")
# Whoever reads these is no person, and is told by nothing that some are left out.
WHOLE: Final = frozenset({"json", "name"})


@verb("list")
@click.option("--all", "everything", is_flag=True, help="All finished tasks, too, however many they are.")
@click.option("--phase", metavar="PHASE,..", help="Only tasks in these phases.")
@click.option("--failed", is_flag=True, help="Only tasks that are Failed.")
@click.option("--tenant", metavar="NAME", help="Only tasks of this tenant.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Tasks of all namespaces.")
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Output format.")
def command(
    session: Session, *, everything: bool, phase: str | None, failed: bool, tenant: str | None, all_namespaces: bool, output: str | None
) -> int | None:
    """List tasks, unfinished ones first."""
    selector = ",".join([*_phases(phase, failed=failed), *([equal("spec.tenant", tenant)] if tenant else [])])
    if output == "yaml":
        return _as_kubectl(session, selector, all_namespaces=all_namespaces)
    namespace = None if all_namespaces else session.kubectl.current_namespace()
    if isinstance(namespace, Fault):
        return session.failed(namespace)
    found = _found(session, namespace, selector, everything=everything or output in WHOLE, whole=output == "json")
    if isinstance(found, Fault):
        return session.failed(found)
    tasks, more = found
    tasks = in_order(tasks)
    if output == "json":
        session.terminal.line(json.dumps(_listed(tasks), indent=4, ensure_ascii=False))
    elif output == "name":
        for task in tasks:
            session.terminal.line(f"{RESOURCE}/{task.name}")
    else:
        _show(session, tasks, namespace, selector, wide=output == "wide", more=more)
    return None


@verb("list")
def first_screen(session: Session) -> int | None:
    """Show the tasks, and what to type next."""
    namespace = session.kubectl.current_namespace()
    found = namespace if isinstance(namespace, Fault) else _found(session, namespace, "", everything=False)
    if isinstance(found, Fault):
        return session.failed(found)
    tasks = in_order(found[0])
    _show(session, tasks, str(namespace), "", wide=False, more=found[1])
    # The first one is the one that needs a person most.
    words = ("why", tasks[0].name) if tasks and not tasks[0].finished else ("--help",)
    session.terminal.note(session.say(listing.NEXT, line=session.command_line(*words)))
    return None


def _phases(phase: str | None, *, failed: bool) -> list[str]:
    """Return the field selectors for phases; raises click.UsageError for a word that is none."""
    if phase is None and not failed:
        return []
    by_word = {each.lower(): each for each in PHASES_OF_TASKS}
    words = [*(phase or "").split(","), *([FAILED] if failed else [])]
    asked = [word.strip().lower() for word in words if word.strip()]
    if unknown := [word for word in asked if word not in by_word]:
        raise click.UsageError(f"unknown phase {unknown[0]!r}: use some of {', '.join(PHASES_OF_TASKS)}")
    wanted = {by_word[word] for word in asked}
    return [f"status.phase!={each}" for each in PHASES_OF_TASKS if each not in wanted]


def _found(
    session: Session, namespace: str | None, selector: str, *, everything: bool, whole: bool = False
) -> tuple[list[Task], bool] | Fault:
    """Return the tasks, and whether there are finished ones besides: where they are many they are read only if asked for.

    Not ``whole``: with what the columns show, so that ten thousand tasks do not fill the memory.
    """
    read = pages(session.kubectl, namespace, first_page(session.kubectl, namespace, selector), selector)
    found: list[Task] = []
    for page in read:
        if isinstance(page, Fault):
            return page
        if page.goes_on and not everything and not selector:
            some = unfinished(session.kubectl, namespace)
            return some if isinstance(some, Fault) else (some, True)
        found += page.tasks if whole else [task.brief() for task in page.tasks]
    return found, False


def _as_kubectl(session: Session, selector: str, *, all_namespaces: bool) -> int | None:
    """Print YAML as kubectl itself does, which has a library for it."""
    where = ["--all-namespaces"] if all_namespaces else []
    said = session.kubectl.read(["get", RESOURCE, "--output=yaml", f"--field-selector={selector}", *where])
    if isinstance(said, Fault):
        return session.failed(said)
    session.terminal.line(said.decode(errors="replace").rstrip("\n"))
    return None


def _listed(tasks: Sequence[Task]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [task.bare() for task in tasks]}


def _show(session: Session, tasks: Sequence[Task], namespace: str | None, selector: str, *, wide: bool, more: bool) -> None:
    if tasks:
        shown = columns(session.language, session.now(), wide=wide, namespaces=namespace is None)
        rows = [[column.cell(task) for column in shown] for task in tasks]
        for line in table([session.say(column.heading) for column in shown], rows, session.terminal):
            session.terminal.line(line)
    elif not more:
        none = listing.NONE_ANYWHERE if namespace is None else listing.NONE_IN
        session.terminal.note(session.say(listing.NONE_LIKE_THAT if selector else none, namespace=namespace))
        return
    session.terminal.line(counted(tasks, session.language))
    if more:
        session.terminal.note(session.say(listing.MORE))
