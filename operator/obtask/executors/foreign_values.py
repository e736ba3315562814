"""Owns how JSON that others wrote becomes values that CEL takes. Pure."""

import json
import re
from typing import Any

UINT64 = 2**64
INT64_MIN = -(2**63)
LONGEST_INTEGER = 20

_LARGE = re.compile("[0-9]{19}")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def parsed(text: str) -> Any:
    """Return the value of a JSON text, with integers beyond 64 bits as numbers; raises ValueError when there is none that can be used."""
    try:
        large = _LARGE.search(text) is not None  # looking at each number takes three times as long
        value = json.loads(text, strict=False, parse_int=_integer if large else None, parse_constant=_no_constant)
        return _usable(value) if "\\u" in text or "\0" in text else value  # nothing else makes texts that CEL does not take
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def usable_text(text: str) -> str:
    """Return a text as the CEL library takes it: it cuts texts at NUL, and takes no broken characters."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _usable(value: Any) -> Any:
    match value:
        case str():
            return usable_text(value)
        case list():
            return [_usable(item) for item in value]
        case dict():
            return {usable_text(name): _usable(item) for name, item in value.items()}
        case _:
            return value


def _integer(text: str) -> int | float:
    number = int(text) if len(text) <= LONGEST_INTEGER else float(text)
    return number if isinstance(number, float) or INT64_MIN <= number < UINT64 else float(number)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
