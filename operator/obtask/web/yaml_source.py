"""Owns what a visitor writes as YAML: one object, read within bounds, and the line that each of its fields stands on."""

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from obtask.kube.yaml_text import Loader, data_of, documents

LONGEST: Final = 512 * 1024  # characters; a spec has at most 256 KiB
DEEPEST: Final = 100
MOST: Final = 50_000  # fields, entries, beginnings and ends
# NEL and the two separators of Unicode end a line, too.
_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PART = re.compile(r"\[(?P<index>\d{1,6})\]|\[(?P<quoted>[^\[\]]{0,253})\]|\.?(?P<name>[^.\[]+)")


@dataclass(frozen=True, slots=True)
class Source:
    """An object as it was written. ``body`` is it, ``root`` where it stands."""

    body: dict[str, Any]
    root: Node

    def line(self, field: str) -> int | None:
        """Return the line, from 1, of a field such as ``spec.steps[0].sql``, or of the nearest that is there and has it inside."""
        node, line = self.root, None
        for part in _PART.finditer(field):
            found = _inside(node, part)
            if found is None:
                break
            node, line = found
        return line


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is wrong with a text that is no object; ``line`` is from 1, None where nobody can tell."""

    message: str
    line: int | None = None


def read_source(text: str) -> Source | Unreadable:
    """Return the one object that a text describes, or what is wrong with the text. Takes a time linear in its length."""
    if len(text) > LONGEST:
        return Unreadable(f"it has {len(text)} characters; at most {LONGEST} are read")
    try:
        if (fault := _unsafe(text)) is not None:
            return fault
        roots = list(documents(text))
        if len(roots) > 1:
            return Unreadable("there is a second object: one is created at a time", roots[1].start_mark.line + 1)
        body = data_of(roots[0]) if roots else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return Unreadable(" ".join(filter(None, (error.context, error.problem))), mark.line + 1 if mark else None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Unreadable(str(error).splitlines()[0])
    if not isinstance(body, dict):
        return Unreadable("it is no object: it begins with apiVersion and kind", 1)
    return Source(body, roots[0])


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as they are counted in YAML; str.splitlines knows further ends of a line."""
    return _END.split(text)


def _unsafe(text: str) -> Unreadable | None:
    """Return why a text must not be read: a short one with aliases can stand for a very long one."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=Loader)):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            return Unreadable("aliases (*name) are not read here: write it out", line)
        if number > MOST:
            return Unreadable(f"it has more than {MOST} parts", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return Unreadable(f"it is nested more than {DEEPEST} deep", line)
    return None


def _inside(node: Node, part: re.Match[str]) -> tuple[Node, int] | None:
    if isinstance(node, SequenceNode) and part["index"] is not None:
        index = int(part["index"])
        return (node.value[index], node.value[index].start_mark.line + 1) if index < len(node.value) else None
    name = part["name"] or part["quoted"] or part["index"]
    if isinstance(node, MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == name), None)
    return None
