"""Owns the words of `list`."""

from typing import Final

from kubectl_obtask.wording.language import Text

TYPE: Final = Text("TYPE", "类型")
MAINTENANCE: Final = Text("MAINTENANCE", "运维类型")
PHASE: Final = Text("PHASE", "状态")
PROGRESS: Final = Text("PROGRESS", "进度")
STEP: Final = Text("STEP", "当前环节")
BLOCKED_BY: Final = Text("BLOCKED-BY", "阻塞于")
AGE: Final = Text("AGE", "时长")
TARGET: Final = Text("TARGET", "目标")
TENANT: Final = Text("TENANT", "租户")
REASON: Final = Text("REASON", "原因")
MESSAGE: Final = Text("MESSAGE", "信息")
STARTED: Final = Text("STARTED", "开始")
FINISHED: Final = Text("FINISHED", "结束")
RUNNING_COUNT: Final = Text("{count} running", "{count} 个运行中")
FAILED_COUNT: Final = Text("{count} failed", "{count} 个失败")
WAITING_COUNT: Final = Text("{count} waiting", "{count} 个等待中")
BEHIND_FAILED: Final = Text(
    "{count} waiting ({behind} of them behind a failed task)", "{count} 个等待中（其中 {behind} 个在失败的任务之后）"
)
ALL_FINISHED: Final = Text("no unfinished task", "没有未完成的任务")
NONE_IN: Final = Text("no task in namespace {namespace}", "命名空间 {namespace} 中没有任务")
NONE_ANYWHERE: Final = Text("no task in any namespace", "所有命名空间中都没有任务")
NONE_LIKE_THAT: Final = Text("no task is like that", "没有符合条件的任务")
MORE: Final = Text("finished tasks are many and not shown; --all shows them", "已完成的任务很多，未显示；--all 可显示")
JOINED: Final = Text(", ", "，")
NEXT: Final = Text("next: {line}", "接下来：{line}")
