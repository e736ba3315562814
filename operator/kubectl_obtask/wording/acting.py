"""Owns the words around a command: the question, the refusals, and what became of it."""

from typing import Final

from kubectl_obtask.wording.language import Text

VERBS: Final[dict[str, Text]] = {
    "retry": Text("Retry", "重试"),
    "rollback": Text("Roll back", "回滚"),
    "skip": Text("Skip task", "跳过任务"),
    "skip-step": Text("Skip step", "跳过环节"),
    "cancel": Text("Cancel", "取消"),
    "approve": Text("Approve", "批准"),
}
WILL: Final = Text("{verb} {name}: {summary}", "{verb} {name}：{summary}")
QUESTION: Final = Text("Go on? [y/N] ", "继续吗？[y/N] ")
KEPT: Final = Text("nothing was done", "未执行任何操作")
NOBODY_TO_ASK: Final = Text(
    "nobody can be asked without a terminal: add -y if this is what you want", "没有终端，无法询问：如确认执行，请加 -y"
)
NOT_ALLOWED: Final = Text(
    "{verb} of {name} is not allowed while it is {phase}; {allowed}", "{name} 处于{phase}时不能执行 {verb}；{allowed}"
)
ALLOWED: Final = Text("allowed now: {verbs}", "现在可以执行：{verbs}")
NONE_ALLOWED: Final = Text("no command is allowed now", "现在不能执行任何命令")
UNANSWERED: Final = Text(
    "another command ({verb}) of {name} still waits for the operator; is it running?",
    "{name} 的另一条命令（{verb}）仍在等待 operator；它在运行吗？",
)
NO_OPERATOR: Final = Text("no operator has answered for {span}; is it running?", "operator 已 {span} 没有应答；它在运行吗？")
GIVEN_UP: Final = Text(
    "no operator has answered within {span}; the command stays with {name}, and is carried out once an operator runs",
    "operator 在 {span} 内没有应答；命令保留在 {name} 上，operator 运行后即会执行",
)
ACCEPTED: Final = Text("{name}: {verb} accepted{message}", "{name}：{verb} 已接受{message}")
REJECTED: Final = Text("{name}: {verb} rejected{message}", "{name}：{verb} 被拒绝{message}")
