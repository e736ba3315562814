"""Owns which parts of URLs, headers and JSON look like credentials, and the same text without them. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from yarl import URL

from obtask.executors.masking import MASK, SHORT

IDENTITY_PREFIX = "x-obtask-"
SCHEMES = ("basic", "bearer", "digest", "token", "negotiate")

_NAME = (
    r"passw(?:or)?d|passphrase|\bpwd\b|secret|token|(?:api|access|private)[-_]?key|credential|signature|\bsig\b"
    r"|cookie|\bauth(?![a-z])|authoriz|authentic"
)
_SENSITIVE = re.compile(_NAME, re.IGNORECASE)
_JSON_VALUE = re.compile(rf"""("[^"]{{0,64}}(?:{_NAME})[^"]{{0,64}}"\s*:\s*")((?:[^"\\]|\\.)+)""", re.IGNORECASE)

# What is written in the task is hidden everywhere from ``SHORT`` characters on: ``token=1`` would mask every 1.


def is_sensitive(name: str) -> bool:
    """Tell whether a header, a query parameter or a field of this name holds a credential."""
    return _SENSITIVE.search(name) is not None and not name.lower().startswith(IDENTITY_PREFIX)


def shown_url(url: URL) -> str:
    """Return the URL for people: without user and password, with the values of sensitive parameters masked."""
    plain = url.with_user(None).with_fragment(None) if url.host else url.with_fragment(None)
    if not any(is_sensitive(name) for name in plain.query):
        return str(plain)
    query = "&".join(f"{name}={MASK if is_sensitive(name) else value}" for name, value in plain.query.items())
    return f"{plain.with_query(None)}?{query}"


def place(url: URL) -> str:
    """Return the URL without user, password and query: enough to tell where it leads."""
    return str((url.with_user(None) if url.host else url).with_query(None).with_fragment(None))


def shown_headers(headers: Iterable[tuple[str, str]]) -> str:
    """Return the headers on one line, the sensitive ones masked."""
    return "; ".join(f"{name}: {_shown_value(name, value)}" for name, value in headers)


def _shown_value(name: str, value: str) -> str:
    if is_sensitive(name):
        return MASK
    if name.lower() not in ("location", "content-location", "referer"):
        return value
    try:
        return shown_url(URL(value))
    except ValueError:
        return MASK


def without_json_secrets(text: str) -> str:
    """Return text that may be JSON without the values of sensitive fields."""
    return _JSON_VALUE.sub(rf"\g<1>{MASK}", text)


def url_secrets(url: URL) -> list[str]:
    """Return the password and the sensitive parameters of a URL."""
    found = [value for name, value in url.query.items() if is_sensitive(name)]
    return [secret for secret in (url.password, *found) if secret and len(secret) >= SHORT]


def header_secrets(headers: Mapping[str, str]) -> list[str]:
    """Return the sensitive values of headers, whole and in their parts: ``Bearer abc`` holds ``abc``."""
    found = [value for name, value in headers.items() if is_sensitive(name)]
    parts = [part.partition("=")[2] or part for value in found for part in re.split(r"[\s;,]+", value)]
    return [text for text in (*found, *parts) if len(text) >= SHORT and text.lower() not in SCHEMES]


def body_secrets(body: Any) -> list[str]:
    """Return the texts in sensitive fields of a body."""
    match body:
        case dict():
            own = [value for name, value in body.items() if isinstance(value, str) and len(value) >= SHORT and is_sensitive(name)]
            return own + [secret for value in body.values() for secret in body_secrets(value)]
        case list():
            return [secret for value in body for secret in body_secrets(value)]
        case _:
            return []
