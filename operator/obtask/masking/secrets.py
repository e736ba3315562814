"""Owns finding secrets in text, whatever the text was cut into: one pass over the text for all forms of all secrets. Pure."""

from collections.abc import Iterable, Sequence

import ahocorasick

from obtask.masking.forms import pieces, texts_of
from obtask.masking.words import MASK, SHORT
from obtask.model.printable import printable

# Above this the text is not shown at all: half of a password is no better than the whole.
MOST_VALUES = 1000
MOST_BYTES = 64 * 1024
# Secrets beyond this much are looked for in the usual forms only.
RARE_BYTES = 16 * 1024
# More than this takes more than some 20 ms to prepare: no business of an event loop.
LIGHT_BYTES = 512

UNMASKED = f"not shown: there are more than {MOST_VALUES} secret values, or {MOST_BYTES // 1024} KiB of them, which is too much to mask"

PART = 6  # characters of a secret that chance does not put into a text

_NOTHING: Sequence[tuple[int, int]] = ()


class Secrets:
    """The values to mask, and every form of them that is looked for. It may be asked from any thread.

    ``too_many``: there are more secrets than can be masked, so that nothing may be shown.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._bytes = 0
        self._short: set[str] = set()
        self._automaton: tuple[int, ahocorasick.Automaton] | None = None
        self.too_many = False

    @property
    def heavy(self) -> bool:
        """True when masking takes long even for a short text."""
        return self._bytes > LIGHT_BYTES

    def add(self, secret: str) -> None:
        """Mask this value from now on; an empty one is no secret."""
        if not secret.strip() or secret in self._values or secret in self._short or self.too_many:
            return
        self._bytes += len(secret.encode("utf-8", "surrogatepass"))
        if self._bytes > MOST_BYTES or len(self._values) + len(self._short) >= MOST_VALUES:
            self._values, self._short, self._automaton = {}, set(), None
            self.too_many = True
        elif len(secret) < SHORT:
            self._short.add(printable(secret))
        else:
            self._values[secret] = None

    def mask(self, lines: Sequence[str]) -> list[str]:
        """Return the lines with every secret masked, also one that runs over several lines; there are as many as before.

        Takes time in proportion to the text and, once for each set of secrets, to them.
        """
        if self.too_many:
            return [UNMASKED for _ in lines]
        text = "".join(lines)
        spans = _spans(self._ready().iter(text)) if self._values else _NOTHING
        masked = _cut_out(lines, spans) if spans else list(lines)
        return self._without_short(masked) if self._short and masked else masked

    def _without_short(self, lines: Sequence[str]) -> list[str]:
        text = "\n".join(lines)
        found = _automaton(tuple(self._short)).iter(text)
        spans = _spans((last, length) for last, length in found if not (_goes_on(text, last - length) or _goes_on(text, last + 1)))
        return "".join(_cut_out([text], spans)).split("\n")

    def _ready(self) -> ahocorasick.Automaton:
        known, values = self._automaton, tuple(self._values)
        if known is not None and known[0] == len(values):
            return known[1]
        made = _automaton(_wanted(values))
        if not self.heavy:  # a large one takes more memory than it saves time
            self._automaton = (len(values), made)
        return made


def _wanted(values: Iterable[str]) -> set[str]:
    wanted: set[str] = set()
    size = 0
    for value in values:
        size += len(value)
        wanted.update(piece for text in texts_of(value) for piece in pieces(text, rare=size <= RARE_BYTES))
    return wanted


def _automaton(texts: Iterable[str]) -> ahocorasick.Automaton:
    made = ahocorasick.Automaton(ahocorasick.STORE_LENGTH)
    for text in texts:
        made.add_word(text)
    made.make_automaton()
    return made


def _spans(found: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Return what to cut out, from left to right, apart from each other. ``found``: last character and length, by last character."""
    spans: list[tuple[int, int]] = []
    start, before, end = 0, -1, -1  # the span that may still grow
    for last, length in found:
        if last == before and last + 1 - length >= start:
            continue  # inside of what was found right before
        first, before = last + 1 - length, last
        if first > end:
            if end >= 0:
                spans.append((start, end))
            start = first
        elif first < start:
            start = first
            while spans and start <= spans[-1][1]:
                start = min(start, spans.pop()[0])
        end = last + 1
    return [*spans, (start, end)] if end >= 0 else spans


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values as they are; the longest first, as one may hold another."""
    known = sorted(secrets, key=len, reverse=True)
    for secret in known:
        if len(secret) >= SHORT:
            text = text.replace(secret, MASK)
    return _without_words(text, [secret for secret in known if len(secret) < SHORT])


class Parts:
    """Finds parts of secrets: where a server gives back only the beginning of a value, the whole of it is not found."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._parts = {secret[at : at + PART] for secret in secrets for at in range(len(secret) - PART + 1)}

    def mask(self, text: str) -> str:
        """Return the text without anything from the first part of a secret to the last one."""
        if not self._parts:
            return text
        found = [at for at in range(len(text) - PART + 1) if text[at : at + PART] in self._parts]
        return f"{text[: found[0]]}{MASK}{text[found[-1] + PART :]}" if found else text


def without_end(text: str, secrets: Iterable[str]) -> str:
    """Return the masked beginning of a longer text without its end, where half of one of these may be left."""
    return text[: max(0, len(text) - max(map(len, secrets), default=0))]


def _without_words(text: str, words: Iterable[str]) -> str:
    """Return the text without these where they stand alone."""
    for word in words:
        parts, at, found = [], 0, text.find(word) if word else -1
        while found >= 0:
            end = found + len(word)
            if not _goes_on(text, found - 1) and not _goes_on(text, end):
                parts += [text[at:found], MASK]
                at = end
            found = text.find(word, end if at == end else found + 1)
        text = "".join([*parts, text[at:]])
    return text


def _goes_on(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _cut_out(lines: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[str]:
    """Put the mask in place of each span, in every line that it touches."""
    result, offset, rest = [], 0, list(reversed(spans))
    for line in lines:
        end = offset + len(line)
        parts, at = [], offset
        while rest and rest[-1][0] < end:
            start, stop = rest[-1]
            parts += [line[at - offset : max(start, offset) - offset], MASK]
            at = min(stop, end)
            if stop > end:
                break
            rest.pop()
        result.append("".join([*parts, line[at - offset :]]))
        offset = end
    return result
