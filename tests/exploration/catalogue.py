"""Owns the versions of objects: each one is kept once and known by a small number, and can be renumbered.

Two states that differ only in how often something was written are the same state. So versions, fencing tokens and counts of
attempts for a lock are renumbered: what is current in the API server is ``CURRENT``, and what an operator still remembers of
earlier times comes below, in its order, without gaps. The code under test compares such numbers of one object with each other and
adds one to the current one. What two operators remember of earlier times never meets: a write that carries it is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from obtask import names
from obtask.kube.leases import Lease, read_lease
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.command import noted_command
from obtask.model.task import Task, read_task

Json = dict[str, Any]
Numbers = tuple[tuple[str, int], ...]
"""What is counted in an object: (what, how far)."""

SLOT_BITS = 32
CURRENT = 16


class OutOfNumbers(Exception):  # noqa: N818 - what happened
    """More versions of one object are mentioned in one state than the catalogue can tell apart."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an object."""

    kind: str
    name: str
    uid: str
    body: Json
    task: Task | None
    lease: Lease | None
    numbers: Numbers


@dataclass
class Catalogue:
    """All versions of all objects that were met. Numbers of slots start at zero and are packed into one integer, a bit each."""

    entries: list[Entry] = field(default_factory=list)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    _ids: dict[object, int] = field(default_factory=dict)
    _slots: dict[str, int] = field(default_factory=dict)
    _masks: dict[int, int] = field(default_factory=dict)

    def add_task(self, body: Json) -> int:
        """Return the number of this version of a task."""
        return self.number_of(read_task(body), body)

    def number_of(self, task: Task, body: Json | None = None) -> int:
        """Return the number of a version of a task as it is in memory."""
        key = (task.metadata.model_dump_json(), task.status.model_dump_json())
        found = self._ids.get(key)
        if found is None:
            if body is None:
                raise LookupError(f"{task.key} was never in the API server as it is in memory")
            found = self._add(key, Entry("task", task.metadata.name, task.metadata.uid, body, task, None, _task_numbers(task)))
        return found

    def add_lease(self, body: Json) -> int:
        """Return the number of this version of a Lease."""
        return self.number_of_lease(read_lease(body), body)

    def number_of_lease(self, lease: Lease, body: Json | None = None) -> int:
        """Return the number of a version of a Lease as it is in memory."""
        marks = (json.dumps(dict(lease.labels), sort_keys=True), json.dumps(dict(lease.annotations), sort_keys=True))
        key = (lease.name, lease.holder, lease.transitions, lease.acquired_at, lease.version, *marks)
        found = self._ids.get(key)
        if found is None:
            if body is None:
                raise LookupError(f"lease {lease.name} was never in the API server as it is in memory")
            numbers = ((f"v:{lease.name}", int(lease.version)), (f"t:{lease.name}", lease.transitions))
            found = self._add(key, Entry("lease", lease.name, "", body, None, lease, numbers))
        return found

    def _add(self, key: object, entry: Entry) -> int:
        number = self._ids[key] = len(self.entries)
        self.entries.append(entry)
        return number

    def keep_attempt(self, attempt: Attempt) -> AttemptId:
        """Return the name of an attempt; what it is about follows from that, but for its fencing token, which is its target's business."""
        self.attempts.setdefault(attempt.id, attempt)
        return attempt.id

    def task(self, number: int) -> Task:
        """Return a version that is a task's."""
        task = self.entries[number].task
        if task is None:
            raise LookupError(f"{number} is no task")
        return task

    def lease(self, number: int) -> Lease:
        """Return a version that is a Lease's."""
        lease = self.entries[number].lease
        if lease is None:
            raise LookupError(f"{number} is no Lease")
        return lease

    def mask(self, number: int) -> int:
        """Return the numbers that a version mentions, as bits."""
        found = self._masks.get(number)
        if found is None:
            found = self._masks[number] = self.bits(self.entries[number].numbers)
        return found

    def bits(self, numbers: Numbers) -> int:
        """Return numbers as bits."""
        mask = 0
        for what, value in numbers:
            if value >= SLOT_BITS - 1:
                raise OutOfNumbers(f"{what} has reached {value}")
            slot = self._slots.setdefault(what, len(self._slots))
            mask |= 1 << (slot * SLOT_BITS + value)
        return mask

    def ranks(self, mentioned: int, current: int) -> "Ranks":
        """Return the new numbers for everything that is mentioned, where ``current`` has the bits of what is current."""
        found = {}
        for what, slot in self._slots.items():
            values = _values(mentioned >> slot * SLOT_BITS)
            anchor = max(_values(current >> slot * SLOT_BITS) or values or [0])
            below = [value for value in values if value < anchor]
            above = [value for value in values if value > anchor]
            new = {0: 0, anchor: CURRENT if anchor else 0}
            new |= {value: CURRENT - len(below) + rank for rank, value in enumerate(below)}
            new |= {value: CURRENT + rank for rank, value in enumerate(above, 1)}
            found[what] = new
        return Ranks(found)

    def renumbered(self, number: int, ranks: "Ranks") -> int:
        """Return the version with its numbers replaced."""
        entry = self.entries[number]
        if all(ranks.of(what, value) == value for what, value in entry.numbers):
            return number
        if entry.kind == "lease":
            return self.add_lease(_renumbered_lease(entry, ranks))
        return self.add_task(_renumbered_task(entry, ranks))


