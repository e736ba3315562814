"""Owns what people are shown of a live object while a step waits: the parts that its expression asks about, short. Pure."""

import json
import re
from typing import Any

from obtask.kube.api import Json
from obtask.model.limits import one_line

SHOWN_VALUE = 120
SHOWN = 300

_PATH = re.compile(r"(?<![\w.])object((?:\.[A-Za-z_]\w*)+)(\()?")


def shown(live: Json, expression: str) -> str:
    """Return the values of the fields that an expression names, or the object's version if it names none."""
    paths = dict.fromkeys(_path(found[1], is_call=bool(found[2])) for found in _PATH.finditer(expression))
    parts = [f"{'.'.join(path)}={_text(_value(live, path))}" for path in paths if path]
    return one_line(", ".join(parts) or version_of(live), SHOWN)


def version_of(live: Json) -> str:
    """Return the version of an object, as text for people."""
    return f"resourceVersion {(live.get('metadata') or {}).get('resourceVersion', 'unknown')}"


def _path(text: str, *, is_call: bool) -> tuple[str, ...]:
    parts = tuple(text.split(".")[1:])
    return parts[:-1] if is_call else parts


def _value(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list) and value and all(isinstance(item, dict) and {"type", "status"} <= item.keys() for item in value):
        return one_line(" ".join(f"{item['type']}:{item['status']}" for item in value), SHOWN_VALUE)
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), SHOWN_VALUE)
