"""Owns reading JSON that strangers wrote: nothing too deep or too large for its purpose ever becomes a Python value.

Python's parser gives up at about a thousand levels, other code sooner, and a list of empty lists takes twenty times the memory of
its text. So its nesting is looked at first, which is linear and needs no stack; what does not fit is replaced before anything is parsed.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from obtask.kube.nesting import nesting
from obtask.model.limits import DEEPEST_SPEC, SPEC_BYTES, STATUS_BYTES
from obtask.model.packed import fault, packed

DEEPEST: Final = 200  # whatever is parsed; Kubernetes' own objects stay below 40
FEW: Final = 150  # so many opening brackets cannot nest too deep, whatever their order
SMALL: Final = 16 * 1024  # bytes of a task that is parsed as it is
SLOW: Final = 64 * 1024  # bytes that may take too long for the event loop: 15 ms if they are nothing but brackets
BATCH: Final = 256 * 1024  # bytes of a list that are looked through at once

_KEY = re.compile(rb'"([A-Za-z]{1,64})"\s*:\s*[\[{]$')
LINE_BYTES: Final = 16 * 1024 * 1024

Done = TypeVar("Done")


class TooDeep(ValueError):  # noqa: N818 - what the text is
    """The text nests deeper than anything here is meant to."""


async def off_loop(text: bytes, work: Callable[[], Done]) -> Done:
    """Return what the work on this text returns; it is done in a thread if it would hold the event loop for long."""
    return work() if len(text) <= SLOW else await asyncio.to_thread(work)


def parse(text: bytes) -> Any:
    """Return the value in a JSON text; raises ValueError when there is none, TooDeep when it nests deeper than DEEPEST."""
    if _is_deep(text):
        raise TooDeep(f"it nests deeper than {DEEPEST}")
    try:
        return json.loads(text)
    except RecursionError as error:  # the stack was nearly used up before
        raise TooDeep("it nests too deep") from error


def parse_shallow(text: bytes) -> Any:
    """Return the value in a JSON text, with null for whatever nests deeper than DEEPEST; raises ValueError when there is none."""
    return json.loads(shallow(text))


def shallow(text: bytes) -> bytes:
    """Return a JSON text with null for whatever nests deeper than DEEPEST."""
    return _pruned(text) if _is_deep(text) else text


def _is_deep(text: bytes) -> bool:
    return text.count(b"{") + text.count(b"[") > FEW and nesting(text).deepest() > DEEPEST


def parse_task(text: bytes) -> Any:
    """Return an OBTask with a spec that is packed when it is large, and marked as faulty when it is too large or too deep.

    Raises ValueError when it is no object.
    """
    return json.loads(slim_task(text))


def slim_task(text: bytes) -> bytes:
    """Return the text of an OBTask without what nobody reads, its spec packed when it is large; what does not fit is marked as faulty."""
    if len(text) <= SMALL and text.count(b"{") + text.count(b"[") <= FEW:
        return text
    if len(text) > SPEC_BYTES:
        short = _without_excess(text)
        with contextlib.suppress(ValueError, RecursionError):
            slim = _slim(short)
            json.loads(slim)
            return slim
    return _slim(text)


def _without_excess(text: bytes) -> bytes:
    """Return the text of an OBTask, as the API server writes it, without managedFields and without a spec that is too large.

    Half a megabyte of brackets takes a while to look at, this does not; if the text is written otherwise, what is left of it is no JSON.
    """
    begin = text.find(b'"managedFields":[')
    end = text.find(b'],"name":"', begin)
    if 0 < begin < end:
        text = b"".join([text[:begin], b'"managedFields":[', text[end:]])
    begin, end = text.find(b',"spec":{'), text.rfind(b'},"status":{')
    size = end - begin - len(b',"spec":') + 1
    if begin < 0 or size <= SPEC_BYTES:
        return text
    return b"".join([text[: begin + len(b',"spec":')], _dumped(_too_large("spec", size, SPEC_BYTES)), text[end + 1 :]])


def _slim(text: bytes) -> bytes:
    pieces: list[bytes] = []
    done = 0
    for member in _members(text):
        pieces += [text[done : member.start], _fitting(member, text[member.start : member.end])]
        done = member.end
    return b"".join([*pieces, text[done:]])


def _fitting(member: "_Member", text: bytes) -> bytes:
    if member.key == "managedFields":
        return b"[]"
    most = {"spec": SPEC_BYTES, "status": STATUS_BYTES}.get(member.key, SPEC_BYTES * 4)
    if len(text) > most:
        return _dumped(_too_large(member.key, len(text), most))
    if member.depth > DEEPEST_SPEC:
        return _dumped(fault(f"{member.key} nests more than {DEEPEST_SPEC} deep"))
    if member.key == "spec" and len(text) > SMALL:
        return _dumped(packed(text.decode(errors="replace")))
    return text


def _too_large(key: str, size: int, most: int) -> dict[str, str]:
    return fault(f"{key} has {size} bytes, more than {most // 1024} KiB")


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Member:
    """An object or a list in the top level of an object, or the managedFields in its metadata; ``depth``: how deep it nests."""

    key: str
    start: int
    end: int
    depth: int


def _members(text: bytes) -> Iterator[_Member]:
    """Yield what an object consists of, in order. Metadata is yielded in pieces, since only its managedFields grow without bounds."""
    found = nesting(text)
    ends = found.ends()
    for first, last in found.spans(2):
        key = _key(text, ends[first])
        if key != "metadata":
            yield _Member(key, ends[first] - 1, ends[last], found.deepest(first, last) - 1)
            continue
        for begin, end in found.spans(3, first, last):
            if _key(text, ends[begin]) == "managedFields":
                yield _Member("managedFields", ends[begin] - 1, ends[end], found.deepest(begin, end) - 2)


def _key(text: bytes, bracket_end: int) -> str:
    matched = _KEY.search(text, max(bracket_end - 70, 0), bracket_end)
    return matched[1].decode() if matched else "?"


def _pruned(text: bytes) -> bytes:
    found = nesting(text)
    ends = found.ends()
    pieces: list[bytes] = []
    done = 0
    for first, last in found.spans(DEEPEST + 1):
        pieces += [text[done : ends[first] - 1], b"null"]
        done = ends[last]
    return b"".join([*pieces, text[done:]])


@dataclass(slots=True)
class ListReader:
    """Takes a list of the API server apart while it comes: one item after the other, so that a page is never in memory as a whole.

    ``rest`` is the list without its items, once everything was fed.
    """

    rest: bytes = b""
    _waiting: bytes = b""
    _scanned: int = 0
    _depth: int = 0
    _in_items: bool = field(default=False)

    def feed(self, more: bytes) -> list[bytes]:
        """Take the next piece of the text; return the items that are complete now."""
        text = self._waiting + more
        found = nesting(text[self._scanned :], self._depth)
        ends = found.ends(self._scanned)
        items: list[bytes] = []
        start = 0
        bracket: int | None = 0
        while bracket is not None:
            if self._in_items:
                closed = next(found.changes(2, 1, bracket), None)
                for last in found.changes(3, 2, bracket, closed):
                    items.append(text[start : ends[last]].lstrip(b", \n\r\t"))
                    start = ends[last]
                if closed is not None:
                    start = ends[closed] - 1
                bracket, self._in_items = closed, closed is None
            else:
                bracket = next(found.changes(1, 2, bracket), None)
                if bracket is not None and text[start : ends[bracket]].endswith((b'"items":[', b'"items": [')):
                    self._in_items = True
                    self.rest += text[start : ends[bracket]]
                    start = ends[bracket]
                bracket = None if bracket is None else bracket + 1
        self._depth = found.end
        self._waiting, self._scanned = text[start:], (ends[-1] if ends else self._scanned) - start
        return items

    def ended(self) -> dict[str, Any]:
        """Return the list without its items; raises ValueError when the text broke off."""
        self.rest += self._waiting
        self._waiting = b""
        parsed = parse_shallow(self.rest)
        return parsed if isinstance(parsed, dict) else {}


_HEAD = re.compile(rb'\s*\{(?:"(?:apiVersion|kind)":"[^"\\]*",)*"metadata":(?=\{)')


def metadata_of(text: bytes) -> Any:
    """Return the metadata in the text of an object, without a look at the rest; raises ValueError when there is none."""
    head = _HEAD.match(text)
    try:
        if head is not None:
            return json.JSONDecoder().raw_decode(text[head.end() :].decode(errors="replace"))[0]
    except RecursionError:
        pass  # managedFields are as deep as what they are about
    return parse_shallow(text)["metadata"]


async def items_of(reader: ListReader, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the items of a list as its text comes; afterwards the reader has the rest."""
    waiting: list[bytes] = []
    async for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= BATCH:
            for item in await _fed(reader, waiting):
                yield item
            waiting.clear()
    for item in await _fed(reader, waiting):
        yield item


async def _fed(reader: ListReader, pieces: list[bytes]) -> list[bytes]:
    text = b"".join(pieces)
    return await off_loop(text, lambda: reader.feed(text))


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a text as it comes, also the last one when it has no end; raises ValueError when one has over LINE_BYTES."""
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            yield b"".join([*waiting, end])
            waiting, size = [], 0
        waiting.append(rest)
        size += len(rest)
        if size > LINE_BYTES:
            raise ValueError(f"a line has more than {LINE_BYTES // 1024 // 1024} MiB")
    if size:
        yield b"".join(waiting)
