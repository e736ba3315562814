"""Owns what a visitor writes as YAML: one object, read within bounds, and the line that each of its fields stands on."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LONGEST: Final = 512 * 1024  # characters; a spec has at most 256 KiB
DEEPEST: Final = 100
MOST: Final = 50_000  # fields, entries, beginnings and ends
SHOWN: Final = 80
_SAFE: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIME: Final = "tag:yaml.org,2002:timestamp"
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


class _Loader(_SAFE):  # type: ignore[misc, valid-type]  # the one in C where there is one
    """Reads times as the texts that they are in JSON."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIME] for first, resolvers in _SAFE.yaml_implicit_resolvers.items()
    }


def read_source(text: str) -> Source | Unreadable:
    """Return the one object that a text describes, or what is wrong with the text. Takes a time linear in its length."""
    if len(text) > LONGEST:
        return Unreadable(f"it has {len(text)} characters; at most {LONGEST} are read")
    try:
        if (fault := _unsafe(text)) is not None:
            return fault
        root = yaml.compose(text, Loader=_Loader)
        if root is not None and (fault := _twice(root)) is not None:
            return fault
        body = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
        json.dumps(body, allow_nan=False)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return Unreadable(" ".join(filter(None, (error.context, error.problem))), mark.line + 1 if mark else None)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        return Unreadable(str(error).splitlines()[0])
    if not isinstance(body, dict) or root is None:
        return Unreadable("it is no object: it begins with apiVersion and kind", 1)
    return Source(body, root)


def _unsafe(text: str) -> Unreadable | None:
    """Return why a text must not be read: a short one with aliases can stand for a very long one."""
    depth = documents = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            return Unreadable("aliases (*name) are not read here: write it out", line)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return Unreadable("there is a second object: one is created at a time", line)
        if number > MOST:
            return Unreadable(f"it has more than {MOST} parts", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return Unreadable(f"it is nested more than {DEEPEST} deep", line)
    return None


def _twice(root: Node) -> Unreadable | None:
    """Return which field stands there twice: of two values nobody knows which one was meant."""
    left = [root]
    while left:
        node = left.pop()
        if isinstance(node, MappingNode):
            seen = set()
            for key, value in node.value:
                if isinstance(key, ScalarNode) and key.value in seen:
                    return Unreadable(f'the field "{key.value[:SHOWN]}" stands there twice', key.start_mark.line + 1)
                seen.add(key.value if isinstance(key, ScalarNode) else id(key))
                left.append(value)
        elif isinstance(node, SequenceNode):
            left += node.value
    return None


def _inside(node: Node, part: re.Match[str]) -> tuple[Node, int] | None:
    if isinstance(node, SequenceNode) and part["index"] is not None:
        index = int(part["index"])
        return (node.value[index], node.value[index].start_mark.line + 1) if index < len(node.value) else None
    name = part["name"] or part["quoted"] or part["index"]
    if isinstance(node, MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == name), None)
    return None


def written(body: Mapping[str, Any]) -> str:
    """Return an object as YAML, in the order of its fields."""
    return yaml.dump(dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and everything out in full."""

    def ignore_aliases(self, _: Any) -> bool:
        """Write what stands in two places twice."""
        return True


def _text(dumper: _Dumper, text: str) -> Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
