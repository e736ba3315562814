"""Owns the terminal Task Center of tests: tasks that stand still, and the pictures of them that are in the documents.

Run: python -m tests.support.watching writes the pictures anew.
"""

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from kubectl_obtask.blocking import line_of
from kubectl_obtask.commands.locks import told_locks
from kubectl_obtask.commands.why import told_why
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.logs import Attempt, Log
from kubectl_obtask.outcome import Fault
from kubectl_obtask.screen.app import TaskCenter
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import Task
from kubectl_obtask.terminal import Terminal
from kubectl_obtask.wording.language import Language

PICTURES: Final = Path(__file__).parents[2] / "docs/guides/pictures"
NOW: Final = datetime(2026, 11, 28, 14, 25, 30, tzinfo=UTC)
SIZE: Final = (80, 24)
DAY: Final = "2026-11-28"
Body = Mapping[str, Any]


def body(name: str, created: str, scope: str, *, status: Body, steps: Sequence[Body], tenant: str | None = None) -> dict[str, Any]:
    """Return an OBTask as the API server would send it."""
    spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": scope, "steps": steps} | ({"tenant": tenant} if tenant else {})
    metadata = {"name": name, "namespace": "prod", "uid": f"uid-{name}", "resourceVersion": "100", "creationTimestamp": f"{DAY}T{created}Z"}
    return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": metadata, "spec": spec, "status": status}


def subtask(name: str, phase: str, begun: str, ended: str = "", attempts: int = 1, **more: Any) -> dict[str, Any]:
    """Return a subtask's status."""
    times = {"startedAt": f"{DAY}T{begun}Z"} | ({"finishedAt": f"{DAY}T{ended}Z"} if ended else {})
    return {"name": name, "phase": phase, "attempts": attempts, **times, **more}


def step(name: str, phase: str, *subtasks: Body) -> dict[str, Any]:
    """Return a step's status; its times are those of its subtasks."""
    times = {key: found[0] for key in ("startedAt", "finishedAt") if (found := [each[key] for each in subtasks if key in each])}
    return {"name": name, "phase": phase, "subtasks": [*subtasks], **times}


WAIT: Final = {"wait": {"seconds": 1}}
ZONES: Final = [{"name": "zone1", **WAIT}, {"name": "zone2", **WAIT, "rollback": WAIT}]
FAILED_LOG: Final = """\
2026-11-28T14:24:58.101Z Job obt-tune-2 created
2026-11-28T14:25:04.220Z window file missing
2026-11-28T14:25:04.221Z ERROR 1146 (42S02): Table 'orders_v2' doesn't exist
2026-11-28T14:25:04.530Z failed: exit code 3"""
BLOCKED: Final = [{"name": "tune", "uid": "uid-tune", "phase": "Failed", "scope": "Global", "since": f"{DAY}T13:40:00Z"}]
BODIES: Final = (
    body(
        "tune",
        "13:31:00",
        "Global",
        status={
            "phase": "Failed",
            "direction": "Forward",
            "reason": "SubtaskFailed",
            "progress": "1/3",
            "currentStep": "window",
            "message": 'step 2/3 "window": subtask "zone2" failed: exit code 3',
            "startedAt": f"{DAY}T13:31:00Z",
            "allowedActions": ["retry", "rollback", "skip", "skip-step"],
            "lock": {"lease": "obt-1", "scope": "Global", "acquiredAt": f"{DAY}T13:31:00Z", "token": 7},
            "failedSubtask": {
                "step": "window",
                "subtask": "zone2",
                "attempt": 2,
                "direction": "Forward",
                "reason": "NonZeroExit",
                "code": "3",
                "message": "exit code 3",
                "failedAt": f"{DAY}T14:25:05Z",
            },
            "steps": [
                step("check", "Succeeded", subtask("check", "Succeeded", "13:31:00", "13:31:02")),
                step(
                    "window",
                    "Failed",
                    subtask("zone1", "Succeeded", "14:24:55", "14:25:05", changed=True),
                    subtask("zone2", "Failed", "14:24:53", "14:25:05", attempts=2, changed=True),
                ),
                {"name": "apply", "phase": "Pending", "subtasks": [{"name": "apply", "phase": "Pending"}]},
            ],
        },
        steps=[{"name": "check", **WAIT}, {"name": "window", "parallel": ZONES}, {"name": "apply", **WAIT}],
    ),
    body(
        "restart-zone1",
        "14:20:00",
        "None",
        status={
            "phase": "Running",
            "progress": "3/4",
            "currentStep": "start",
            "allowedActions": ["cancel"],
            "startedAt": f"{DAY}T14:20:00Z",
            "steps": [step("start", "Running", subtask("start", "Running", "14:25:10"))],
        },
        steps=[{"name": "start", **WAIT}],
    ),
    *(
        body(
            f"resize-{tenant}",
            f"14:0{number}:00",
            "Tenant",
            status={
                "phase": "Waiting",
                "reason": "Queued",
                "progress": "0/2",
                "allowedActions": ["cancel"],
                "blockedBy": BLOCKED,
                "blockedByCount": 1,
                "conditions": [{"type": "LockHeld", "status": "False", "lastTransitionTime": f"{DAY}T14:0{number}:00Z"}],
            },
            steps=[{"name": "resize", **WAIT}],
            tenant=tenant,
        )
        for number, tenant in ((2, "orders"), (3, "billing"))
    ),
    body(
        "分析-租户",
        "12:00:00",
        "None",
        status={"phase": "Succeeded", "progress": "1/1", "startedAt": f"{DAY}T12:00:00Z", "finishedAt": f"{DAY}T12:01:00Z"},
        steps=[{"name": "analyze", **WAIT}],
    ),
)


