"""Owns `logs`: of what runs, else of what failed, else of what ran last; or of the attempts that are named."""

from dataclasses import dataclass
from importlib import import_module

import click

from kubectl_obtask.cluster import read_task
from kubectl_obtask.logs import Attempt, Log, chosen, every_attempt, read_log, stored, working
from kubectl_obtask.logs import in_status as in_status_of
from kubectl_obtask.options import STEP, SUBTASK, TASK
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import trees


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which attempts are meant."""

    step: str | None
    subtask: str | None
    attempt: int | None
    rollback: bool
    previous: bool
    everything: bool

    def of(self, task: Task) -> tuple[Attempt, ...]:
        """Return the attempts of a task that are meant."""
        if self.everything:
            return tuple(each for each in every_attempt(task) if self.step in {None, each.step} and self.subtask in {None, each.subtask})
        found = chosen(task, self.step, self.subtask, self.attempt, rollback=self.rollback)
        if not self.previous:
            return found
        return tuple(Attempt(each.step, each.subtask, each.direction, each.number - 1) for each in found if each.number > 1)


@verb("logs")
@click.argument("name", type=TASK)
@click.option("-f", "--follow", is_flag=True, help="Follow the task from step to step until it rests.")
@click.option("--step", type=STEP, metavar="NAME", help="Of this step.")
@click.option("--subtask", type=SUBTASK, metavar="NAME", help="Of this subtask.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt, from 1. Default: the last one.")
@click.option("--rollback", is_flag=True, help="Of what undoes, not of what is undone.")
@click.option("-p", "--previous", is_flag=True, help="Of the attempt before.")
@click.option("--all", "everything", is_flag=True, help="Of all attempts, step by step.")
def command(session: Session, *, name: str, follow: bool, **wanted: str | int | bool | None) -> int | None:
    """Print the log of what runs, else of what failed."""
    namespace = session.kubectl.current_namespace()
    task = namespace if isinstance(namespace, Fault) else read_task(session.kubectl, namespace, name)
    if isinstance(task, Fault):
        return session.failed(task)
    which = Wanted(**wanted)  # type: ignore[arg-type] # Click gives what the options above say
    if follow:
        code: int = import_module("kubectl_obtask.log_following").follow(session, task, which.of(task), (which.step, which.subtask))
        return code
    return _print(session, task, which)


def _print(session: Session, task: Task, which: Wanted) -> int:
    attempts = which.of(task)
    if not attempts:
        nothing = trees.NO_SUCH if every_attempt(task) else trees.NOTHING_RAN
        session.terminal.note(session.say(nothing, name=task.name, line=session.command_line("tree", task.name)))
        return ExitCode.ERROR if every_attempt(task) else ExitCode.DONE
    logs = _all_of(session, task, attempts) if which.everything else [read_log(session.kubectl, task, each) for each in attempts]
    if isinstance(logs, Fault):
        return session.failed(logs)
    for attempt, log in zip(attempts, logs, strict=True):
        if isinstance(log, Fault):
            return session.failed(log)
        header = session.say(trees.LOG_OF, attempt=attempt.label)
        # Of several logs, the headers tell them apart.
        (session.terminal.line if len(attempts) > 1 else session.terminal.note)(header)
        _print_one(session, task, attempt, log)
    return ExitCode.DONE


def _print_one(session: Session, task: Task, attempt: Attempt, log: Log | None) -> None:
    if log is None:
        missing = trees.NO_LOG_YET if attempt in working(task) else trees.NO_LOG
        session.terminal.note(session.say(missing, attempt=attempt.label))
        return
    if log.raw:
        session.terminal.note(session.say(trees.RAW))
    session.terminal.line(log.text)


def _all_of(session: Session, task: Task, attempts: tuple[Attempt, ...]) -> list[Log | None] | Fault:
    """Return the log of every attempt by one list, instead of one call for each."""
    kept = stored(session.kubectl, task)
    if isinstance(kept, Fault):
        return kept
    texts = [kept.get(attempt) or in_status_of(task, attempt)[1] for attempt in attempts]
    return [Log(attempt, text) if text else None for attempt, text in zip(attempts, texts, strict=True)]
