"""Owns which parts of URLs and headers look like credentials, and the same text without them. Pure."""

import re
from collections.abc import Iterable, Mapping

from yarl import URL

from obtask.masking.words import MASK, SHORT, is_secret_name

IDENTITY_PREFIX = "x-obtask-"
SCHEMES = ("basic", "bearer", "digest", "token", "negotiate")

_SEPARATORS = re.compile(r"[\s;,]+")

# What is written in the task is hidden everywhere from ``SHORT`` characters on: ``token=1`` would mask every 1.


def is_sensitive(name: str) -> bool:
    """Tell whether a header, a query parameter or a field of this name holds a credential."""
    return is_secret_name(name) and not name.lower().startswith(IDENTITY_PREFIX)


def shown_url(url: URL) -> str:
    """Return the URL for people: without user and password, with the values of sensitive parameters masked."""
    plain = url.with_user(None).with_fragment(None) if url.host else url.with_fragment(None)
    if not any(is_sensitive(name) for name in plain.query):
        return str(plain)
    query = "&".join(f"{name}={MASK if is_sensitive(name) else value}" for name, value in plain.query.items())
    return f"{plain.with_query(None)}?{query}"


def without_query(url: URL) -> str:
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


def url_secrets(url: URL) -> list[str]:
    """Return the password and the sensitive parameters of a URL."""
    found = [value for name, value in url.query.items() if is_sensitive(name)]
    return [secret for secret in (url.password, *found) if secret and len(secret) >= SHORT]


def header_secrets(headers: Mapping[str, str]) -> list[str]:
    """Return the sensitive values of headers, whole and in their parts: ``Bearer abc`` holds ``abc``."""
    found = [value for name, value in headers.items() if is_sensitive(name)]
    parts = [part.partition("=")[2] or part for value in found for part in _SEPARATORS.split(value)]
    return [text for text in (*found, *parts) if len(text) >= SHORT and text.lower() not in SCHEMES]
