"""Owns words that several commands need."""

from typing import Final

from kubectl_obtask.wording.language import Text

NAME: Final = Text("NAME", "名称")
NAMESPACE: Final = Text("NAMESPACE", "命名空间")
NOT_THERE: Final = Text("there is no task {name} in namespace {namespace}", "命名空间 {namespace} 中没有任务 {name}")
DELETED: Final = Text("task {name} was deleted", "任务 {name} 已被删除")
AWAY: Final = Text("the API server does not answer, trying again: {said}", "API 服务器没有应答，正在重试：{said}")
BACK: Final = Text("the API server answers again", "API 服务器已恢复应答")
SINCE: Final = Text("since {clock} ({span})", "自 {clock} 起（{span}）")
DETACHED: Final = Text("detached; the task goes on. To come back: {line}", "已离开；任务仍在继续。返回请输入：{line}")
