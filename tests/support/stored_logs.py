"""Owns logs of attempts as an operator stores them, for tests without one."""

import gzip
from base64 import b64encode

from tests.support.apiserver import CONFIG_MAPS, OBTASKS, Body, ServerError
from tests.support.tasks import Tasks

from obtask.logs.store import log_name
from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction


def talking(tasks: Tasks, task: Body) -> None:
    """Have a task with the only step `go` run its first attempt, by its status alone."""
    now = task["metadata"]["creationTimestamp"]
    sub = {"name": "go", "phase": "Running", "attempts": 1, "startedAt": now}
    step = {"name": "go", "phase": "Running", "startedAt": now, "subtasks": [sub]}
    status = {"phase": "Running", "direction": "Forward", "currentStep": "go", "startedAt": now, "steps": [step]}
    path = f"{OBTASKS.format(tasks.namespace)}/{task['metadata']['name']}/status"
    tasks.api.send("PUT", path, task | {"status": status})


def store_log(tasks: Tasks, task: Body, text: str) -> None:
    """Store the log of the first attempt of the step `go`, as an operator does."""
    meta = task["metadata"]
    owner = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "name": meta["name"], "uid": meta["uid"]}
    name = log_name(AttemptId(meta["uid"], "go", "go", Direction.FORWARD, 1))
    notes = {
        f"task.oceanbase.com/{key}": value for key, value in {"step": "go", "subtask": "go", "direction": "Forward", "attempt": "1"}.items()
    }
    labels = {"task.oceanbase.com/task-uid": meta["uid"]}
    body = {
        "metadata": {"name": name, "labels": labels, "annotations": notes, "ownerReferences": [owner]},
        "binaryData": {"log.gz": b64encode(gzip.compress(text.encode())).decode()},
    }
    path = CONFIG_MAPS.format(tasks.namespace)
    try:
        tasks.api.send("POST", path, body)
    except ServerError:
        tasks.api.send("PUT", f"{path}/{name}", body)


def long_log(lines: int) -> str:
    """Return a log of so many lines; each has its number in it."""
    return "".join(
        f"2026-11-28T14:24:58.101Z this is line {number} of the log, as long as such lines are\n" for number in range(1, lines + 1)
    )