class Still:
    """What the screen reads: some tasks, which change only when a test changes them, and the commands that were given."""

    def __init__(self, *bodies: Body, log: str = FAILED_LOG) -> None:
        self.now = {each["metadata"]["uid"]: Task(each) for each in bodies}
        self.text = log
        self.given: list[tuple[str, str, str]] = []
        self.refusal: Fault | None = None
        self.away: Fault | None = None
        self.saved: list[str] = []
        self.stopped = False
        self._told: object = None

    def changes(self, timeout: float) -> Iterator[dict[str, Task] | Fault]:
        """Yield what a test has set since the last time."""
        found: dict[str, Task] | Fault = self.away or self.now
        if found is self._told:
            sleep(min(timeout, 0.02))
            return
        self._told = found
        yield found

    def change(self, *bodies: Body) -> None:
        """Put other tasks in place of these."""
        self.now = {each["metadata"]["uid"]: Task(each) for each in bodies}

    def log(self, task: Task, attempt: Attempt) -> Log | Fault | None:
        """Return the log of the failed attempt."""
        return Log(attempt, self.text) if task.name == "tune" and attempt.subtask == "zone2" else None

    def give(self, task: Task, verb: str, reason: str) -> int | Fault:
        """Note a command."""
        self.given.append((task.name, verb, reason))
        return self.refusal or 101

    def manifest(self, task: Task) -> str | Fault:
        """Return something like YAML."""
        return f"kind: OBTask\nmetadata:\n  name: {task.name}\n"

    def download(self, task: Task) -> str | Fault:
        """Note a download."""
        self.saved.append(task.name)
        return f"{task.name}.zip"

    def stop(self) -> None:
        """Note the end."""
        self.stopped = True


def silent_session(language: Language = Language.EN) -> Session:
    """Return the session of somebody in namespace prod, whose terminal is not looked at, at a moment that does not pass."""
    silent = Terminal(io.StringIO(), io.StringIO(), io.StringIO(), interactive=False, colour=False, width=0)
    return Session(Kubectl((), "prod"), silent, language, lambda: NOW, monotonic)


def center(source: Still, *, language: Language = Language.EN, wanted: str | None = None, where: str | None = "prod") -> TaskCenter:
    """Return the terminal Task Center over these tasks."""
    session = silent_session(language)

    def why(task: Task, tasks: Sequence[Task]) -> Iterator[str]:
        return told_why(session, task, line_of(task, tasks))

    def locks(task: Task, tasks: Sequence[Task]) -> Iterator[str]:  # noqa: ARG001 - as why
        return told_locks(session, tasks)

    return TaskCenter(session, source, where=where, wanted=wanted, why=why, locks=locks)


async def picture(language: Language, *keys: str) -> str:
    """Return the screen after these keys, as SVG."""
    app = center(Still(*BODIES), language=language)
    async with app.run_test(size=SIZE) as pilot:
        while not app.tasks or app.found_log is None:
            await pilot.pause(0.02)
        await pilot.press(*keys)
        await pilot.pause()
        return app.export_screenshot(title="kubectl obtask watch")


SCENES: Final[Mapping[str, tuple[Language, tuple[str, ...]]]] = {
    "watch-en": (Language.EN, ()),
    "watch-zh": (Language.ZH, ()),
    "watch-rollback-en": (Language.EN, ("R",)),
    "watch-skip-zh": (Language.ZH, ("s",)),
    "watch-locks-en": (Language.EN, ("L",)),
}


def pictures() -> dict[str, str]:
    """Return every picture of the documents by its name."""
    return {name: asyncio.run(picture(language, *keys)) for name, (language, keys) in SCENES.items()}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, drawn in pictures().items():
        (PICTURES / f"{name}.svg").write_text(f"{drawn.rstrip()}\n")
