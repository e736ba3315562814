"""Owns giving commands: whether one would be taken, giving it, and waiting for the answer to this very request. API.md section 5."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from kubectl_obtask.cluster import parsed
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.preview import told
from kubectl_obtask.resting import awaits_approval, stands
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import ACTION_OPTION, ACTION_REASON, FAILED, FRESH, GROUP_ACTION, RESOURCE, Task
from kubectl_obtask.times import span
from kubectl_obtask.waiting import Teller, wait_for
from kubectl_obtask.wording import acting, waiting
from kubectl_obtask.wording.phases import phase_word
from kubectl_obtask.wording.preview_wording import summary

NOTE_AFTER: Final = 10.0
GIVE_UP_AFTER: Final = 60.0
FIELD_MANAGER: Final = "kubectl-obtask"


def allowed(task: Task) -> tuple[str, ...]:
    """Return the commands that would be accepted now; a task that no operator has seen can be cancelled."""
    known = task.status.has("allowedActions") or task.finished
    return task.status.texts("allowedActions") if known else ("cancel",)


class Offer(NamedTuple):
    """A command that would be accepted now: what to type, and what it would do, in one sentence."""

    verb: str
    line: str
    does: str


def offers(session: Session, task: Task) -> tuple[Offer, ...]:
    """Return the commands that help a task on which waits for a person; of any other task there are none."""
    if task.phase != FAILED and not awaits_approval(task):
        return ()
    helpful = (verb for verb in allowed(task) if verb != "cancel")
    return tuple(Offer(verb, session.command_line(verb, task.name), summary(told(task, verb), session.language)) for verb in helpful)


def refusal(session: Session, task: Task, verb: str) -> Fault | None:
    """Return why a command would not be taken, as far as the task itself tells."""
    verbs = allowed(task)
    if task.pending_command:
        return Fault(ExitCode.REFUSED, session.say(acting.UNANSWERED, name=task.name, verb=task.pending_command))
    if verb in verbs:
        return None
    now = session.say(acting.ALLOWED, verbs=", ".join(verbs)) if verbs else session.say(acting.NONE_ALLOWED)
    phase = phase_word(task.phase, session.language)
    return Fault(ExitCode.REFUSED, session.say(acting.NOT_ALLOWED, name=task.name, verb=verb, phase=phase, allowed=now))


def give(session: Session, name: str, verb: str, *, reason: str | None = None, fresh: bool = False) -> int | Fault:
    """Give a command; return the version of the task that bears it, by which its answer is known."""
    words = ["annotate", RESOURCE, name, f"{GROUP_ACTION}={verb}", f"--field-manager={FIELD_MANAGER}", "--output=json"]
    words += [f"{ACTION_REASON}={reason}"] if reason else []
    words += [f"{ACTION_OPTION}={FRESH}"] if fresh else []
    said = session.kubectl.read(words)
    borne = said if isinstance(said, Fault) else parsed(said)
    return borne if isinstance(borne, Fault) else Task(borne).version


@dataclass(frozen=True, slots=True)
class Given:
    """A command that was given. ``version``: the one of the task that bears it. ``ends``: the phase that it aims at."""

    verb: str
    version: int
    ends: str


def answers(session: Session, namespace: str, given: Mapping[str, Given]) -> dict[str, int]:
    """Wait for the operator's answer to each of these commands, by the task's name; return the exit codes."""

    def judge(task: Task) -> int | None:
        return _answer(session, task, given[task.name])

    waited = wait_for(session, namespace, [*given], judge, NOTE_AFTER)
    codes = dict(waited.codes)
    if waited.late:
        session.terminal.note(session.say(acting.NO_OPERATOR, span=span(timedelta(seconds=NOTE_AFTER), session.language)))
        codes |= (later := wait_for(session, namespace, waited.late, judge, GIVE_UP_AFTER - NOTE_AFTER)).codes
        for name in later.late:
            length = span(timedelta(seconds=GIVE_UP_AFTER), session.language)
            session.terminal.note(session.say(acting.GIVEN_UP, name=name, span=length))
    return codes


def rest(session: Session, namespace: str, given: Mapping[str, Given]) -> dict[str, int]:
    """Wait until each of these tasks rests again after its command; return the exit codes."""
    teller = Teller(session)

    def judge(task: Task) -> int | None:
        return _rest(session, task, given[task.name].ends, teller)

    return dict(wait_for(session, namespace, [*given], judge, None).codes) if given else {}


def _answer(session: Session, task: Task, given: Given) -> int | None:
    if task.answered < given.version:
        return None
    answer = task.at("status", "lastAction")
    accepted = answer.text("result") == "Accepted"
    said = session.say(waiting.MESSAGE, message=answer.text("message")) if answer.text("message") else ""
    text = acting.ACCEPTED if accepted else acting.REJECTED
    session.terminal.note(session.say(text, name=task.name, verb=given.verb, message=said))
    return ExitCode.DONE if accepted else ExitCode.REFUSED


def _rest(session: Session, task: Task, ends: str, teller: Teller) -> int | None:
    teller.tell(task, stands(session, task))
    if task.phase == ends:
        return ExitCode.DONE
    if awaits_approval(task):
        line = session.command_line("approve", task.name)
        session.terminal.note(session.say(waiting.AWAITS_APPROVAL, name=task.name, line=line))
        return ExitCode.DONE
    if task.phase == FAILED:
        line = session.command_line("why", task.name)
        session.terminal.note(session.say(waiting.WAITS_FOR_PERSON, name=task.name, line=line))
        return ExitCode.FAILED
    return ExitCode.ENDED_OTHERWISE if task.finished else None
