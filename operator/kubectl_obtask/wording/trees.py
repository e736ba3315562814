"""Owns the words of `tree` and `logs`."""

from typing import Final

from kubectl_obtask.wording.language import Text

STEP: Final = Text("STEP", "环节")
PHASE: Final = Text("PHASE", "状态")
TIME: Final = Text("TIME", "耗时")
ATTEMPTS: Final = Text("ATTEMPTS", "次数")
MESSAGE: Final = Text("MESSAGE", "信息")
UNDOS: Final = Text("{attempts} + {undos} to undo", "{attempts} + 回滚 {undos}")
NO_STEPS: Final = Text("the steps of {name} are not known yet", "{name} 的环节尚未确定")
LOG_OF: Final = Text("==> {attempt} <==", "==> {attempt} <==")
RAW: Final = Text("as the container wrote it: nothing is masked", "容器的原始输出：未经脱敏")
NOTHING_RAN: Final = Text("nothing of {name} has run yet", "{name} 尚未执行任何操作")
NO_SUCH: Final = Text("{name} has no such attempt; what has run: {line}", "{name} 没有这样的执行记录；查看已执行的环节：{line}")
NO_LOG_YET: Final = Text("there is no log of {attempt} yet", "{attempt} 还没有日志")
NO_LOG: Final = Text("the log of {attempt} is not kept any more", "{attempt} 的日志已不再保留")
RESTED: Final = Text("{name} is {phase}: nothing more to follow", "{name} 已处于{phase}状态：没有更多日志")
