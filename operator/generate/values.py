"""Owns the table of the chart's values: their names, defaults and comments, as values.yaml has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from generate.text import table

COMMENT = re.compile(r"^\s*# ?(.*)$")
LONGEST_DEFAULT = 60


@dataclass(frozen=True, slots=True)
class HelmValue:
    """One value, or a group of values (``default`` is None)."""

    path: str
    default: str | None
    about: str


def read_values(text: str) -> list[HelmValue]:
    """Return all values in a values.yaml, in its order."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return list(_of(root, "", text.splitlines())) if isinstance(root, yaml.MappingNode) else []


def _of(group: yaml.MappingNode, path: str, lines: list[str]) -> Iterator[HelmValue]:
    for key, value in group.value:
        name = f"{path}{key.value}"
        about = _above(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            if about:
                yield HelmValue(name, None, about)
            yield from _of(value, f"{name}.", lines)
            continue
        source = "\n".join(lines)[_offset(lines, value.start_mark) : _offset(lines, value.end_mark)]
        yield HelmValue(name, source if len(source) < LONGEST_DEFAULT else "see values.yaml", about)


def _above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line and (comment := COMMENT.match(lines[line - 1])):
        found.insert(0, comment[1])
        line -= 1
    return " ".join(found)


def _offset(lines: list[str], mark: yaml.Mark) -> int:
    return sum(len(line) + 1 for line in lines[: mark.line]) + mark.column


def values_table(text: str) -> str:
    """Return the values as a table in Markdown."""
    rows = ((f"`{each.path}`", "" if each.default is None else f"`{each.default}`", _markdown(each.about)) for each in read_values(text))
    return table(("value", "default", "meaning"), rows)


def _markdown(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")
