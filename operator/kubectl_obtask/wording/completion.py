"""Owns the words of `completion`."""

from typing import Final

from kubectl_obtask.wording.language import Text

HOW: Final = Text("kubectl's own completion asks {program} on the PATH", "kubectl 自身的补全会调用 PATH 中的 {program}")
LINK: Final = Text("{program} is not on the PATH yet: {line}", "PATH 中还没有 {program}：{line}")
