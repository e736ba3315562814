"""Owns logs of attempts: which one is meant, where it is kept, and what of it is new. API.md section 6."""

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from kubectl_obtask.cluster import CORE, objects_in, path_of
from kubectl_obtask.escapes import printable
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.outcome import Fault
from kubectl_obtask.tasks import FORWARD, GROUP, ROLLBACK, WORKING, Fields, Step, Subtask, Task, whole

KEY: Final = "log.gz"
GZIP: Final = 31
LARGEST_BYTES: Final = 4 * 1024 * 1024
PAGE: Final = 20
SAME_LINES: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One attempt of a subtask."""

    step: str
    subtask: str
    direction: str
    number: int

    @property
    def label(self) -> str:
        """How people name it."""
        subtask = self.step if self.subtask == self.step else f"{self.step}/{self.subtask}"
        return f"{subtask} #{self.number}" + (" rollback" if self.direction == ROLLBACK else "")


@dataclass(frozen=True, slots=True)
class Log:
    """A log that was found. ``raw``: as the container wrote it, with nothing masked."""

    attempt: Attempt
    text: str
    raw: bool = False


def last_attempt(step: Step, subtask: Subtask) -> Attempt | None:
    """Return the attempt of a subtask that its status tells about; None before the first one."""
    number = subtask.attempt
    return Attempt(step.name, subtask.name, subtask.direction, number) if number else None


def working(task: Task) -> tuple[Attempt, ...]:
    """Return the attempts that run."""
    step = task.current
    subtasks = step.subtasks if step is not None else ()
    return tuple(found for sub in subtasks if sub.phase in WORKING and step and (found := last_attempt(step, sub)))


def failed(task: Task) -> Attempt | None:
    """Return the attempt that the task failed by."""
    found = task.at("status", "failedSubtask")
    number = found.number("attempt")
    if not number:
        return None
    return Attempt(found.text("step"), found.text("subtask"), found.text("direction") or FORWARD, number)


def most_interesting(task: Task) -> tuple[Attempt, ...]:
    """Return what runs, else what failed, else what ran last."""
    running = working(task)
    if running:
        return running
    found = failed(task)
    if found is not None:
        return (found,)
    ended = [(sub.text("finishedAt"), attempt) for step in task.steps for sub in step.subtasks if (attempt := last_attempt(step, sub))]
    return (max(ended)[1],) if ended else ()


def chosen(task: Task, step: str | None, subtask: str | None, number: int | None, *, rollback: bool) -> tuple[Attempt, ...]:
    """Return the attempts that are meant; none if there are none like that."""
    if step is None and subtask is None and number is None and not rollback:
        return most_interesting(task)
    preferred = most_interesting(task)
    if step is None and preferred and subtask is None:
        step, subtask = preferred[0].step, preferred[0].subtask
    found: list[Attempt] = []
    for each in task.steps:
        for sub in each.subtasks if step in {None, each.name} else ():
            if subtask in {None, sub.name}:
                found += _attempts(each, sub, number, rollback=rollback)
    return tuple(found)


def _attempts(step: Step, sub: Subtask, number: int | None, *, rollback: bool) -> Iterator[Attempt]:
    last = last_attempt(step, sub)
    if last is None:
        return
    direction = ROLLBACK if rollback else FORWARD if number is not None else last.direction
    most = sub.number("rollbackAttempts") if direction == ROLLBACK else sub.number("attempts")
    wanted = most if number is None else number
    if 0 < wanted <= most:
        yield Attempt(step.name, sub.name, direction, wanted)


def every_attempt(task: Task) -> tuple[Attempt, ...]:
    """Return all attempts of a task, step by step: forward first, then those that undo."""
    return tuple(
        Attempt(step.name, sub.name, direction, number)
        for direction, counter in ((FORWARD, "attempts"), (ROLLBACK, "rollbackAttempts"))
        for step in (task.steps if direction == FORWARD else reversed(task.steps))
        for sub in step.subtasks
        for number in range(1, min(sub.number(counter), 1000) + 1)
    )


def config_map_name(task: Task, attempt: Attempt) -> str:
    """Return the name of the ConfigMap that an attempt's log has, unless somebody else has taken the name."""
    text = f"{task.uid}/{attempt.step}/{attempt.subtask}/{attempt.direction}/{attempt.number}"
    return f"obt-log-{sha256(text.encode()).hexdigest()[:40]}"


