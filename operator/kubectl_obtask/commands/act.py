"""Owns the commands that change a task: `retry`, `rollback`, `skip`, `skip-step`, `cancel`, `approve`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from kubectl_obtask.acting import Given, answers, give, refusal, rest
from kubectl_obtask.blocking import line_of
from kubectl_obtask.cluster import read_task, unfinished
from kubectl_obtask.options import TASK
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.preview import told
from kubectl_obtask.resting import worst
from kubectl_obtask.session import Session, verb
from kubectl_obtask.tasks import FINISHED, SUCCEEDED, Task
from kubectl_obtask.wording import acting, shared
from kubectl_obtask.wording.preview_wording import Told, details, starts_next, summary

MOST_DETAILS: Final = 20


def _command(name: str, about: str, *extra: Callable[[Any], Any]) -> click.Command:
    def run(session: Session, *, names: tuple[str, ...], yes: bool, reason: str | None, no_wait: bool, fresh: bool = False) -> int:
        return _Acting(session, name, reason, fresh=fresh).on(tuple(dict.fromkeys(names)), yes=yes, to_rest=not no_wait)

    run.__doc__ = about
    options = (
        click.argument("names", type=TASK, metavar="NAME...", nargs=-1, required=True),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--reason", metavar="TEXT", help="Why; it is kept in the task's history."),
        click.option("--no-wait", is_flag=True, help="Wait for the operator's answer only, not until the task rests again."),
        *extra,
    )
    for option in reversed(options):
        run = option(run)
    return verb(name)(run)


class _Acting:
    """One command, for some tasks."""

    def __init__(self, session: Session, name: str, reason: str | None, *, fresh: bool) -> None:
        self._session = session
        self._verb = name
        self._reason = reason
        self._fresh = fresh

    def on(self, names: tuple[str, ...], *, yes: bool, to_rest: bool) -> int:
        """Say what will happen, ask, give the command, wait; return the exit code."""
        session = self._session
        namespace = session.kubectl.current_namespace()
        if isinstance(namespace, Fault):
            return session.failed(namespace)
        tasks = [read_task(session.kubectl, namespace, name) for name in names]
        faults = [task if isinstance(task, Fault) else refusal(session, task, self._verb) for task in tasks]
        if wrong := [fault for fault in faults if fault is not None]:
            return worst(session.failed(fault) for fault in wrong)
        known = [task for task in tasks if isinstance(task, Task)]
        self._foretell(known, namespace)
        if not yes and (stay := self._asked()) is not None:
            return stay
        return self._carry_out(known, namespace, to_rest=to_rest)

    def _foretell(self, tasks: list[Task], namespace: str) -> None:
        session = self._session
        seen = [told(task, self._verb, fresh=self._fresh) for task in tasks]
        others = unfinished(session.kubectl, namespace) if any(_ends_at_once(each) for each in seen) else []
        for task, each in zip(tasks, seen, strict=True):
            word = session.say(acting.VERBS[self._verb])
            said = summary(each, session.language)
            if _ends_at_once(each) and not isinstance(others, Fault):
                starting = line_of(task, others).starting_after(task)
                said = " ".join(filter(None, (said, starts_next([other.name for other in starting], session.language))))
            session.terminal.note(session.say(acting.WILL, verb=word, name=task.name, summary=said))
            if each.undoes:
                for line in details(each, session.language)[:MOST_DETAILS]:
                    session.terminal.note(f"  {line}")

    def _asked(self) -> ExitCode | None:
        """Return the exit code if the user does not want it, or cannot be asked."""
        agreed = self._session.terminal.ask(self._session.say(acting.QUESTION))
        if agreed:
            return None
        self._session.terminal.note(self._session.say(acting.NOBODY_TO_ASK if agreed is None else acting.KEPT))
        return ExitCode.ERROR

    def _carry_out(self, tasks: list[Task], namespace: str, *, to_rest: bool) -> int:
        session = self._session
        codes: dict[str, int] = {}
        given: dict[str, Given] = {}
        for task in tasks:
            version = give(session, task.name, self._verb, reason=self._reason, fresh=self._fresh)
            if isinstance(version, Fault):
                codes[task.name] = session.failed(version)
            else:
                given[task.name] = Given(self._verb, version, told(task, self._verb).ends)
        try:
            codes |= self._waited(given, namespace, to_rest=to_rest)
        except KeyboardInterrupt:
            session.terminal.note(session.say(shared.DETACHED, line=session.command_line("wait", *given)))
            raise
        return worst(codes.values())

    def _waited(self, given: Mapping[str, Given], namespace: str, *, to_rest: bool) -> dict[str, int]:
        if not given:
            return {}
        codes = answers(self._session, namespace, given)
        accepted = {name: each for name, each in given.items() if codes[name] == ExitCode.DONE}
        return codes | (rest(self._session, namespace, accepted) if to_rest else {})


def _ends_at_once(seen: Told) -> bool:
    """Return whether the task ends without going on, so that others may start."""
    return seen.lock is not None and seen.ends in FINISHED and seen.ends != SUCCEEDED


FRESH: Final = click.option("--fresh", is_flag=True, help="Start again what obshell would go on with.")

retry = _command("retry", "Run what failed again, then go on.", FRESH)
rollback = _command("rollback", "Undo what was done, from the failed step back to the first.")
skip = _command("skip", "Give the task up as it is, and free its lock.")
skip_step = _command("skip-step", "Leave what failed as it is, and go on with the next step.")
cancel = _command("cancel", "End a task that has not started; stop what runs of another one.")
approve = _command("approve", "Let a task that awaits approval go on.")
