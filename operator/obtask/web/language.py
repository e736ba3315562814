"""Owns which language a reader gets: what the browser asks for, unless a cookie remembers another choice, or `?lang=` makes one."""

import gettext
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from starlette.requests import HTTPConnection

from obtask.web.identity.cookies import LANGUAGE

DOMAIN = "obtask"
FOLDER = Path(__file__).parent / "locale"
PARAMETER = "lang"
LONGEST_HEADER = 1000
_RANGE = re.compile(r"\s*([a-zA-Z]{1,8}|\*)(?:-[a-zA-Z0-9-]{0,40})?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")


class Language(StrEnum):
    """A language of the pages."""

    EN = "en"
    ZH = "zh"


Translations = Mapping[Language, gettext.NullTranslations]


def translations(folder: Path = FOLDER) -> Translations:
    """Return the texts of every language. English is what stands in the code."""
    return {
        Language.EN: gettext.NullTranslations(),
        Language.ZH: gettext.translation(DOMAIN, folder, [Language.ZH]),
    }


def language_of(connection: HTTPConnection, default: Language) -> Language:
    """Return the language for a reader; the last of header, cookie and parameter that names one decides."""
    named = (connection.query_params.get(PARAMETER), connection.cookies.get(LANGUAGE))
    chosen = next((Language(name) for name in named if name in set(Language)), None)
    return chosen or _preferred(connection.headers.get("accept-language", "")[:LONGEST_HEADER]) or default


def _preferred(header: str) -> Language | None:
    """Return the language that a header likes best (RFC 9110, 12.5.4); of two that are liked the same, the first."""
    best: tuple[float, Language] | None = None
    for part in header.split(","):
        found = _RANGE.fullmatch(part)
        if found is None or found[1].lower() not in set(Language):
            continue
        quality = float(found[2] or 1)
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, Language(found[1].lower()))
    return best[1] if best else None