@dataclass(frozen=True, slots=True)
class Ranks:
    """New numbers for old ones."""

    new: Mapping[str, Mapping[int, int]]

    def of(self, what: str, value: int) -> int:
        """Return the new number."""
        return self.new[what][value]


def _values(bits: int) -> list[int]:
    # Zero stays zero: never written, never held, never tried.
    return [value for value in range(1, SLOT_BITS) if bits >> value & 1]


def _task_numbers(task: Task) -> Numbers:
    meta, status = task.metadata, task.status
    numbers: list[tuple[str, int]] = [(f"v:{meta.name}", int(meta.resource_version)), (f"a:{meta.uid}", status.lock_attempts)]
    if status.lock is not None:
        numbers.append((f"t:{status.lock.lease}", status.lock.token))
    # A command is known by the version of the task that it was given to.
    numbers += [(f"v:{meta.name}", int(command)) for command in _commands(task)]
    return tuple(numbers)


def _commands(task: Task) -> list[str]:
    """Return the ids of the command that is noted in a task, and of the one that was handled last."""
    return [one.id for one in (noted_command(task.metadata.annotations), task.status.last_action) if one is not None and one.id]


def _renumbered_lease(entry: Entry, ranks: Ranks) -> Json:
    meta, spec = entry.body["metadata"], entry.body["spec"]
    return entry.body | {
        "metadata": meta | {"resourceVersion": str(ranks.of(f"v:{entry.name}", int(meta["resourceVersion"])))},
        "spec": spec | {"leaseTransitions": ranks.of(f"t:{entry.name}", spec.get("leaseTransitions", 0))},
    }


def _compact(body: Json) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _renumbered_task(entry: Entry, ranks: Ranks) -> Json:
    def version(text: str) -> str:
        return str(ranks.of(f"v:{entry.name}", int(text)))

    meta = entry.body["metadata"] | {"resourceVersion": version(entry.body["metadata"]["resourceVersion"])}
    if (note := meta.get("annotations", {}).get(names.ACCEPTED_COMMAND_ANNOTATION)) is not None:
        noted = json.loads(note)
        meta["annotations"] = meta["annotations"] | {names.ACCEPTED_COMMAND_ANNOTATION: _compact(noted | {"id": version(noted["id"])})}
    body = entry.body | {"metadata": meta}
    if "status" in body:
        status = dict(body["status"])
        if status.get("lockAttempts"):
            status["lockAttempts"] = ranks.of(f"a:{entry.uid}", status["lockAttempts"])
        if "lock" in status:
            status["lock"] = status["lock"] | {"token": ranks.of(f"t:{status['lock']['lease']}", status["lock"]["token"])}
        if "lastAction" in status:
            status["lastAction"] = status["lastAction"] | {"id": version(status["lastAction"]["id"])}
        body["status"] = status
    return body
