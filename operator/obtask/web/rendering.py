"""Owns how pages are made: templates that escape everything, in the reader's language, in the frame that all pages share."""

import gettext
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from obtask.model.printable import printable, printable_lines
from obtask.model.schema import DISTRIBUTION
from obtask.model.template import LocalDescription, LocalTitle
from obtask.web import formats
from obtask.web.identity.base import Clock
from obtask.web.identity.cookies import LANGUAGE, THEME, set_preference
from obtask.web.language import PARAMETER, Language, Translations, language_of
from obtask.web.security import local_path
from obtask.web.views.query import Counts, steps_of
from obtask.web.views.view import View
from obtask.web.words import PHASES, SCOPES, SHORT_SCOPES, SHORT_TYPES, TYPES

TEMPLATES = Path(__file__).parent / "page_templates"
STATIC = Path(__file__).parent / "static"
THEMES = ("light", "dark")
SCRIPTS = ("vendor/htmx.min.js", "vendor/hx-sse.min.js")


class Renderer:
    """Makes pages and parts of pages."""

    def __init__(self, translations: Translations, default: Language, clock: Clock, static: Path = STATIC) -> None:
        self._environments = {language: _environment(language, texts) for language, texts in translations.items()}
        self._translations = translations
        self._default = default
        self._clock = clock
        self._scripts = tuple(script for script in SCRIPTS if (static / script).is_file())

    def now(self) -> datetime:
        """Return the time."""
        return self._clock()

    def language(self, request: Request) -> Language:
        """Return the language for whoever asks."""
        return language_of(request, self._default)

    def gettext(self, request: Request) -> Callable[[str], str]:
        """Return what translates a text for whoever asks."""
        return self._translations[self.language(request)].gettext

    def texts(self, language: Language) -> Callable[[str], str]:
        """Return what translates a text into a language."""
        return self._translations[language].gettext

    def part(self, language: Language, template: str, /, **context: Any) -> str:
        """Return a part of a page: it knows nothing of a request, so that one can serve many readers of a language."""
        return self._environments[language].get_template(template).render(now=self._clock(), **context)

    def page(self, request: Request, template: str, /, *, status: int = 200, here: str = "", **context: Any) -> HTMLResponse:
        """Return a whole page. ``here`` names the entry of the navigation that it belongs to."""
        language = self.language(request)
        theme = request.cookies.get(THEME, "")
        frame = {
            "theme": theme if theme in THEMES else "",
            "visitor": getattr(request.state, "visitor", None),
            "here": here,
            "path": _path(request),
            "other_language_path": _path(request, lang=Language.ZH if language is Language.EN else Language.EN),
            "scripts": self._scripts,
            "version": version(DISTRIBUTION),
            "counts": _counts(request),
            "live": None,
        }
        answer = HTMLResponse(self.part(language, template, **{**frame, **context}), status)
        if request.query_params.get(PARAMETER) == language:
            set_preference(request, answer, LANGUAGE, language)
        return answer


def _environment(language: Language, texts: gettext.NullTranslations) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.filters |= {
        "instant": formats.instant,
        "duration": partial(_duration, gettext=texts.gettext),
        "printable": printable,
        "printable_lines": printable_lines,
        "phase": lambda phase: texts.gettext(PHASES[phase]),
        "task_type": lambda kind: texts.gettext(TYPES[kind]),
        "scope": lambda scope: texts.gettext(SCOPES[scope]),
        "localized": lambda text: _localized(text, language),
        "query": _query,
        "short_type": lambda kind: _begun(texts.gettext(SHORT_TYPES[kind])),
        "short_scope": lambda scope: _begun(texts.gettext(SHORT_SCOPES[scope])),
        "steps": steps_of,
        "seconds_since": _seconds_since,
        "checksum": _checksum,
        "iso": formats.iso,
    }
    environment.globals |= {"language": language, "lang_tag": {"en": "en", "zh": "zh-CN"}[language]}
    return environment


def _duration(seconds: float | None, gettext: Callable[[str], str]) -> str:
    return formats.duration(seconds, gettext)


def _localized(text: LocalTitle | LocalDescription | None, language: Language) -> str:
    return "" if text is None else (language is Language.ZH and text.zh) or text.en


def _query(given: Mapping[str, str]) -> str:
    """Return what stands behind the path of an address: what is empty is left out."""
    words = urlencode({name: value for name, value in given.items() if value})
    return f"?{words}" if words else ""


def _seconds_since(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()


def _begun(text: str) -> str:
    """Return a word as it stands at the beginning."""
    return text[:1].upper() + text[1:]


def _checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"


def _counts(request: Request) -> Counts | None:
    """Return the numbers in the header; None where nobody is signed in, or where they are not known yet."""
    view: View | None = getattr(request.state, "view", None)
    return view.counts if view is not None and view.is_ready else None


def _path(request: Request, **query: str) -> str:
    url = request.url.include_query_params(**query) if query else request.url.remove_query_params(PARAMETER)
    return local_path(url.path) + (f"?{url.query}" if url.query else "")
