# A copy of operator/obtask/model/printable.py, made by `make generate`.
"""Owns text that a terminal shows as it is: odd characters escaped, one by one, whatever stands next to them. Pure."""

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
KEPT = "\t"
KEPT_CATEGORIES = frozenset({"Zs"})  # spaces, among them the wide one of Chinese text
SURROGATE = "Cs"  # what is left of bytes that were no UTF-8


class _Escapes(dict[int, str]):
    """A translation table that is filled as characters turn up."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _shown(chr(code))
        return shown


def printable(text: str) -> str:
    """Return the text with control, formatting and broken characters escaped; line breaks are control characters."""
    return text if text.isprintable() else text.translate(_Escapes())


def printable_lines(text: str) -> str:
    """Return the text with its line breaks, and everything else that is odd escaped."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character.isprintable() or character in KEPT or category in KEPT_CATEGORIES:
        return character
    if category == SURROGATE:
        return REPLACEMENT
    code = ord(character)
    if code < 0x100:  # noqa: PLR2004 - two hexadecimal digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four hexadecimal digits
