"""Owns which text a body is: by its first bytes, by what the server says, by what it can be. As browsers do it; pure.

WHATWG Encoding (byte order marks, labels) and RFC 8259 section 8.1 with its forerunner RFC 4627 section 3 (JSON in UTF-16 and UTF-32).
"""

import codecs
import json
import re
import zlib
from encodings.aliases import aliases

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before the shorter one that it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The server names its character set; some of those that Python knows take minutes for a megabyte.
_LINEAR = frozenset(
    {"utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gbk", "gb18030", "big5", "big5hkscs", "cp932", "euc_jp", "cp949"}
    | {f"cp{page}" for page in (437, 850, 852, 866, 874, *range(1250, 1259))}
    | {f"iso8859-{part}" for part in (*range(2, 12), *range(13, 17))}
    | {"koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "tis-620", "iso2022_jp"}
)
# What a label stands for in browsers, which servers are written for: supersets.
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
    "utf-8-sig": "utf-8",
    "gb2312": "gbk",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
}
_UNKNOWN_TO_PYTHON = {"windows-31j": "cp932", "x-sjis": "cp932", "x-gbk": "gbk", "unicode-1-1-utf-8": "utf-8", "unicode": "utf-16"}
WESTERN = "cp1252"
BEGINNINGS = ("{", "[")
_LABEL = re.compile(r"""charset\s*+=\s*+["']?+\s*+([-\w.:]{1,40})""", re.IGNORECASE)
_XML = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*+=\s*+["']([-\w.:]{1,40})["']""")
_HTML = re.compile(rb"""<meta[^>]{0,200}?charset\s*+=\s*+["']?+\s*+([-\w.:]{1,40})""", re.IGNORECASE)
DECLARED_WITHIN = 1024
GZIP = 31  # zlib: 32 KiB of window, and the header of gzip


def decoded(data: bytes, content_type: str, *, cut: bool) -> str:
    """Return the body as text, without a mark at its beginning. Of what was ``cut`` an unfinished letter at the end is left out."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _text(data[len(mark) :], encoding, cut=cut)
    stated = _LABEL.search(content_type)
    known = _encoding(stated[1]) if stated else None
    return _text(data, _of_json(data, content_type.lower(), cut=cut) or known or _guessed(data, content_type.lower(), cut=cut), cut=cut)


def unpacked(data: bytearray, most: int) -> bytearray:
    """Return at most so many bytes of what is packed with gzip under its old name, x-gzip (RFC 9110 section 8.4.1.3); else the data."""
    try:
        return bytearray(zlib.decompressobj(GZIP).decompress(data, most))
    except zlib.error:
        return data


def _of_json(data: bytes, content_type: str, *, cut: bool) -> str | None:
    """Return how JSON is encoded: in UTF-8, whatever the server says, as long as it is valid. None: that cannot be told, or it is none."""
    wide = json.detect_encoding(data[:4])  # by the zeros that are between letters of ASCII
    letter = "" if wide == "utf-8" else data[:4].decode(wide, "ignore")[:1]
    if "json" not in content_type and (letter or data.lstrip()[:1].decode("ascii", "ignore")) not in BEGINNINGS:
        return None
    if letter:
        return wide
    return "utf-8" if _is_utf8(data, cut=cut) else None


def _guessed(data: bytes, content_type: str, *, cut: bool) -> str:
    declared = _XML.search(data[:DECLARED_WITHIN]) if "xml" in content_type else None
    declared = declared or (_HTML.search(data[:DECLARED_WITHIN]) if "html" in content_type else None)
    encoding = _encoding(declared[1].decode("ascii", "replace")) if declared else None
    return encoding or ("utf-8" if _is_utf8(data, cut=cut) else WESTERN)


def _is_utf8(data: bytes, *, cut: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return False
    return True


def _plain(label: str) -> str:
    """Return a label as it is compared: punctuation makes no difference."""
    return "_".join("".join(letter if letter.isascii() and letter.isalnum() else " " for letter in label.lower()).split())


# Python keeps every name that it was ever asked for: it is asked for these only.
_NAMES = {_plain(name): name for name in (*aliases.values(), *_LINEAR, *_MEANT)}
_NAMES |= {_plain(label): name for label, name in (*aliases.items(), *_UNKNOWN_TO_PYTHON.items())}


def _encoding(label: str) -> str | None:
    """Return the encoding that a label stands for; None if it is not known, or takes too long."""
    known = _NAMES.get(_plain(label))
    if known is None:
        return None
    try:
        name = codecs.lookup(known).name
    except LookupError:  # of another system
        return None
    meant = _MEANT.get(name, name)
    return meant if meant in _LINEAR else None


def _text(data: bytes, encoding: str, *, cut: bool) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(data, final=not cut)
