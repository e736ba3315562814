"""Owns what people are told about an object: the fields that an expression names, and what a refusal means. Pure."""

import json
import re
from typing import Any

from obtask.kube.api import ApiError, Json
from obtask.kube.errors import ErrorCause, finding, with_advice
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INTERNAL_ERROR = 403, 404, 409, 410, 500

_REASONS = {FORBIDDEN: FailureReason.FORBIDDEN, NOT_FOUND: FailureReason.NOT_FOUND, CONFLICT: FailureReason.EXPECTATION_NOT_MET}
_PLAIN = frozenset({FORBIDDEN, NOT_FOUND, CONFLICT})  # these name the object, and quote nothing of it
_QUOTED = re.compile(r'Invalid value: "(?:[^"\\]|\\.){100,}"', re.DOTALL)
SHOWN_VALUE = 120
SHOWN = 300

_PATH = re.compile(r"(?<![\w.])object((?:\.[A-Za-z_]\w*)+)(\()?")


def failed(error: ApiError, *, about_secret: bool = False) -> Failed:
    """Return a refusal as the end of an attempt. The API server may quote the whole live object: of a Secret that is not shown."""
    found = finding(error)
    by_policy = found.cause is ErrorCause.POLICY and not found.passes
    reason = FailureReason.FORBIDDEN if by_policy else _REASONS.get(error.status, FailureReason.HTTP_STATUS)
    words = _QUOTED.sub("Invalid value (long, not shown)", error.message)
    if about_secret and error.status not in _PLAIN:
        words = f"{error.reason}: the words of the API server are not shown, because they may quote the Secret"
    return Failed(reason, with_advice(words, found), str(error.status), passing=found.passes)


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