def in_status(task: Task, attempt: Attempt) -> tuple[str, str]:
    """Return what the status has of a log: the name of its ConfigMap, and its text if it is short; both may be empty."""
    last = [Subtask(sub.raw) for sub in _subtasks(task, attempt)]
    places: list[Fields] = [sub for sub in last if (sub.attempt, sub.direction) == (attempt.number, attempt.direction)]
    if failed(task) == attempt:
        places.append(task.at("status", "failedSubtask"))
    names = [place.at("logRef").text("configMap") for place in places]
    texts = [place.lines("logTail") for place in places]
    name = next(filter(None, names), "")
    return name, "" if name else next(filter(None, texts), "")


def _subtasks(task: Task, attempt: Attempt) -> Iterator[Fields]:
    for step in task.steps:
        if step.name == attempt.step:
            yield from (sub for sub in step.subtasks if sub.name == attempt.subtask)


def attempt_of(config_map: Fields) -> Attempt:
    """Return which attempt a ConfigMap belongs to, as it says itself."""
    notes = config_map.at("metadata", "annotations")
    step, subtask, direction = (notes.text(f"{GROUP}/{name}") for name in ("step", "subtask", "direction"))
    return Attempt(step, subtask, direction, whole(notes.text(f"{GROUP}/attempt")))


def is_owned(config_map: Fields, task: Task) -> bool:
    """Return whether a ConfigMap belongs to a task: anybody who may make one can give it any labels."""
    return any(owner.text("uid") == task.uid for owner in config_map.at("metadata").all("ownerReferences"))


def unpacked(config_map: Mapping[str, Any]) -> str:
    """Return the log in a ConfigMap; empty if there is none that can be read."""
    packed = Fields(config_map).at("binaryData").raw.get(KEY)
    if not isinstance(packed, str):
        return ""
    try:
        text = zlib.decompressobj(wbits=GZIP).decompress(base64.b64decode(packed), LARGEST_BYTES).decode(errors="replace")
    except (binascii.Error, zlib.error):
        return ""
    return "\n".join(map(printable, text.split("\n"))).rstrip("\n")


def maps_path(task: Task, *, watch_from: str = "", token: str = "", page: bool = True) -> str:
    """Return the path of all ConfigMaps with logs of a task."""
    query: dict[str, str | int] = {"labelSelector": f"{GROUP}/task-uid={task.uid}", "continue": token}
    if watch_from:
        query |= {"watch": "true", "resourceVersion": watch_from, "timeoutSeconds": 300}
    elif page:
        query["limit"] = PAGE
    return path_of(CORE, "configmaps", task.namespace, query=query)


def stored(kubectl: Kubectl, task: Task) -> dict[Attempt, str] | Fault:
    """Return every log of a task that is kept in a ConfigMap."""
    found: dict[Attempt, str] = {}
    token = ""
    while True:
        listed = objects_in(kubectl.get(maps_path(task, token=token)))
        if isinstance(listed, Fault):
            return listed
        for each in Fields(listed).all("items"):
            if is_owned(each, task):
                found[attempt_of(each)] = unpacked(each.raw)
        token = Fields(listed).at("metadata").text("continue")
        if not token:
            return found


def read_log(kubectl: Kubectl, task: Task, attempt: Attempt) -> Log | Fault | None:
    """Return the log of one attempt, wherever it is; None if there is none yet, or none any more."""
    name, text = in_status(task, attempt)
    if text:
        return Log(attempt, text)
    for candidate in dict.fromkeys(filter(None, (name, config_map_name(task, attempt)))):
        found = objects_in(kubectl.get(path_of(CORE, "configmaps", task.namespace, candidate)))
        if isinstance(found, Fault):
            if not found.missing:
                return found
        elif is_owned(Fields(found), task) and (text := unpacked(found)):
            return Log(attempt, text)
    kept = stored(kubectl, task)
    if isinstance(kept, Fault):
        return kept
    return Log(attempt, kept[attempt]) if kept.get(attempt) else _raw(kubectl, task, attempt)


def _raw(kubectl: Kubectl, task: Task, attempt: Attempt) -> Log | Fault | None:
    """Return what the container of a Job has written, as long as the operator has published nothing."""
    jobs = [sub.text("job") for sub in _subtasks(task, attempt)] if attempt in working(task) else []
    if not jobs or not jobs[0]:
        return None
    said = kubectl.read(["logs", f"job/{jobs[0]}", "--all-containers", "--timestamps", "--tail=5000", f"--limit-bytes={LARGEST_BYTES}"])
    if isinstance(said, Fault) or not said:
        return None
    return Log(attempt, "\n".join(map(printable, said.decode(errors="replace").splitlines())), raw=True)


def news(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines of a log that were not there before. It may have been cut in the middle meanwhile."""
    if list(now[: len(before)]) == list(before):
        return now[len(before) :]
    known = list(before[-SAME_LINES:])
    for end in range(len(now), len(known) - 1, -1):
        if list(now[end - len(known) : end]) == known:
            return now[end:]
    return now
