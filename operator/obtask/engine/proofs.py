"""Owns the proofs that a policy of the API server has stamped the groups of whoever gave a command. API.md section 5.

Where no policy is at work, anybody who may give commands can write the stamp themselves. So the operator believes one only if the answer to
its own write, which takes all stamps off, has the mark that the chart's policy adds: no user can bring it there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from obtask import names
from obtask.kube.api import ApiError, Json
from obtask.model.command import Command, noted_command
from obtask.model.contract import Verb
from obtask.model.task import Task

MOST = 10_000  # commands that are noted and not yet carried out, of all tasks


@dataclass(slots=True)
class Proofs:
    """Remembers which approvals came through the policies, until the next command of their task. After a restart nothing is known."""

    _known: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def learned(self, task: Task, command: Command, answer: Json | ApiError) -> Json | ApiError:
        """Note what the answer to the write of a command says, and return it."""
        self._known.pop(task.metadata.uid, None)
        if not isinstance(answer, ApiError) and command.verb == Verb.APPROVE:
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            self._known[task.metadata.uid] = command.id, names.GROUPS_STAMPED_ANNOTATION in (answer["metadata"].get("annotations") or {})
        return answer

    def restore(self, known: Iterable[tuple[Task, bool]]) -> None:
        """Restore what ``cover`` said of tasks."""
        for task, proven in known:
            noted = noted_command(task.metadata.annotations)
            if noted is not None:
                self._known[task.metadata.uid] = noted.id, proven

    def cover(self, task: Task) -> bool | None:
        """Return whether the noted command of a task came through the policies; None: another operator noted it, or this one before."""
        known = self._known.get(task.metadata.uid)
        noted = noted_command(task.metadata.annotations) if known is not None else None
        return known[1] if known is not None and noted is not None and noted.id == known[0] else None
