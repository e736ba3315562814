"""Finding known secrets: in every form, in one pass, and not at all where there are too many of them."""

import base64
import gzip
import html
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obtask.logs.text import LONGEST_MESSAGE, AttemptLog
from obtask.masking.forms import PIECE
from obtask.masking.secrets import MOST_BYTES, MOST_VALUES, UNMASKED, Secrets, masked, without_end
from obtask.masking.words import MASK
from obtask.model.printable import printable

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, UTC)
SECRET = "pÄss&\"w<o>r'd/+1"  # noqa: S105 - made up

FORMS: dict[str, Callable[[str], str]] = {
    "html": html.escape,
    "html-apostrophe": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "xml-text": lambda text: html.escape(text, quote=False),
    "xml": lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "0x": lambda text: "0x" + text.encode().hex(),
    "json": json.dumps,
    "json-twice": lambda text: json.dumps(json.dumps(text)),
    "json-twice-as-it-is": lambda text: json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False),
    "json-upper": lambda text: json.dumps(text).replace("\\u00c4", "\\u00C4"),
    "latin-1": lambda text: text.encode().decode("latin-1"),
    "every-character-url-encoded": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()),
    "every-character-url-encoded-lower": lambda text: "".join(f"%{octet:02x}" for octet in text.encode()),
    "base64-twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "bytes": lambda text: repr(text.encode()),
}


def a_log(*secrets: str) -> AttemptLog:
    """Return a log with these secrets."""
    log = AttemptLog(clock=lambda: NOW)
    for secret in secrets:
        log.hide(secret)
    return log


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_forms_that_programs_write(form: str) -> None:
    """Nothing is left of it but what the form puts around it."""
    written = printable(FORMS[form](SECRET))

    (shown,) = Secrets.mask(secrets_of(SECRET), [written])

    assert set(shown.replace(MASK, "")) <= set("\"\\0xb'="), shown


def secrets_of(*values: str) -> Secrets:
    """Return secrets that hold these values."""
    secrets = Secrets()
    for value in values:
        secrets.add(value)
    return secrets


@given(st.lists(st.text("ab", min_size=4, max_size=20), min_size=1, max_size=6), st.text("abx", max_size=80))
def test_every_character_of_a_secret_is_masked(values: list[str], text: str) -> None:
    """However secrets overlap in the text, what is left is exactly what belongs to none of them."""
    hidden = [False] * len(text)
    for value in values:
        for at in range(len(text)):
            if text.startswith(value, at):
                hidden[at : at + len(value)] = [True] * len(value)

    (shown,) = secrets_of(*values).mask([text])

    left = "".join(character for character, gone in zip(text, hidden, strict=True) if not gone)
    if max(map(len, values)) <= PIECE:
        assert shown.replace(MASK, "") == left
    else:  # of a longer one, pieces are found as well
        assert all(value not in shown for value in values)


@pytest.mark.parametrize("values", [[str(number) * 5 for number in range(10_000, 10_001 + MOST_VALUES)], ["x" * (MOST_BYTES + 1)]])
def test_nothing_is_shown_where_there_are_too_many_secrets(values: list[str]) -> None:
    """The log says why; not one of its lines and no message is given out."""
    log = a_log(*values)
    log.write(f"the first line {values[0]}\nthe second")

    assert log.tail().endswith(UNMASKED)
    assert log.mask("a message") == UNMASKED
    assert gzip.decompress(log.packed()).decode() == f"{log.tail()}\n"
    assert not log.is_longer_than_tail()


def test_as_many_secrets_as_may_be_are_masked() -> None:
    """Up to the limit nothing is left out."""
    values = [f"secret-{number:05}" for number in range(MOST_VALUES)]
    log = a_log(*values, *values)
    log.write("\n".join(f"<{value}>" for value in values[-20:]))

    assert log.tail().count(f"<{MASK}>") == 20


def taken(work: Callable[[], object]) -> float:
    """Return how many seconds of CPU it takes, at best."""
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "unit"),
    [
        pytest.param(["a" * length for length in range(4, 360)], "a", id="all-of-one-letter"),
        pytest.param(["a" * 60_000], "a" * 59_999 + "b", id="one-long-secret-nearly"),
        pytest.param([f"{number:05}aaaa" for number in range(MOST_VALUES)], "00000aaa", id="many-that-nearly-match"),
        pytest.param([chr(0x4E00 + number) * 2 for number in range(MOST_VALUES)], chr(0x4E00) * 2 + " ", id="many-short-ones"),
    ],
)
def test_masking_takes_time_in_proportion_to_the_text(values: list[str], unit: str) -> None:
    """Twice the text takes about twice the time, and half a megabyte some seconds at most, whatever secrets and text are made of."""
    secrets = secrets_of(*values)
    sizes = [1 << 17, 1 << 18, 1 << 19]
    texts = [(unit * (size // len(unit) + 1))[:size] for size in sizes]

    times = [taken(lambda text=text: secrets.mask([text])) for text in texts]  # type: ignore[misc]  # a default, not an argument

    assert times[2] < 4 * times[1] + 0.5
    assert times[2] < 15


@pytest.mark.slow
def test_many_secrets_are_prepared_in_bounded_time() -> None:
    """64 KiB of secrets in 1,000 values: what is looked for has a bounded size, and a log that has them is known as heavy."""
    log = a_log(*(f"{number:04}-{'é' * 29}" for number in range(MOST_VALUES)))

    assert log.heavy
    assert taken(lambda: log.mask("a message")) < 20


def test_a_message_is_cut_before_it_is_masked() -> None:
    """A megabyte of it is not looked at; no half of a secret is left at the cut."""
    secret = "correct-horse"  # noqa: S105
    text = (secret * 100_000)[: 1 << 20]
    shown = a_log(secret).mask(text)

    assert shown.replace(MASK, "").strip("…") == ""
    assert len(a_log(secret).mask("x" * (1 << 20))) <= LONGEST_MESSAGE


def test_no_half_of_a_secret_is_left_where_a_text_was_cut() -> None:
    """The end of a beginning may hold one, up to the length of the longest."""
    text = ("x" + "secret" * 20 + "secr")[:200]

    assert without_end(masked(text, ["secret"]), ["secret", "a"]).rstrip("*") == "x"
    assert without_end("abc", []) == "abc"


def test_a_short_secret_with_neighbours_stays() -> None:
    """Words of other words are left; a secret next to itself is found each time it stands alone."""
    assert masked("aa a,a aaa a", ["a"]) == f"aa {MASK},{MASK} aaa {MASK}"
    assert secrets_of("ab").mask(["ab abc", "ab", ""]) == [f"{MASK} abc", MASK, ""]
