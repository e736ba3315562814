"""Owns the forms in which programs write a secret: escaped, encoded, cut into lines. Pure.

Covered: as it is; escaped for SQL, JSON (twice, too), Python, HTML and XML; URL-encoded, also every character of it; base64, alone or in
the middle of other text, and twice; hexadecimal digits; UTF-8 that was read as Latin-1; single lines of a secret of several lines.
Not covered: base32 and other bases, compressed, hashed or encrypted text, characters with something between them, reversed text, and
whatever a program makes up. A secret that was given to such a program can be read in its log.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from obtask.masking.words import SHORT
from obtask.model.printable import printable

# Enough of a base64 text to tell it from chance, where the secret is in the middle of what was encoded.
SHORTEST_CORE = 6
# A line of a secret of several lines (a key, a certificate) is a secret too; a shorter one ("}", "-----") is not.
SHORTEST_LINE = 8
# What is longer is looked for piece by piece, so that a character belongs to few things that are looked for.
PIECE = 16

_BREAKS = re.compile(r"[\r\n]+")
_ENCODED = re.compile(r"%[0-9A-F]{2}|\\u[0-9a-f]{4}")


def texts_of(secret: str) -> list[str]:
    """Return the secret, and the lines of a secret of several lines."""
    lines = [line.strip() for line in _BREAKS.split(secret)]
    return [secret, *(line for line in lines if len(line) >= SHORTEST_LINE)] if len(lines) > 1 else [secret]


def pieces(text: str, *, rare: bool) -> Iterator[str]:
    """Yield what to look for, each at most ``PIECE`` characters, as it shows in a log without line breaks.

    ``rare``: also in the forms that take much room and are seldom met.
    """
    forms = _usual(text)
    if rare:
        forms |= _rare(text)
    for form in {printable(_BREAKS.sub("", form)) for form in forms}:
        if len(form) >= SHORT:
            yield from _cut(form)


def _cut(form: str) -> Iterator[str]:
    if len(form) <= PIECE:
        yield form
        return
    for start in range(0, len(form), PIECE):
        piece = form[start : start + PIECE] if start + PIECE <= len(form) else form[-PIECE:]
        if any(character.isalnum() for character in piece):  # a ruler of dashes in a key gives nothing away
            yield piece


def _usual(text: str) -> set[str]:
    escaped = text.replace("\\", "\\\\")
    forms = {text, text.replace("'", "''"), text.replace('"', '""'), escaped.replace("'", "\\'"), escaped.replace('"', '\\"')}
    forms |= {escaped.replace("'", "\\'").replace('"', '\\"'), repr(text)[1:-1]}
    forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    octets = text.encode("utf-8", "surrogatepass")
    forms |= {quote(octets, safe=""), quote(octets), quote_plus(octets)}
    forms |= {_ENCODED.sub(_other_case, form) for form in forms}
    return forms | _base64(octets)


def _rare(text: str) -> set[str]:
    octets = text.encode("utf-8", "surrogatepass")
    forms = {octets.hex(), octets.hex().upper(), repr(octets)[2:-1], octets.decode("latin-1")}
    forms |= {"".join(f"%{octet:02{case}}" for octet in octets) for case in "xX"}
    once = html.escape(text)
    forms |= {once, html.escape(text, quote=False), once.replace("&#x27;", "&#39;"), once.replace("&#x27;", "&apos;")}
    forms |= {json.dumps(json.dumps(text, ensure_ascii=plain), ensure_ascii=plain)[3:-3] for plain in (True, False)}
    return forms | _base64(base64.b64encode(octets))


def _other_case(code: re.Match[str]) -> str:
    return code[0].lower() if code[0].startswith("%") else "\\u" + code[0][2:].upper()


def _base64(octets: bytes) -> set[str]:
    """Return the base64 texts of the secret, alone or in the middle of other text (``user:password``)."""
    forms = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(octets).decode().rstrip("="))
        for before in range(3):
            text = encode(b"\0" * before + octets).decode().rstrip("=")
            # The first and the last character also hold bits of the neighbours.
            core = text[(before * 8 + 5) // 6 :]
            if (before + len(octets)) % 3:
                core = core[:-1]
            if len(core) >= SHORTEST_CORE:
                forms.add(core)
    return forms
