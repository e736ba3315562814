"""Owns YAML as kubectl has it: what a text is in JSON, and text that kubectl reads as the data that it was made from. Pure.

kubectl reads YAML 1.1 and 1.2 mixed: ``on`` is true, ``22:00`` is a text, ``1e3`` is a number. Whoever reads it otherwise shows or
checks another object than kubectl creates.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

SHOWN: Final = 80
MERGE: Final = "<<"
PLAIN: Final = "!plain"
TEXT: Final = "tag:yaml.org,2002:str"
LIST: Final = "tag:yaml.org,2002:seq"
MAP: Final = "tag:yaml.org,2002:map"
_TAGS: Final = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0x(?P<hex>[0-9a-f]+)|0b(?P<bin>[01]+)|0o?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))", re.IGNORECASE
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ANY: Final = re.compile("")
# Between digits only; Go is stricter about a number that begins with its point.
_LOOSE: Final = re.compile(r"(?<![0-9])_|_(?![0-9])")
# Longer ones are no integers of 64 bits in any base.
_LONGEST_INTEGER: Final = 80
# From here on JSON as kubectl writes it has an exponent.
_LARGEST_WHOLE: Final = 1e21


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the one in C, where there is one, takes a tenth of the time
    """Tells plain words, which may mean something else than a text, from those in quotes."""

    yaml_implicit_resolvers: ClassVar = {None: [(PLAIN, _ANY)]}


class Dumper(yaml.SafeDumper):
    """Writes in quotes what kubectl, or a reader of YAML 1.1, would take for something else than a text; everything in full."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> Any:
        """Return what a word without quotes would be read as."""
        if kind is not ScalarNode or not implicit[0] or value is None:
            return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        meant = f"tag:yaml.org,2002:{_TAGS[type(_meant(value))]}"
        return meant if meant != TEXT else super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def ignore_aliases(self, _: Any) -> bool:
        """Write what stands in two places twice."""
        return True


def _text(dumper: Dumper, text: str) -> Node:
    return dumper.represent_scalar(TEXT, text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def written(data: Any, width: int = 120) -> str:
    """Return data as YAML, in the order of its fields; texts of several lines as blocks."""
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=width)


def documents(text: str) -> Iterator[Node]:
    """Yield where each document of a text begins, without the empty ones; raises yaml.YAMLError."""
    for root in yaml.compose_all(text, Loader):
        if not isinstance(root, ScalarNode) or _is_text(root) or _meant(root.value) is not None:
            yield root


def data_of(root: Node) -> Any:
    """Return the data at a node; raises yaml.MarkedYAMLError for what kubectl could not, or only guessing, make JSON of."""
    return _Reading().data(root)


class _Reading:
    """One document. What an alias stands for is read once: a short text may have very many of them."""

    def __init__(self) -> None:
        self._read: dict[int, Any] = {}

    def data(self, node: Node) -> Any:
        if id(node) not in self._read:
            self._read[id(node)] = self._fresh(node)
        return self._read[id(node)]

    def _fresh(self, node: Node) -> Any:
        if isinstance(node, ScalarNode) and node.tag in {PLAIN, TEXT}:
            return node.value if _is_text(node) else _number(node)
        if isinstance(node, SequenceNode) and node.tag == LIST:
            return [self.data(each) for each in node.value]
        if isinstance(node, MappingNode) and node.tag == MAP:
            return self._fields(node)
        raise _wrong(node, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')[:SHOWN]} is not read here: write the value itself")

    def _fields(self, node: MappingNode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == MERGE and not _is_text(key):
                found |= self._merged(value)
                continue
            name = _name(key)
            if name in own:
                raise _wrong(key, f'the field "{name[:SHOWN]}" stands there twice')
            own.add(name)
            found[name] = self.data(value)
        return found

    def _merged(self, node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        # The first of several has precedence.
        for each in reversed(node.value) if isinstance(node, SequenceNode) else [node]:
            fields = self.data(each)
            if not isinstance(fields, dict):
                raise _wrong(each, f"{MERGE} needs fields, or a list of them")
            found |= fields
        return found


def _is_text(node: ScalarNode) -> bool:
    # The tag ! leaves it open what a word in quotes is.
    return node.tag == TEXT or bool(node.style)


def _name(key: Node) -> str:
    """Return the name of a field: a number, or yes, has one as kubectl writes it."""
    if isinstance(key, ScalarNode) and key.tag in {PLAIN, TEXT}:
        value = key.value if _is_text(key) else _meant(key.value)
        if isinstance(value, str):
            return value
        if isinstance(value, int):
            return str(value).lower() if isinstance(value, bool) else str(value)
    raise _wrong(key, "the name of a field has to be a text: put it in quotes")


def _number(node: ScalarNode) -> Any:
    """Return a plain word as JSON has it: a whole number has no fraction there."""
    value = _meant(node.value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong(node, f"JSON has no number {node.value}")
        return int(value) if value.is_integer() and abs(value) < _LARGEST_WHOLE else value
    return value


def _meant(word: str) -> Any:
    """Return what a word without quotes means."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in "+-.0123456789" or (word[0] == "." and _LOOSE.search(word)):
        return word
    plain = word.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return integer
    value = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return value if math.isfinite(value) else word


def _integer(plain: str) -> int | None:
    found = _INTEGER.fullmatch(plain) if len(plain) <= _LONGEST_INTEGER else None
    if found is None:
        return None
    base, digits = next((base, digits) for name, base in _BASES.items() if (digits := found[name]) is not None)
    value = int(found["sign"] + digits, base)
    return value if -(2**63) <= value < 2**64 else None


def _wrong(node: Node, what: str) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)
