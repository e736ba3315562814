"""Owns in which language the plugin speaks, and texts in both."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple, assert_never


class Language(StrEnum):
    """A language that all texts are written in."""

    EN = "en"
    ZH = "zh"


LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")


class Text(NamedTuple):
    """One text in both languages, with the same `{names}` in them."""

    en: str
    zh: str

    def in_(self, language: Language) -> str:
        """Return the text as it is written."""
        match language:
            case Language.EN:
                return self.en
            case Language.ZH:
                return self.zh
            case never:
                assert_never(never)


def language_of(given: str | None, environment: Mapping[str, str], system: str = "") -> Language:
    """Return the language that was asked for, or that of the locale: the first variable that is set decides, as POSIX says.

    ``system``: the locale of a system that has no such variables. Windows calls it "Chinese (Simplified)_China".
    """
    locale = given or next((environment[name] for name in LOCALE_VARIABLES if environment.get(name)), system)
    return Language.ZH if locale.lower().startswith(("zh", "chinese")) else Language.EN
