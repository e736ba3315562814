"""Owns the words of `templates`, and of what `run` asks for."""

from typing import Final

from kubectl_obtask.wording.language import Text

TYPE: Final = Text("TYPE", "类型")
MAINTENANCE: Final = Text("MAINTENANCE", "运维类型")
PARAMETERS: Final = Text("PARAMETERS", "参数")
TITLE: Final = Text("TITLE", "标题")
NONE: Final = Text("there are no templates", "没有模板")
KIND: Final = Text("type {type}, maintenance {maintenance}", "类型 {type}，运维类型 {maintenance}")
PARAMETERS_OF: Final = Text("parameters:", "参数：")
NO_PARAMETERS: Final = Text("no parameters", "没有参数")
NEEDED: Final = Text(" (required)", "（必填）")
STEPS: Final = Text("steps: {steps}", "环节：{steps}")
TO_RUN: Final = Text("to run it: {line}", "运行：{line}")
FIELDS: Final = {
    "cluster": Text("Cluster", "集群"),
    "agent": Text("Host (agent), such as 10.0.0.5:2886", "主机（agent），例如 10.0.0.5:2886"),
    "tenant": Text("Tenant", "租户"),
}
ASK: Final = Text("{name}{title}: ", "{name}{title}：")
ONE_OF: Final = Text("  one of {choices}", "  可选值：{choices}")
TYPE_AGAIN: Final = Text("  type the value of {name} again", "  请再次输入 {name} 的值")
MISSING: Final = Text(
    "template {template} also needs {names}: give each with -p NAME=VALUE", "模板 {template} 还需要 {names}：请用 -p 名称=值 给出"
)
