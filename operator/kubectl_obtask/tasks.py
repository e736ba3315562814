"""Owns what the plugin knows of a task: an OBTask as the API server sends it, read tolerantly. API.md sections 2 and 3.

Nothing in it is trusted to have the type it should have: what is missing or odd reads as empty, and texts are bounded and printable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from kubectl_obtask.escapes import printable

GROUP: Final = "task.oceanbase.com"
ACTION: Final = "action"
GROUP_ACTION: Final = f"{GROUP}/action"
ACTION_REASON: Final = f"{GROUP}/action-reason"
ACTION_OPTION: Final = f"{GROUP}/action-option"
FRESH: Final = "fresh"

IN_LINE: Final = frozenset({"Pending", "Waiting"})
WORKING: Final = frozenset({"Running", "RollingBack"})
FAILED: Final = "Failed"
SUCCEEDED: Final = "Succeeded"
FINISHED: Final = frozenset({SUCCEEDED, "RolledBack", "Skipped", "Cancelled", "Rejected"})
PHASES_OF_TASKS: Final = (*sorted(IN_LINE), *sorted(WORKING), FAILED, *sorted(FINISHED))
RESOURCE: Final = f"obtasks.{GROUP}"
ROLLBACK: Final = "Rollback"
FORWARD: Final = "Forward"
MOST_CHARACTERS: Final = 4096
DETAILS: Final = frozenset({"steps", "parameters", "history", "lastAction"})


class Fields:
    """An object of JSON, read tolerantly."""

    def __init__(self, raw: Any) -> None:
        self.raw: Mapping[str, Any] = raw if isinstance(raw, dict) else {}

    def at(self, *path: str) -> "Fields":
        """Return an object inside; an empty one if there is none."""
        found: Any = self.raw
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return Fields(found)

    def has(self, name: str) -> bool:
        """Return whether there is anything of that name; null is nothing."""
        return self.raw.get(name) is not None

    def all(self, name: str) -> Iterator["Fields"]:
        """Yield the objects of a list."""
        found = self.raw.get(name)
        for each in found if isinstance(found, list) else ():
            yield Fields(each)

    def text(self, name: str) -> str:
        """Return a text, printable and bounded; empty if there is none."""
        found = self.raw.get(name)
        return printable(found[:MOST_CHARACTERS]) if isinstance(found, str) else ""

    def lines(self, name: str) -> str:
        """Return a text of several lines."""
        found = self.raw.get(name)
        return "\n".join(map(printable, found.splitlines())) if isinstance(found, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts in a list."""
        found = self.raw.get(name)
        return tuple(printable(each) for each in found if isinstance(each, str)) if isinstance(found, list) else ()

    def number(self, name: str) -> int:
        """Return a whole number; 0 if there is none."""
        found = self.raw.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else 0

    def truth(self, name: str) -> bool | None:
        """Return true, false, or nothing."""
        found = self.raw.get(name)
        return found if isinstance(found, bool) else None

    def moment(self, name: str) -> datetime | None:
        """Return a point of time, or nothing."""
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            return None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a step is to do. ``rollbacks``: of each subtask that is known by name, whether it has one; of a loop, of any of them."""

    name: str
    subtasks: Mapping[str, bool]
    loop: bool
    in_turn: bool
    conditional: bool
    undone: bool

    def undoes(self, subtask: str) -> bool:
        """Return whether a subtask has a rollback."""
        return self.undone if self.loop else self.subtasks.get(subtask, False)


class Subtask(Fields):
    """What has happened to a subtask."""

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.text("name")

    @cached_property
    def phase(self) -> str:
        """Where it stands."""
        return self.text("phase") or "Pending"

    @property
    def direction(self) -> str:
        """The direction of its last attempt."""
        undoing = self.phase in {"RollingBack", "RolledBack"} or self.at("failure").text("direction") == ROLLBACK
        return ROLLBACK if undoing else FORWARD

    @property
    def attempt(self) -> int:
        """The number of its last attempt in that direction; 0 before the first one."""
        return self.number("rollbackAttempts") if self.direction == ROLLBACK else self.number("attempts")


class Step(Fields):
    """What has happened to a step."""

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.text("name")

    @cached_property
    def phase(self) -> str:
        """Where it stands."""
        return self.text("phase") or "Pending"

    @cached_property
    def subtasks(self) -> tuple[Subtask, ...]:
        """Its subtasks."""
        return tuple(Subtask(each.raw) for each in self.all("subtasks"))


class Task(Fields):
    """An OBTask."""

    @property
    def metadata(self) -> Fields:
        """Its metadata."""
        return self.at("metadata")

    @property
    def spec(self) -> Fields:
        """What was asked for."""
        return self.at("spec")

    @property
    def status(self) -> Fields:
        """What has happened."""
        return self.at("status")

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.metadata.text("name")

    @cached_property
    def namespace(self) -> str:
        """Its namespace."""
        return self.metadata.text("namespace")

    @cached_property
    def uid(self) -> str:
        """Its uid."""
        return self.metadata.text("uid")

    @property
    def version(self) -> int:
        """Its resourceVersion, which grows with every change."""
        return whole(self.metadata.text("resourceVersion"))

    @cached_property
    def created(self) -> datetime:
        """When it was created."""
        return self.metadata.moment("creationTimestamp") or datetime.fromtimestamp(0, UTC)

    @cached_property
    def place(self) -> tuple[float, str]:
        """What its place in a line goes by: its creation, then its name."""
        return (self.created.timestamp(), self.name)

    @cached_property
    def phase(self) -> str:
        """Where it stands; a task that no operator has seen is Pending."""
        return self.status.text("phase") or "Pending"

    def bare(self) -> dict[str, Any]:
        """Return the object as kubectl shows it: without the fields that only tools need."""
        metadata = {key: value for key, value in self.metadata.raw.items() if key != "managedFields"}
        return {**self.raw, "metadata": metadata}

    def brief(self) -> "Task":
        """Return the task with what a list shows of it: what it is to do, and has done, step by step takes most of the room."""
        spec = {key: value for key, value in self.spec.raw.items() if key not in DETAILS}
        status = {key: value for key, value in self.status.raw.items() if key not in DETAILS}
        metadata = {key: self.metadata.raw.get(key) for key in ("name", "namespace", "uid", "creationTimestamp")}
        return Task({"metadata": metadata, "spec": spec, "status": status})

    @property
    def is_seen(self) -> bool:
        """Whether an operator has looked at it; the API server gives a new task a status, too."""
        return self.phase != "Pending" or self.status.number("observedGeneration") > 0

    @property
    def finished(self) -> bool:
        """Whether it never changes again."""
        return self.phase in FINISHED

    @property
    def target(self) -> str:
        """The cluster, or the host, that it belongs to."""
        return self.spec.text("agent") or self.spec.text("cluster")

    @cached_property
    def maintenance(self) -> str:
        """What it locks of its target; empty if nothing is said of that."""
        return self.spec.text("maintenance")

    @cached_property
    def tenant(self) -> str:
        """The tenant that it is for; empty if there is none."""
        return self.spec.text("tenant")

    @cached_property
    def planned(self) -> tuple[Planned, ...]:
        """Its steps as they are to be done."""
        return tuple(_planned(step) for step in self.spec.all("steps"))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Its steps as they are; none before the first one begins."""
        return tuple(Step(each.raw) for each in self.status.all("steps"))

    @property
    def current(self) -> Step | None:
        """The step that runs, failed or is being undone."""
        name = self.status.text("currentStep")
        return next((step for step in self.steps if step.name == name), None)

    def condition(self, kind: str) -> Fields:
        """Return one of its conditions; an empty one if it is not there."""
        return next((each for each in self.status.all("conditions") if each.text("type") == kind), Fields(None))

    @property
    def pending_command(self) -> str:
        """The command that waits for the operator; empty if there is none."""
        annotations = self.at("metadata", "annotations")
        return annotations.text(ACTION) or annotations.text(GROUP_ACTION)

    @property
    def answered(self) -> int:
        """The version of the task that bore the last command that was answered; 0 if none was."""
        return whole(self.at("status", "lastAction").text("id"))


def whole(digits: str) -> int:
    """Return a whole number that is written as text; 0 if it is none."""
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _planned(step: Fields) -> Planned:
    loop = step.at("forEach")
    parallel = {each.text("name"): each.has("rollback") for each in step.all("parallel")}
    name = step.text("name")
    return Planned(
        name=name,
        subtasks={} if loop.raw else parallel or {name: step.has("rollback")},
        loop=bool(loop.raw),
        in_turn=loop.has("maxParallel"),
        conditional=step.has("when"),
        undone=loop.at("subtask").has("rollback"),
    )
