"""Builds tasks for tests of the rules: `a_task().named("x").tenant("orders").step("check", wait=5).build()`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from obtask import names
from obtask.model.attempt import Failed
from obtask.model.contract import Phase
from obtask.model.reasons import FailureReason
from obtask.model.status import Blocker
from obtask.model.task import Task, read_task

Json = dict[str, Any]

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class TaskBuilder:
    """A task in the making; every method returns a new builder."""

    metadata: Json = field(default_factory=dict)
    spec: Json = field(default_factory=lambda: {"type": "Cluster", "cluster": "demo", "maintenance": "Global"})
    steps: tuple[Json, ...] = ()

    def named(self, name: str, uid: str | None = None) -> Self:
        """Give it a name, and a uid that goes with the name unless told otherwise."""
        return self._meta(name=name, uid=uid or f"uid-of-{name}")

    def created(self, when: datetime) -> Self:
        """Set when it was created."""
        return self._meta(creationTimestamp=when.isoformat())

    def annotated(self, **annotations: str) -> Self:
        """Put annotations on; `task.oceanbase.com/` goes in front of names that start with an underscore."""
        keys = {name: f"{names.GROUP}/{name[1:].replace('_', '-')}" if name.startswith("_") else name for name in annotations}
        return self._meta(annotations={keys[name]: value for name, value in annotations.items()})

    def marked(self, **metadata: Mapping[str, str]) -> Self:
        """Put labels or annotations on, as a GitOps tool does."""
        return self._meta(**metadata)

    def cluster(self, name: str) -> Self:
        """Make it a task of a cluster."""
        return self._with(type="Cluster", cluster=name)

    def agent(self, name: str) -> Self:
        """Make it a task of a host."""
        return replace(self, spec={key: value for key, value in self.spec.items() if key != "cluster"} | {"type": "Local", "agent": name})

    def none(self) -> Self:
        """Let it exclude nobody."""
        return self._with(maintenance="None")

    def everything(self) -> Self:
        """Let it exclude everybody."""
        return self._with(maintenance="Global")

    def tenant(self, name: str) -> Self:
        """Let it exclude the tasks of one tenant."""
        return self._with(maintenance="Tenant", tenant=name)

    def obproxy(self) -> Self:
        """Let it exclude other tasks of the OBProxy."""
        return self._with(maintenance="OBProxy")

    def rejecting(self) -> Self:
        """Let it not wait in line."""
        return self._with(onConflict="Reject")

    def ttl(self, seconds: int) -> Self:
        """Have it deleted some time after it finished."""
        return self._with(ttlSecondsAfterFinished=seconds)

    def with_spec(self, **fields: Any) -> Self:
        """Set fields of the spec as they are written."""
        return self._with(**fields)

    def step(self, name: str, *, undo: bool = False, **options: Any) -> Self:
        """Add a step of one action (default: wait 60 s); `undo` gives it a rollback."""
        return replace(self, steps=(*self.steps, work(name, undo=undo, **options)))

    def parallel(self, name: str, *subtasks: str, undo: Collection[str] = (), **options: Any) -> Self:
        """Add a step of several subtasks; those in `undo` have a rollback."""
        parts = [work(part, undo=part in undo) for part in subtasks]
        return replace(self, steps=(*self.steps, {"name": name, "parallel": parts} | camelled(options)))

    def with_steps(self, *steps: Json) -> Self:
        """Add steps as they are written."""
        return replace(self, steps=(*self.steps, *steps))

    def body(self) -> Json:
        """Return the task as the API server holds it."""
        metadata: Json = {
            "name": "x", "namespace": "prod", "uid": "uid-of-x", "resourceVersion": "1", "generation": 1,
            "creationTimestamp": START.isoformat(), "finalizers": [], "annotations": {},
        }  # fmt: skip
        return {"metadata": metadata | self.metadata, "spec": self.spec | {"steps": list(self.steps) or [work("only")]}}

    def build(self) -> Task:
        """Return the task."""
        return read_task(self.body())

    def _meta(self, **fields: Any) -> Self:
        return replace(self, metadata=self.metadata | fields)

    def _with(self, **fields: Any) -> Self:
        return replace(self, spec=self.spec | fields)


def a_task() -> TaskBuilder:
    """Return a Cluster task of cluster `demo` that excludes everybody; it gets one step, `only`, unless it is given others."""
    return TaskBuilder()


def a_mended_task() -> TaskBuilder:
    """Return a task of three steps, all with a rollback; `resize` has two subtasks."""
    return a_task().step("check", undo=True).parallel("resize", "zone1", "zone2", undo=("zone1", "zone2")).step("verify", undo=True)


def work(name: str, *, undo: bool = False, **options: Any) -> Json:
    """Return a step or subtask; a number for `wait` or a text for `sql` stands for the simplest such action."""
    action = {key: _filled(key, options.pop(key)) for key in ("wait", "sql") if key in options} or {"wait": {"seconds": 60}}
    return {"name": name} | action | ({"rollback": {"wait": {"seconds": 30}}} if undo else {}) | camelled(options)


def _filled(kind: str, given: Any) -> Json:
    if isinstance(given, Mapping):
        return dict(given)
    return {"seconds": given} if kind == "wait" else {"statements": [given]}


def camelled(fields: Mapping[str, Any]) -> Json:
    """Return the fields with their names as they are on the wire."""
    return {key.split("_")[0] + "".join(part.title() for part in key.split("_")[1:]): value for key, value in fields.items()}


def a_blocker(name: str, phase: Phase = Phase.RUNNING, scope: str = "Global", since: datetime | None = START) -> Blocker:
    """Return a task in the way."""
    return Blocker(name=name, uid=f"uid-of-{name}", phase=phase, scope=scope, since=since)


def failed(message: str = "exit code 3", reason: FailureReason = FailureReason.NON_ZERO_EXIT, code: str | None = None) -> Failed:
    """Return the end of an attempt that failed."""
    return Failed(reason, message, code)
