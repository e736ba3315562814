"""Owns what an evidence bundle says of itself: a text that can go into a forum as it is, and the versions. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from obtask.rules.evidence.attempts import AttemptLog
from obtask.rules.evidence.fields import at, lines, objects, text
from obtask.rules.evidence.reading import Evidence

FORMAT: Final = "1"
LAST_LINES: Final = 20
UNKNOWN: Final = "unknown"
VERSION_KEYS: Final = ("version", "_version", "Version")
PHASES_ZH: Final = {
    "Pending": "待处理",
    "Waiting": "等待中",
    "Running": "运行中",
    "Failed": "失败",
    "RollingBack": "回滚中",
    "Succeeded": "成功",
    "RolledBack": "已回滚",
    "Skipped": "已跳过",
    "Cancelled": "已取消",
    "Rejected": "已拒绝",
}
# Each line of the summary: its label in Chinese and English.
LABELS: Final = {
    "task": ("任务", "Task"),
    "target": ("目标", "Target"),
    "maintenance": ("运维类型", "Maintenance"),
    "phase": ("状态", "Phase"),
    "step": ("环节", "Step"),
    "failed": ("失败的子任务", "Failed subtask"),
    "message": ("说明（原文）", "Message"),
    "started": ("开始", "Started"),
    "finished": ("结束", "Finished"),
    "collected": ("收集时间", "Collected"),
}
CAREFUL: Final = (
    "注意: task.yaml 的下列位置可能写有密码，公开之前请检查:",
    "Careful: at these places of task.yaml a password may be written:",
)
CLOSING: Final = (
    "日志中的密码已由 operator 屏蔽；task.yaml 是任务的原文。可发帖至 https://open.oceanbase.com 求助。",
    "The operator has masked passwords in the logs; task.yaml is as it was written. You can ask for help at https://open.oceanbase.com.",
)


def readme(evidence: Evidence, logs: Sequence[AttemptLog], moment: datetime) -> str:
    """Return the summary, first in Chinese, then in English."""
    parts = [_summary(evidence, logs, moment, zh=True), _summary(evidence, logs, moment, zh=False)]
    return f"\n\n{'-' * 72}\n\n".join("\n".join(part) for part in parts)


def versions(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield what the task ran on: name and version."""
    label = text(evidence.definition, "metadata", "labels", "app.kubernetes.io/version")
    template = at(evidence.task, "status", "template")
    yield "bundle format", FORMAT
    yield "OBTask operator", label or UNKNOWN
    yield "API of tasks", text(evidence.task, "apiVersion") or UNKNOWN
    yield "Kubernetes API server", text(evidence.server, "gitVersion") or UNKNOWN
    if text(template, "name"):
        yield "template", f"{text(template, 'kind')} {text(template, 'name')}, generation {text(template, 'generation')}"
    for step in objects(evidence.task, "status", "steps"):
        for sub in objects(step, "subtasks"):
            outputs = at(sub, "outputs")
            for key in outputs if isinstance(outputs, dict) else ():
                if str(key).endswith(VERSION_KEYS):
                    yield f"{text(step, 'name')}/{text(sub, 'name')} {text({'key': key}, 'key')}", text(outputs, key)


def _summary(evidence: Evidence, logs: Sequence[AttemptLog], moment: datetime, *, zh: bool) -> Iterator[str]:
    yield "OBTask 诊断包" if zh else "OBTask evidence bundle"
    yield ""
    for name, value in _facts(evidence, moment, zh=zh):
        if value:
            yield f"{LABELS[name][not zh]}: {value}"
    yield from (f"{name}: {value}" for name, value in versions(evidence))
    tail = _last_lines(evidence, logs)
    if tail:
        yield ""
        yield f"失败日志的最后 {len(tail)} 行:" if zh else f"The last {len(tail)} lines of the failed log:"
        yield from (f"    {line}" for line in tail)
    if evidence.missing:
        yield ""
        yield "未能包含的内容:" if zh else "What is missing:"
        yield from (f"    {what}: {text({'why': why}, 'why')}" for what, why in evidence.missing)
    if evidence.warnings:
        yield ""
        yield CAREFUL[not zh]
        yield from (f"    {place}" for place in evidence.warnings)
    yield ""
    yield CLOSING[not zh]


def _facts(evidence: Evidence, moment: datetime, *, zh: bool) -> Iterator[tuple[str, str]]:
    task = evidence.task
    spec, status = at(task, "spec"), at(task, "status")
    phase = text(status, "phase") or "Pending"
    shown, title = f"{text(task, 'metadata', 'namespace')}/{text(task, 'metadata', 'name')}", text(spec, "displayName")
    yield "task", f"{shown} ({title})" if title else shown
    yield "target", " ".join(filter(None, (text(spec, "type"), text(spec, "agent") or text(spec, "cluster"), text(spec, "tenant"))))
    yield "maintenance", text(spec, "maintenance")
    yield "phase", f"{PHASES_ZH.get(phase, phase)} ({phase}, {text(status, 'reason')})" if zh else f"{phase} ({text(status, 'reason')})"
    yield "step", " ".join(filter(None, (text(status, "currentStep"), text(status, "progress"))))
    failed = at(status, "failedSubtask")
    if failed:
        where = f"{text(failed, 'step')}/{text(failed, 'subtask')}, attempt {text(failed, 'attempt')}, {text(failed, 'direction')}"
        yield "failed", f"{where}: {' '.join(filter(None, (text(failed, 'reason'), text(failed, 'code'))))}"
    yield "message", text(failed, "message") or text(status, "message")
    yield "started", text(status, "startedAt")
    yield "finished", text(status, "finishedAt")
    yield "collected", f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _last_lines(evidence: Evidence, logs: Sequence[AttemptLog]) -> list[str]:
    failed = at(evidence.task, "status", "failedSubtask")
    whole = lines(failed, "logTail")
    if not whole and failed:
        ending = (
            f"-{text(failed, 'step')}/{text(failed, 'subtask')}.attempt-{text(failed, 'attempt')}.{text(failed, 'direction').lower()}.log"
        )
        whole = next((each.log() for each in logs if each.path.endswith(ending)), "")
    return whole.splitlines()[-LAST_LINES:]
