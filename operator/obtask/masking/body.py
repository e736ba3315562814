"""Owns which values in JSON are secrets, in a body as it was parsed and in text that may be JSON. Pure, linear."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from obtask.masking.sql import secrets_in
from obtask.masking.words import MASK, is_secret_name

NameTest = Callable[[str], bool]

# A name and what begins its value; in JSON that was written into a string, backslashes stand before the quotes.
_FIELD = re.compile(r'\\{0,7}+"(?P<name>[^"\\]{1,128}+)\\{0,7}+"\s*+:\s*+(?:(?P<quote>\\{0,7}+")|(?P<number>-?[0-9][\w.+-]*+))')
_PLAIN = re.compile(r'(?:[^"\\]++|\\(?:.|\Z))*+', re.DOTALL)


def secrets_of(body: Any, is_secret: NameTest = is_secret_name) -> Iterator[str]:
    """Return the values under names of secrets, however deep, and the secrets in texts."""
    rest: list[tuple[Any, bool]] = [(body, False)]
    while rest:
        value, secret = rest.pop()
        match value:
            case dict():
                rest += reversed([(inner, secret or is_secret(str(name))) for name, inner in value.items()])
            case list():
                rest += reversed([(inner, secret) for inner in value])
            case str() if not secret:
                yield from dict.fromkeys([*secrets_in(value, {}), *(value[start:end] for start, end in _spans(value))])
            case str() | int() | float() if secret and not isinstance(value, bool):
                yield str(value)
                # Whoever repeats a part of it repeats the key in it.
                yield from secrets_in(value, {}) if isinstance(value, str) else ()


def masked(body: Any, is_secret: NameTest = is_secret_name) -> Any:
    """Return the body without the values under names of secrets."""
    match body:
        case dict():
            return {name: MASK if is_secret(str(name)) else masked(value, is_secret) for name, value in body.items()}
        case list():
            return [masked(value, is_secret) for value in body]
        case _:
            return body


def without_json_secrets(text: str) -> str:
    """Return text that may be JSON, whole or cut anywhere, without the values of fields that name a secret."""
    parts, at = [], 0
    for start, end in _spans(text):
        parts += [text[at:start], MASK]
        at = end
    return "".join([*parts, text[at:]])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secrets are, from left to right."""
    at = 0
    while (field := _FIELD.search(text, at)) is not None:
        at = field.end()
        if not is_secret_name(field["name"]):
            if field["quote"] is not None:
                at = field.start("quote")  # this may be the beginning of a name, too
            continue
        start, end = (field.start("number"), at) if field["quote"] is None else (at, _end_of(text, at, field["quote"]))
        if end > start:
            yield start, end
        at = max(end, at)


def _end_of(text: str, start: int, quote: str) -> int:
    """Return where the text that began with this quote ends."""
    if quote == '"':
        plain = _PLAIN.match(text, start)
        return plain.end() if plain else start
    at = text.find(quote, start)
    while at > start and text[at - 1] == "\\":
        at = text.find(quote, at + 1)
    return at if at >= 0 else len(text)
