"""Owns the words of waiting: what a task does meanwhile, and how it ended."""

from typing import Final

from kubectl_obtask.wording.language import Text

STANDS: Final = Text("{name}: {phase}{progress}{step}{message}", "{name}：{phase}{progress}{step}{message}")
STEP: Final = Text(", step {step}", "，环节 {step}")
MESSAGE: Final = Text(": {message}", "：{message}")
TIMED_OUT: Final = Text("no longer waiting after {span}: {name} {what}", "等待 {span} 后不再等待：{name} {what}")
STILL_IN_LINE: Final = Text("is still {phase}; what it waits for: {line}", "仍为{phase}；查看它在等什么：{line}")
STILL_WORKING: Final = Text("is still {phase}, step {step}; its log: {line}", "仍为{phase}，环节 {step}；查看日志：{line}")
STILL_APPROVAL: Final = Text("still awaits approval at step {step}; to approve: {line}", "仍在环节 {step} 等待批准；批准请输入：{line}")
STILL_FAILED: Final = Text(
    "is still Failed and waits for a person; what can be done: {line}", "仍为失败状态，等待人工处理；查看可执行的操作：{line}"
)
WAITS_FOR_PERSON: Final = Text(
    "{name} is Failed and waits for a person; what can be done: {line}", "{name} 失败，等待人工处理；查看可执行的操作：{line}"
)
AWAITS_APPROVAL: Final = Text("{name} awaits approval; to approve: {line}", "{name} 等待批准；批准请输入：{line}")
