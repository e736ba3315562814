"""Owns the words around an evidence bundle."""

from typing import Final

from kubectl_obtask.wording.language import Text

MISSING: Final = Text("not in the bundle: {what}: {why}", "诊断包中缺少：{what}：{why}")
CAREFUL: Final = Text(
    "careful before you give it away: at these places of task.yaml a password may be written: {places}",
    "公开之前请检查：task.yaml 的下列位置可能写有密码：{places}",
)
