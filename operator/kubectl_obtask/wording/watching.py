"""Owns the words of `watch`."""

from typing import Final

from kubectl_obtask.wording.language import Text

TITLE: Final = Text("OBTask Task Center", "OBTask 任务中心")
TASKS: Final = Text("Tasks", "任务")
STEPS: Final = Text("Steps", "环节")
LOG: Final = Text("Log", "日志")
EVERYWHERE: Final = Text("all namespaces", "全部命名空间")
LOADING: Final = Text("reading …", "正在读取 ……")
NO_TASKS: Final = Text("no task here; kubectl obtask run makes one", "没有任务；可用 kubectl obtask run 创建")
NONE_LIKE_THAT: Final = Text("no task is like that", "没有符合条件的任务")
NO_LOG: Final = Text("no log yet", "还没有日志")
ONLY_LAST: Final = Text("the last {shown} of {count} lines", "仅显示最后 {shown} 行，共 {count} 行")
RAW: Final = Text("raw: not masked", "原始输出：未经脱敏")
FOLLOWING: Final = Text("following", "跟随中")
AWAY: Final = Text("no answer: {said}", "没有应答：{said}")
SEARCH: Final = Text("Search tasks", "搜索任务")
REASON: Final = Text("Reason", "原因")
KEEP: Final = Text("Keep as it is", "保持不变")
SENT: Final = Text("{verb} {name}: given, waiting for the operator …", "{verb} {name}：已提交，等待 operator ……")
SAVED: Final = Text("evidence bundle: {file}", "诊断包：{file}")
NEEDS_TERMINAL: Final = Text(
    "watch needs a terminal; kubectl obtask list and wait do not", "watch 需要终端；请改用 kubectl obtask list 或 wait"
)
NEEDS_TEXTUAL: Final = Text(
    "watch needs Textual: install the plugin with its extra [tui]", "watch 需要 Textual：请安装插件及其附加依赖 [tui]"
)
# The keys at the bottom and in the help: key, action, words, and whether it is shown at the bottom.
SEARCH_KEY: Final = Text("Search", "搜索")
FAILED_KEY: Final = Text("Failed", "失败")
LOCATE_KEY: Final = Text("Locate", "定位")
FOLLOW_KEY: Final = Text("Follow the log", "跟随日志")
WRAP_KEY: Final = Text("Wrap long lines", "长行换行")
DOWNLOAD_KEY: Final = Text("Download evidence", "下载诊断包")
BLOCKED_KEY: Final = Text("Why", "原因")
YAML_KEY: Final = Text("YAML", "YAML")
LOCKS_KEY: Final = Text("Locks", "锁")
HELP_KEY: Final = Text("Help", "帮助")
QUIT_KEY: Final = Text("Quit", "退出")
BACK_KEY: Final = Text("Back", "返回")
HELP: Final = Text("Keys", "按键")
MOVE: Final = Text("Tab: next pane · arrows: move", "Tab：切换窗格 · 方向键：移动")
