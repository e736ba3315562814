"""Masking: a secret never shows in what a log gives out, however it was written, cut or encoded."""

import base64
import gzip
import json
import re
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymysql.converters import escape_string

from obtask.logs.bounded import Limits
from obtask.logs.text import AttemptLog
from obtask.model.printable import printable

MASK = "******"
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, UTC)
PREFIX = "2026-11-23T12:00:00.123Z "

# Stars could be the mask; digits and a few letters could be the time. A secret has at least four characters that are no line breaks.
SECRETS = st.text(st.characters(exclude_characters="*…", exclude_categories=["Nd", "Cs"]), min_size=4, max_size=60).filter(
    lambda text: len("".join(text.split())) >= 4 and printable(text.replace("\r", "").replace("\n", "")) not in PREFIX
)


def a_log(limits: Limits | None = None) -> AttemptLog:
    """Return an empty log of a clock that stands still."""
    return AttemptLog(clock=lambda: NOW, limits=limits)


def whole(log: AttemptLog) -> str:
    """Return the whole log as people read it."""
    return gzip.decompress(log.packed()).decode()


def bare(text: str) -> str:
    """Return what was written, without times and line breaks: what a reader could put together again."""
    return "".join(line.removeprefix(PREFIX) for line in text.split("\n"))


def given_out(log: AttemptLog) -> list[str]:
    """Return every text that a log gives out."""
    return [log.tail(), whole(log), bare(log.tail()), bare(whole(log))]


def shown(secret: str) -> str:
    """Return the secret as it would show in a log."""
    return printable(secret.replace("\r", "").replace("\n", ""))


@st.composite
def chunked(draw: st.DrawFn, text: str) -> list[str]:
    """Return the text in pieces."""
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    return [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(st.data(), SECRETS, st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_a_secret_never_shows_whatever_it_was_cut_into(data: st.DataObject, secret: str, before: str, after: str, early: bool) -> None:
    """A secret is masked in tail and whole log, told before or after it was written, also when it was written piece by piece."""
    log = a_log()
    if early:
        log.hide(secret)

    for piece in data.draw(chunked(before + secret + after)):
        log.write(piece)
    if not early:
        log.hide(secret)

    for text in given_out(log):
        assert shown(secret) not in text


@given(SECRETS, st.integers(0, 400), st.integers(1, 30))
@example("abcdefgh", 37, 1)
def test_a_secret_never_shows_where_the_log_is_cut(secret: str, lines: int, width: int) -> None:
    """At the edges of what was cut, no half of a secret is left that the mask does not cover."""
    log = a_log(Limits(head_bytes=1024, newest_bytes=2048, line_characters=width))
    log.hide(secret)

    for number in range(lines):
        log.write(f"{secret}{chr(ord('a') + number % 26)}")

    for text in given_out(log):
        assert shown(secret) not in text
    for part in (part for part in bare(whole(log)).replace(MASK, "").split("…") if " lines (" not in part):
        assert set(part) <= set("abcdefghijklmnopqrstuvwxyz")


def encodings(secret: str) -> list[str]:
    """Return forms in which programs print a value."""
    octets, url = secret.encode(), quote(secret, safe="")
    return [
        base64.b64encode(octets).decode(), base64.urlsafe_b64encode(octets).decode(), base64.b64encode(octets).decode().rstrip("="),
        base64.encodebytes(octets).decode(), url, re.sub("%..", lambda code: code[0].lower(), url), quote(secret), quote_plus(secret),
        escape_string(secret), secret.replace("'", "''"), json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret),
    ]  # fmt: skip


@given(st.text(st.characters(min_codepoint=33, exclude_characters="*…", exclude_categories=["Nd", "Cs"]), min_size=6, max_size=60))
@example('it\'s\\a/secret+with=everything&"more"?')
@example("密码是秘密的")
@example(":::::A")
def test_an_encoded_secret_never_shows(secret: str) -> None:
    """Base64, URL-encoded, escaped for SQL or JSON: the encoded secret is masked, too."""
    log = a_log()
    for text in encodings(secret):
        log.write(text)
    log.hide(secret)

    lines = [line.removeprefix(PREFIX) for line in whole(log).splitlines()]
    assert all(line.strip("\"'=") in {MASK, MASK * 2} for line in lines), lines


@pytest.mark.parametrize("padding", ["", "u", "us", "user"])
def test_a_password_in_the_middle_of_base64_is_masked(padding: str) -> None:
    """The header of basic authentication holds the password wherever its bits happen to lie."""
    log = a_log()
    log.hide("correct-horse-battery")
    text = base64.b64encode(f"{padding}:correct-horse-battery;".encode()).decode()

    log.write(f"Authorization: Basic {text}")

    shown = log.tail().removeprefix(PREFIX).removeprefix("Authorization: Basic ")
    assert MASK in shown
    assert len(shown.replace(MASK, "")) <= len(padding) * 2 + 6


def test_a_key_of_several_lines_is_masked_line_by_line() -> None:
    """Also one line of a key is a secret."""
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7\n}\n-----END PRIVATE KEY-----\n"
    log = a_log()
    log.hide(key)

    log.write("key: BKcwggSjAgEAAoIBAQC7 }")
    log.write(key)

    assert bare(log.tail()).replace(MASK, "") == "key:  }"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    """Of a secret of less than four characters only whole words are masked: the rest of the log stays readable."""
    log = a_log()
    log.hide("abc")
    log.hide("")
    log.hide("  ")

    log.write("abc abcd 'abc' password=abc")

    assert log.tail() == f"{PREFIX}{MASK} abcd '{MASK}' password={MASK}"


def test_overlapping_secrets_are_masked_as_one() -> None:
    """No piece of the one is left by the mask of the other."""
    log = a_log()
    log.hide("secret-one")
    log.hide("one-secret")

    log.write("<secret-one-secret>")

    assert log.tail() == f"{PREFIX}<{MASK}>"


def test_a_message_is_masked_and_on_one_line() -> None:
    """The message of a failure goes through the same masks."""
    log = a_log()
    log.hide("hunter22")

    assert log.mask("access denied:\n 'hunter22'\r\nor hunt\ner22") == f"access denied:  '{MASK}' or {MASK} {MASK}"


def test_the_lines_around_a_secret_keep_their_places() -> None:
    """A secret that runs over lines is masked in each of them, and nothing else changes."""
    log = a_log()
    log.hide("hunter22")

    log.write("one hun\n\nter22 two\nthree")

    assert [line.removeprefix(PREFIX) for line in log.tail().split("\n")] == [f"one {MASK}", MASK, f"{MASK} two", "three"]


@given(st.data(), SECRETS, st.text(max_size=9), st.text(max_size=9))
def test_a_secret_in_values_is_noticed(data: st.DataObject, secret: str, before: str, after: str) -> None:
    """In one value or spread over several that follow each other: it must not be stored."""
    log = a_log()
    log.hide(secret)

    assert log.reveals(data.draw(chunked(before + secret + after)))


@pytest.mark.parametrize("secret", ["pa\u200bssword-x1", "tab\x01secretword", "p\u00adqrstu", "\ue000private"])
def test_a_secret_that_cannot_be_printed_is_noticed(secret: str) -> None:
    """What is invisible in it does not hide it."""
    log = a_log()
    log.hide(secret)

    assert log.reveals([f"<{secret}>"])
