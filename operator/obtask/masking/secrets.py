"""Owns finding secrets in text, whatever the text was cut into and however the secret was encoded. Pure."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

from obtask.masking.words import MASK, SHORT
from obtask.model.printable import printable

# Enough of a base64 text to tell it from chance, where the secret is in the middle of what was encoded.
SHORTEST_CORE = 6
# A line of a secret of several lines (a key, a certificate) is a secret too; a shorter one ("}", "-----") is not.
SHORTEST_LINE = 8

# The lines of a long certificate bundle are looked for as they are: in every form they would take seconds.
LINES_IN_EVERY_FORM = 50

_BREAKS = re.compile(r"[\r\n]+")


class Secrets:
    """The values to mask, and every form of them that is looked for."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._short: set[str] = set()

    def add(self, secret: str) -> None:
        """Mask this value from now on; an empty one is no secret."""
        if not secret.strip():
            return
        if len(secret) < SHORT:
            self._short.add(printable(secret))
            return
        lines = _lines(secret)
        self._forms.update(form for text in (secret, *lines[:LINES_IN_EVERY_FORM]) for form in _forms(text))
        self._forms.update(printable(line) for line in lines[LINES_IN_EVERY_FORM:])

    def mask(self, lines: Sequence[str]) -> list[str]:
        """Return the lines with every secret masked, also one that runs over several lines; there are as many as before."""
        joined = "".join(lines)
        spans = _merged(span for form in tuple(self._forms) for span in _found(joined, form))
        masked = _cut_out(lines, spans) if spans else list(lines)
        return [self._without_short(line) for line in masked] if self._short else masked

    def _without_short(self, line: str) -> str:
        for secret in tuple(self._short):
            line = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, line)
        return line


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in _BREAKS.split(secret)]
    return [line for line in lines if len(line) >= SHORTEST_LINE] if len(lines) > 1 else []


def _forms(secret: str) -> set[str]:
    """Return the texts that give the secret away, as they look in a log without its line breaks."""
    escaped = secret.replace("\\", "\\\\")
    forms = {secret, secret.replace("'", "''"), secret.replace('"', '""'), escaped.replace("'", "\\'"), escaped.replace('"', '\\"')}
    forms |= {escaped.replace("'", "\\'").replace('"', '\\"')}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    octets = secret.encode("utf-8", "surrogatepass")
    for encoded in (quote(octets, safe=""), quote(octets), quote_plus(octets)):
        forms |= {encoded, re.sub("%..", lambda code: code[0].lower(), encoded)}
    forms |= _base64_forms(octets)
    shown = {printable(_BREAKS.sub("", form)) for form in forms}
    return {form for form in shown if len(form) >= SHORT}


def _base64_forms(octets: bytes) -> set[str]:
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


def _found(text: str, form: str) -> Iterable[tuple[int, int]]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _cut_out(lines: Sequence[str], spans: list[tuple[int, int]]) -> list[str]:
    """Put the mask in place of each span, in every line that it touches."""
    result, offset, rest = [], 0, list(reversed(spans))
    for line in lines:
        end = offset + len(line)
        pieces, at = [], offset
        while rest and rest[-1][0] < end:
            start, stop = rest[-1]
            pieces += [line[at - offset : max(start, offset) - offset], MASK]
            at = min(stop, end)
            if stop > end:
                break
            rest.pop()
        result.append("".join([*pieces, line[at - offset :]]))
        offset = end
    return result


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values as they are; the longest first, as one may hold another."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORT:
            text = text.replace(secret, MASK)
        elif secret:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text
