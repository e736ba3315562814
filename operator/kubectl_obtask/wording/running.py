"""Owns the words of `run`."""

from typing import Final

from kubectl_obtask.wording.language import Text

CREATED: Final = Text("{name} created", "已创建 {name}")
DETACHED: Final = Text("to follow it: {line}", "跟踪任务：{line}")
LOG: Final = Text("log of {attempt}:", "{attempt} 的日志：")
NO_TASK: Final = Text("there is no OBTask in {file}", "{file} 中没有 OBTask")
EITHER: Final = Text("give either -f FILE or --template NAME", "请指定 -f 文件 或 --template 名称")
ONLY_TEMPLATE: Final = Text("{option} goes with --template only", "{option} 只能与 --template 一起使用")
ELAPSED: Final = Text("{span} so far", "已用时 {span}")
