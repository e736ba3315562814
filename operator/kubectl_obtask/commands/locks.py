"""Owns `locks`: who holds what, since when, and who waits behind it, in order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from kubectl_obtask.blocking import GLOBAL, Domain, Line, lines, scope
from kubectl_obtask.cluster import unfinished
from kubectl_obtask.lock_words import domain_word, starting_word
from kubectl_obtask.machine import FORMATS, written
from kubectl_obtask.outcome import Fault
from kubectl_obtask.rows import STYLES
from kubectl_obtask.session import Session, verb
from kubectl_obtask.situation import in_phase_since, waiting_since
from kubectl_obtask.tasks import Task
from kubectl_obtask.text import padded, width
from kubectl_obtask.times import since
from kubectl_obtask.wording import locking
from kubectl_obtask.wording.phases import SCOPES, phase_word, worded

Lane = tuple[str, str]
"""What is locked: a scope, and the tenant if it is one."""
Waiter = tuple[int, Task]
"""A task in the line, after its place there."""


@verb("locks")
@click.option("-A", "--all-namespaces", is_flag=True, help="The locks of all namespaces.")
@click.option("-o", "--output", type=click.Choice([*FORMATS, "name"]), help="Output format.")
def command(session: Session, *, all_namespaces: bool, output: str | None) -> int | None:
    """Show who holds which lock, since when, and who waits behind it."""
    namespace = None if all_namespaces else session.kubectl.current_namespace()
    tasks = namespace if isinstance(namespace, Fault) else unfinished(session.kubectl, namespace)
    if isinstance(tasks, Fault):
        return session.failed(tasks)
    found = lines(tasks)
    if output in FORMATS:
        session.terminal.line(written(locks_shape(found.values()), output))
    elif output == "name":
        for line in found.values():
            for holder in line.holders:
                session.terminal.line(f"lease.coordination.k8s.io/{holder.at('status', 'lock').text('lease')}")
    elif not found:
        session.terminal.note(session.say(locking.NO_LOCKS))
    else:
        for text in _shown(session, found):
            session.terminal.line(text)
    return None


def told_locks(session: Session, tasks: Iterable[Task]) -> Iterator[str]:
    """Yield who holds which lock, and who waits for it."""
    found = lines(tasks)
    if not found:
        yield session.say(locking.NO_LOCKS)
    yield from _shown(session, found)


def _shown(session: Session, found: Mapping[Domain, Line]) -> Iterator[str]:
    for domain, line in found.items():
        yield session.terminal.styled(f"{domain.namespace} / {domain_word(domain.type, domain.target, session.language)}", "bold")
        lanes = _lanes(line)
        names = [" ".join(filter(None, (worded(SCOPES, lane[0], session.language), lane[1]))) for lane in lanes]
        widest = max(map(width, names))
        for name, lane in zip(names, lanes.values(), strict=True):
            yield f"  {padded(name, widest)}   {_lane(session, *lane)}"
        for holder in line.holders:
            starting = [other.name for other in line.starting_after(holder)]
            if starting:
                yield "  " + session.say(locking.NEXT, name=holder.name, next=starting_word(starting, session.language))


def _lanes(line: Line) -> dict[Lane, tuple[list[Task], list[Waiter]]]:
    """Return what is locked or waited for, the whole domain first: by whom, and by whom in which place."""
    lanes = sorted({lane_of(task) for task in line.tasks}, key=lambda lane: (lane[0] != GLOBAL, lane))
    found = {lane: (list[Task](), list[Waiter]()) for lane in lanes}
    for task in line.holders:
        found[lane_of(task)][0].append(task)
    for number, task in enumerate(line.waiters, 1):
        found[lane_of(task)][1].append((number, task))
    return found


def lane_of(task: Task) -> Lane:
    """Return what a task locks."""
    return (scope(task), task.tenant)


def _lane(session: Session, holders: Iterable[Task], waiters: Iterable[Waiter]) -> str:
    now, language = session.now(), session.language
    held = ", ".join(
        session.terminal.styled(
            session.say(
                locking.HOLDS,
                name=task.name,
                phase=phase_word(task.phase, language),
                span=since(in_phase_since(task), now, language),
                token=session.say(locking.TOKEN, token=task.at("status", "lock").number("token")),
            ),
            *STYLES.get(task.phase, ()),
        )
        for task in holders
    )
    behind = ", ".join(
        session.say(locking.WAITER, number=number, name=task.name, span=since(waiting_since(task), now, language))
        for number, task in waiters
    )
    return (held or session.say(locking.FREE)) + (session.say(locking.WAITERS, names=behind) if behind else "")


def locks_shape(found: Iterable[Line]) -> dict[str, Any]:
    """Return what machines are told; docs/guides/kubectl-plugin.md says what each field means."""
    return {"items": [_plain(line) for line in found]}


def _plain(line: Line) -> dict[str, Any]:
    return {
        **line.domain._asdict(),
        "holders": [_task(task) | {"lease": task.at("status", "lock").text("lease")} for task in line.holders],
        "waiters": [_task(task) | {"waitsFor": [other.name for other in line.in_the_way_of(task)]} for task in line.waiters],
    }


def _task(task: Task) -> dict[str, Any]:
    return {"name": task.name, "uid": task.uid, "phase": task.phase, "scope": scope(task), "tenant": task.tenant or None}
