"""Answers in the encodings that real servers send: what a browser or `curl | jq` reads is read."""

import codecs
import encodings
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.support.website import Website, run, website

from obtask.executors.http.answers import KEPT_BYTES
from obtask.executors.http.decoding import decoded
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason
from obtask.model.utf8 import beginning, unfinished

STATE = {"state": "已完成", "name": "é"}
JSON = json.dumps(STATE, ensure_ascii=False)
WORDS = "body.state == '已完成' && body.name == 'é'"
CHINESE = "租户"
KINDS = {
    "plain": ("application/json", JSON.encode(), WORDS),
    "charset": ("application/json; charset=UTF-8", JSON.encode(), WORDS),
    "quoted": ('application/json; charset="utf-8"', JSON.encode(), WORDS),
    "single-quotes": ("application/json;charset='utf8'", JSON.encode(), WORDS),
    "unknown-charset": ("application/json; charset=binary", JSON.encode(), WORDS),
    "mislabelled": ("application/json; charset=ISO-8859-1", JSON.encode(), WORDS),
    "mislabelled-ascii": ("application/json; charset=us-ascii", JSON.encode(), WORDS),
    "mark": ("application/json", codecs.BOM_UTF8 + JSON.encode(), WORDS),
    "mark-and-charset": ("application/json; charset=latin1", codecs.BOM_UTF8 + JSON.encode(), WORDS),
    "mark-without-type": ("", codecs.BOM_UTF8 + JSON.encode(), WORDS),
    "mark-in-text": ("text/plain; charset=utf-8", codecs.BOM_UTF8 + b"done", "body == 'done'"),
    "utf-16-mark": ("application/json", JSON.encode("utf-16"), WORDS),
    "utf-16-big": ("application/json", codecs.BOM_UTF16_BE + JSON.encode("utf-16-be"), WORDS),
    "utf-16-unmarked": ("application/json", JSON.encode("utf-16-le"), WORDS),
    "utf-16-big-unmarked": ("text/plain", JSON.encode("utf-16-be"), WORDS),
    "utf-16-charset": ("application/json; charset=utf-16", JSON.encode("utf-16-le"), WORDS),
    "utf-16-text": ("text/plain; charset=UTF-16LE", CHINESE.encode("utf-16-le"), "body == '租户'"),
    "utf-32": ("application/json", JSON.encode("utf-32"), WORDS),
    "gbk": ("application/json; charset=GBK", JSON.encode("gbk"), WORDS),
    "gb2312-as-browsers": ("text/plain; charset=gb2312", "镕".encode("gbk"), "body == '镕'"),
    "big5": ("text/plain; charset=big5", "租戶".encode("big5"), "body == '租戶'"),
    "windows-31j": ("text/plain; charset=Windows-31J", "①".encode("cp932"), "body == '①'"),
    "cyrillic": ("text/plain; charset=windows-1251", "готово".encode("cp1251"), "body == 'готово'"),
    "koi8": ("text/plain; charset=koi8-r", "готово".encode("koi8-r"), "body == 'готово'"),
    "latin-1": ("text/plain; charset=iso-8859-1", "é".encode("latin-1"), "body == 'é'"),
    "latin-1-as-browsers": ("text/plain; charset=latin1", "€“".encode("cp1252"), "body == '€“'"),
    "latin-1-unstated": ("text/plain", "café".encode("latin-1"), "body == 'café'"),
    "xml": ("application/xml", '<?xml version="1.0" encoding="GBK"?><a>租户</a>'.encode("gbk"), "body.contains('租户')"),
    "html": ("text/html", '<meta charset="gb18030"><p>租户'.encode("gb18030"), "body.contains('租户')"),
    "problem": ("application/problem+json", b'"a"', "body == 'a'"),
    "vendor": ("application/vnd.api+json; charset=utf-8; profile=x", b"[1]", "body[0] == 1"),
    "text-json": ("text/json", b"12", "body == 12"),
    "x-json": ("application/x-json", b"12", "body == 12"),
    "capitals": ("APPLICATION/JSON", b"12", "body == 12"),
    "space": ("application/json ; charset=utf-8", b"12", "body == 12"),
    "white-space": ("application/json", b' \r\n\t{"a": 1}\n', "body.a == 1"),
    "raw-line-break": ("application/json", b'{"a": "x\ty\n"}', r"body.a == 'x\ty\n'"),
    "empty": ("application/json; charset=utf-16", b"", "body == ''"),
    "not-utf-8": ("application/json; charset=utf-8", b'{"a": "\xff"}', r"body.a == '\ufffd'"),
    "slow-codec": ("text/plain; charset=punycode", b"a-b", "body == 'a-b'"),
}


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Serve."""
    async with website() as running:
        yield running


def answers(site: Website, body: bytes, **headers: str) -> None:
    """Answer with these bytes."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items() if value})

    site.handlers["/a"] = handler


