"""Owns the words of `web`."""

from typing import Final

from kubectl_obtask.wording.language import Text

NOT_INSTALLED: Final = Text(
    "the Task Center is not installed here: install the operator's wheel with its extra [web], then try again",
    "本机未安装任务中心：请先安装 operator 的 wheel 及其附加依赖 [web]",
)
CANNOT_TAKE: Final = Text(
    "the Task Center cannot take {flags}: it needs all of it in the kubeconfig",
    "任务中心不支持 {flags}：请写入 kubeconfig",
)
