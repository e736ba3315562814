"""Owns the words for phases and other closed lists of the API. API.md sections 3.1 and 9."""

from collections.abc import Mapping
from typing import Final

from kubectl_obtask.wording.language import Language, Text

PHASES: Final[dict[str, Text]] = {
    "Pending": Text("Pending", "待处理"),
    "Waiting": Text("Waiting", "等待中"),
    "Running": Text("Running", "运行中"),
    "Failed": Text("Failed", "失败"),
    "RollingBack": Text("RollingBack", "回滚中"),
    "Succeeded": Text("Succeeded", "成功"),
    "RolledBack": Text("RolledBack", "已回滚"),
    "Skipped": Text("Skipped", "已跳过"),
    "Cancelled": Text("Cancelled", "已取消"),
    "Rejected": Text("Rejected", "已拒绝"),
}
TYPES: Final[dict[str, Text]] = {"Cluster": Text("Cluster", "集群"), "Local": Text("Local", "本地")}
SCOPES: Final[dict[str, Text]] = {
    "None": Text("None", "非运维"),
    "Global": Text("Global", "全局"),
    "Tenant": Text("Tenant", "租户"),
    "OBProxy": Text("OBProxy", "OBProxy"),
}
DIRECTIONS: Final[dict[str, Text]] = {"Forward": Text("Forward", "正向"), "Rollback": Text("Rollback", "回滚")}


def worded(words: Mapping[str, Text], key: str, language: Language) -> str:
    """Return the word for a member of a list; what a newer operator added is shown as it is."""
    text = words.get(key)
    return key if text is None else text.in_(language)


def phase_word(phase: str, language: Language) -> str:
    """Return the word for a phase of a task, a step or a subtask."""
    return worded(PHASES, phase, language)
