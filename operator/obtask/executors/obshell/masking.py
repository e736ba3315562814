"""Owns which values in the body of a request are secrets. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from obtask.executors.masking import MASK
from obtask.executors.sql.redaction import secrets_in

_SECRET_KEY = re.compile(r"pass(word|wd|phrase)?$|passw|pwd|secret|token|credential|private_?key|access_?key", re.IGNORECASE)


def secrets_of(body: Any, *, secret: bool = False) -> Iterator[str]:
    """Return the values under keys that name a secret, however deep, and the keys in URIs."""
    match body:
        case dict():
            for key, value in body.items():
                yield from secrets_of(value, secret=secret or _SECRET_KEY.search(str(key)) is not None)
        case list():
            for value in body:
                yield from secrets_of(value, secret=secret)
        case str() if not secret:
            yield from secrets_in(body, {})
        case str() | int() | float() if secret and not isinstance(body, bool):
            yield str(body)


def masked(body: Any) -> Any:
    """Return the body without the values under keys that name a secret."""
    match body:
        case dict():
            return {key: MASK if _SECRET_KEY.search(str(key)) else masked(value) for key, value in body.items()}
        case list():
            return [masked(value) for value in body]
        case _:
            return body