@pytest.mark.parametrize("name", KINDS)
async def test_what_others_read_is_read(site: Website, name: str) -> None:
    """Marks come before what the server says, what it says before what can be guessed; JSON is UTF-8 if it can be."""
    kind, body, expect = KINDS[name]
    answers(site, body, Content_Type=kind)

    assert await run(f"{site.url}/a", expect=expect) == Succeeded("HTTP 200")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "X-GZIP"])
async def test_a_packed_body(site: Website, encoding: str) -> None:
    """Also under its old name; what it unpacks to is bounded like everything else."""
    answers(site, gzip.compress(JSON.encode()), Content_Type="application/json", Content_Encoding=encoding)
    assert await run(f"{site.url}/a", expect=WORDS) == Succeeded("HTTP 200")

    answers(site, gzip.compress(b"x" * (50 * KEPT_BYTES)), Content_Encoding=encoding)
    assert await run(f"{site.url}/a", expect=f"size(body) == {KEPT_BYTES}") == Succeeded("HTTP 200")


@pytest.mark.parametrize(("encoding", "named"), [("br", "brotli (br)"), ("zstd", "zstandard (zstd)")])
async def test_an_encoding_that_nobody_asked_for(site: Website, encoding: str, named: str) -> None:
    """It is named: whoever reads that knows what to change in the server."""
    answers(site, b"\x0b\x02\x80hello\x03", Content_Encoding=encoding)

    end = await run(f"{site.url}/a")

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert f"answers in an encoding that was not asked for and cannot be read: {named}" in end.message


async def test_a_letter_at_the_cut(site: Website) -> None:
    """Of a body that is cut, an unfinished letter is left out; nothing is replaced."""
    answers(site, ("x" * (KEPT_BYTES - 1) + "租户").encode(), Content_Type="text/plain")

    assert await run(f"{site.url}/a", expect=f"body.endsWith('x') && size(body) == {KEPT_BYTES - 1}") == Succeeded("HTTP 200")


@given(st.binary(max_size=64), st.sampled_from(["application/json", "text/html", "text/xml; charset=utf-16", "x; charset=gb18030", ""]))
def test_every_body_is_some_text(data: bytes, kind: str) -> None:
    """Whatever a server sends, reading it never fails."""
    assert isinstance(decoded(data, kind, cut=False), str)
    assert isinstance(decoded(data, kind, cut=True), str)


@given(st.text(max_size=30), st.integers(0, 130))
def test_a_cut_between_letters(text: str, limit: int) -> None:
    """The beginning of a text is the beginning of its letters, and loses no more than one."""
    octets = text.encode(errors="replace")
    whole = octets.decode()

    cut = beginning(octets, limit)

    assert whole.startswith(cut)
    assert len(cut.encode()) > min(limit, len(octets)) - 4
    assert unfinished(octets) == 0


def test_names_that_a_server_makes_up_are_not_kept() -> None:
    """Python remembers every name of an encoding that it is asked for, also one that is unknown, and for ever."""
    kept: dict[str, object] = vars(encodings)["_cache"]

    def ask(text: str) -> None:
        for number in range(50):
            for label in (f"x-{text}-{number}", "utf" + "." * (number % 30) + "-8", f"{text}{number}"):
                decoded(b"a", f"text/plain; charset={label}", cut=False)
                decoded(f'<?xml version="1.0" encoding="{label}"?>'.encode(), "text/xml", cut=False)

    ask("warm")
    before = set(kept)
    ask("other")

    assert set(kept) == before
    assert not [name for name in kept if "warm" in name]
