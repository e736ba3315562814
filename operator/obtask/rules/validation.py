"""Owns what only the operator can check of a spec before a task takes a lock: that its expressions compile."""

from obtask.model.actions import expressions, kind
from obtask.model.spec import Work
from obtask.model.task import InvalidSpec, Task
from obtask.rules.expressions import Vocabulary, fault


def spec_fault(task: Task) -> str | None:
    """Return what is wrong with the task's spec, naming the field, or None."""
    if isinstance(task.spec, InvalidSpec):
        return task.spec.message
    for index, step in enumerate(task.spec.steps):
        path = f"spec.steps[{index}]"
        works: list[tuple[str, Work]] = [(path, step)] if step.parallel is None else []
        works += [(f"{path}.parallel[{at}]", subtask) for at, subtask in enumerate(step.parallel or [])]
        works += [(f"{where}.rollback", undo) for where, work in works if (undo := getattr(work, "rollback", None)) is not None]
        found = next((text for where, work in works if (text := _work_fault(where, work))), None)
        if found:
            return found
    return None


def _work_fault(path: str, work: Work) -> str | None:
    for field, text in expressions(work.action):
        broken = fault(Vocabulary(kind(work.action)), text)
        if broken is not None:
            return f"{path}.{kind(work.action)}.{field}: expression {text!r} does not compile: {broken.message}"
    return None
