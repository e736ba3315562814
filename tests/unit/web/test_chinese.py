"""The Chinese texts of the Task Center: all there, none doubtful, each with the parts that its English one has."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from obtask.web import language

WEB = Path(language.__file__).parent
_PART = re.compile(r"%\((\w+)\)[sd]")


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Return the texts that the code and the pages have."""
    with (WEB / "locale/babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel does not annotate it
    found = extract_from_dir(str(WEB), methods, options, keywords={"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)})
    return {_texts(message)[0] for _, _, message, _, _ in found if message}


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    """Return the Chinese texts."""
    with (WEB / "locale/zh/LC_MESSAGES/obtask.po").open("rb") as file:
        return read_po(file)


def _texts(one_or_more: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return a text, or the forms of one that depends on a number."""
    return (one_or_more,) if isinstance(one_or_more, str) else tuple(one_or_more or ())


def test_every_text_is_translated_and_none_is_left_over(used: set[str], chinese: Catalog) -> None:
    """`make messages` collects what is new; what nobody says any more is taken out."""
    translated = {_texts(message.id)[0] for message in chinese if message.id and all(_texts(message.string))}

    assert used - translated == set()
    assert {_texts(message.id)[0] for message in chinese if message.id} - used == set()


def test_no_translation_is_doubtful(chinese: Catalog) -> None:
    """A text that gettext has guessed is marked; somebody has to look at it."""
    assert [message.id for message in chinese if message.fuzzy and message.id] == []


def test_a_translation_has_the_parts_of_its_text(chinese: Catalog) -> None:
    """A name that is missing would be lost; one too many would be an error in the page."""
    wrong = [
        message.id
        for message in chinese
        for text in _texts(message.string)
        if message.id and set(_PART.findall(_texts(message.id)[-1])) != set(_PART.findall(text))
    ]

    assert wrong == []
