"""Owns what an attempt of a subtask is made from: the task and the step around it, and what the status says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from obtask import names
from obtask.model.actions import Action, ApproveAction, WaitAction
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.contract import Direction, SubtaskPhase
from obtask.model.limits import kept_room, message_room
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.steps import Step, Subtask
from obtask.model.task import InvalidSpec, Task
from obtask.rules import variables
from obtask.rules.nonces import Nonces
from obtask.rules.progress import find_step

CREATOR_LENGTH = 512


@dataclass(frozen=True, slots=True)
class SubtaskContext:
    """A subtask with the task and step around it: all that an attempt is made from."""

    task: Task
    spec: TaskSpec
    status: TaskStatus
    step: Step
    subtask: Subtask
    runner: str = ""
    nonces: Nonces | None = None

    @property
    def room(self) -> int:
        """How many bytes the subtask's message may take, so that the whole task stays storable."""
        return message_room(self.spec.subtask_count)

    def attempt_id(self, status: SubtaskStatus) -> AttemptId:
        """Return the name of the subtask's current attempt."""
        direction = direction_of(status)
        number = status.rollback_attempts if direction is Direction.ROLLBACK else status.attempts
        return AttemptId(self.task.metadata.uid, self.step.name, self.subtask.name, direction, number)

    def attempt(self, status: SubtaskStatus) -> Attempt:
        """Return the subtask's current attempt."""
        name = self.attempt_id(status)
        undo = self.subtask.rollback.action if self.subtask.rollback is not None else None
        forward = self.subtask.action
        action, counterpart = (undo, forward) if name.direction is Direction.ROLLBACK and undo is not None else (forward, undo)
        started = status.started_at or self.task.metadata.creation_timestamp
        seconds = self.step.timeout_seconds
        # The default is not what the author of a long wait asked for; a limit that was set is, also one of the same length.
        endless = isinstance(action, WaitAction | ApproveAction) and "timeout_seconds" not in self.step.model_fields_set
        lock = self.status.lock
        return Attempt(
            id=name,
            namespace=self.task.metadata.namespace,
            task=self.task.metadata.name,
            action=action,
            connection=self.spec.connection,
            service_account=self.spec.service_account_name,
            created_at=self.task.metadata.creation_timestamp,
            created_by=self.task.metadata.annotations.get(names.CREATED_BY_ANNOTATION, "")[:CREATOR_LENGTH] or None,
            started_at=started,
            deadline=None if endless else started + timedelta(seconds=seconds),
            lock_token=lock.token if lock is not None else None,
            runner=status.runner,
            external=status.external,
            previous_external=status.previous_external,
            external_mark=status.external_mark,
            previous_mark=status.previous_mark,
            fresh=status.fresh,
            counterpart=counterpart,
            nonce_digests=status.nonce_digests,
            kept=status.kept,
            kept_room=kept_room(self.spec.restored_count),
            variables=self._variables(name, action, started),
        )

    def _variables(self, name: AttemptId, action: Action, started: datetime) -> Mapping[str, Any]:
        mentions = action.mentions | (self.spec.connection.mentions if self.spec.connection is not None else frozenset())
        if name.direction is Direction.ROLLBACK:
            mentions |= self.subtask.action.mentions  # an undo may have to find what the step worked on
        wanted = mentions & variables.action_scope(self.spec, self.step)
        if not wanted:
            return {}
        step = find_step(self.status, self.step.name)
        around = variables.Surroundings(self.task.metadata, self.spec, self.status, started)
        return around.of_attempt(step, name, wanted)


def contexts(task: Task, status: TaskStatus, step: StepStatus, runner: str = "", nonces: Nonces | None = None) -> dict[str, SubtaskContext]:
    """Return the subtasks of a step of a task by name. ``status``: how far the task is, which may not be stored yet."""
    planned = task.plan.by_name[step.name]
    return {
        sub.name: SubtaskContext(task, task.plan, status, planned, planned.subtask_of(sub.name), runner, nonces) for sub in step.subtasks
    }


def live(status: SubtaskStatus) -> bool:
    """Return whether the subtask has an attempt that has not ended."""
    return status.phase.working


def running_attempts(task: Task) -> tuple[Attempt, ...]:
    """Return the attempts of a task that have not ended by its status; none if it is finished, or its spec cannot be read."""
    if isinstance(task.spec, InvalidSpec) or task.status.phase.finished:
        return ()
    found: list[Attempt] = []
    for step in task.status.steps:
        if any(live(sub) for sub in step.subtasks):
            where = contexts(task, task.status, step)
            found += [where[sub.name].attempt(sub) for sub in step.subtasks if live(sub)]
    return tuple(found)


def direction_of(status: SubtaskStatus) -> Direction:
    """Return the direction of the subtask's current attempt."""
    return Direction.ROLLBACK if status.phase is SubtaskPhase.ROLLING_BACK else Direction.FORWARD
