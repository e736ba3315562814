"""Owns HTTP servers that mean harm: each reads one request, and answers in a way of its own."""

import gzip
import zlib
from functools import cache

from tests.support.hostile.wire import Line, Talk

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
DEPTH = 10_000


async def _asked(line: Line) -> None:
    """Read the head of a request."""
    await line.until(b"\r\n\r\n")


def _whole(body: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


@cache
def _bomb() -> bytes:
    """Return 400 MiB of zeroes, packed twice over."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b"0" * (1 << 20)) for _ in range(400)) + packer.flush()


async def gzip_bomb(line: Line) -> None:
    """Answer with 400 MiB that are 400 KiB on the wire."""
    await _asked(line)
    await line.send(_whole(_bomb(), b"Content-Encoding: gzip\r\n"))


async def double_bomb(line: Line) -> None:
    """Answer with what is packed twice."""
    await _asked(line)
    await line.send(_whole(gzip.compress(_bomb()), b"Content-Encoding: gzip, gzip\r\n"))


async def endless_body(line: Line) -> None:
    """Answer with a body that never ends."""
    await _asked(line)
    await line.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def tiny_chunks(line: Line) -> None:
    """Answer with chunks of one byte, each with an extension."""
    await _asked(line)
    await line.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await line.send(b"1;a=b\r\nx\r\n" * 4096)


async def endless_headers(line: Line) -> None:
    """Answer with headers that never end."""
    await _asked(line)
    await line.send(HEAD)
    number = 0
    while True:
        number += 1
        await line.send(b"".join(b"X-%d-%d: %s\r\n" % (number, at, b"v" * 100) for at in range(256)))


async def many_headers(line: Line) -> None:
    """Answer with 20,000 headers."""
    await _asked(line)
    await line.send(HEAD + b"".join(b"X-%d: v\r\n" % at for at in range(20_000)) + b"Content-Length: 0\r\n\r\n")


async def one_endless_header(line: Line) -> None:
    """Answer with a header that never ends."""
    await _asked(line)
    await line.send(HEAD + b"X-Long: ")
    while True:
        await line.send(b"v" * 65536)


async def many_interim(line: Line) -> None:
    """Answer 103 for ever, and never more."""
    await _asked(line)
    while True:
        await line.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 256)


async def deep_json(line: Line) -> None:
    """Answer with lists in lists."""
    await _asked(line)
    await line.send(_whole(b"[" * DEPTH + b"]" * DEPTH))


async def deep_objects(line: Line) -> None:
    """Answer with objects in objects, as deep as a megabyte lets them be."""
    await _asked(line)
    await line.send(_whole(b'{"a":' * 150_000 + b"1" + b"}" * 150_000))


async def many_lists(line: Line) -> None:
    """Answer with a megabyte of empty lists: 25 times as much in memory."""
    await _asked(line)
    await line.send(_whole(b"[" + b"[]," * 345_000 + b"[]]"))


async def many_keys(line: Line) -> None:
    """Answer with 100,000 keys."""
    await _asked(line)
    await line.send(_whole(b"{" + b",".join(b'"k%d":1' % at for at in range(80_000)) + b"}"))


async def many_words(line: Line) -> None:
    """Answer with a megabyte of what secrets look like."""
    await _asked(line)
    await line.send(_whole(b"PASSWORD" * 130_000))


async def endless_redirects(line: Line) -> None:
    """Redirect to itself."""
    await _asked(line)
    await line.send(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def slow_head(line: Line) -> None:
    """Answer one byte per second."""
    await _asked(line)
    await line.drip(HEAD + b"X-Slow: " + b"x" * 4096)


async def slow_body(line: Line) -> None:
    """Answer with a body of one byte per second."""
    await _asked(line)
    await line.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    await line.drip(b"x" * 4096)


SERVERS: dict[str, Talk] = {
    f"http-{talk.__name__.replace('_', '-')}": talk
    for talk in (
        gzip_bomb, double_bomb, endless_body, tiny_chunks, endless_headers, many_headers, one_endless_header, many_interim, deep_json,
        deep_objects, many_lists, many_keys, many_words, endless_redirects, slow_head, slow_body,
    )
}  # fmt: skip
