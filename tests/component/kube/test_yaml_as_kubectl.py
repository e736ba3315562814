"""YAML is read as kubectl itself reads it, word for word, and what is written is read back by kubectl as what it was."""

import json
import random
import subprocess
from itertools import product
from typing import Any

import pytest

from devcluster.binaries import Binaries
from obtask.kube.yaml_text import data_of, documents, written

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
SIGNS, BEGINNINGS = ("", "+", "-"), ("0x", "0X", "0b", "0o", "0O", "0", "", ".", "_")
ENDS = ("", "0", "7", "9", "1F", "1_0", "1__", "1.5", "1.", "1e3", "1E-3", "1.e5", "1e400", "22:00", "12:30:15", "1e", "7" * 30)
WORDS = (
    *(f"{sign}{beginning}{end}" for sign, beginning, end in product(SIGNS, BEGINNINGS, ENDS)),
    *(
        cased
        for word in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "tRUE")
        for cased in (word, word.title(), word.upper())
    ),
    *("=", "~", "<<", "2026-01-01", "2026-01-01T00:00:00Z", "1.2.3", "v1", "8G", "100%", "0x1p4", "1e3x"),
)
TEXTS = [word for word in WORDS if word not in {"", "-", "+-", "--"}]


def as_kubectl(binaries: Binaries, text: str) -> Any:
    """Return what kubectl makes of the field x; it asks no API server."""
    words = [str(binaries.kubectl), "annotate", "--local", "--filename=-", "--output=json", "a=b"]
    answer = subprocess.run(words, input=HEAD + text, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own words
    return json.loads(answer.stdout)["x"]


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are the same in JSON; kubectl makes a float of an integer of more than 63 bits before it prints it."""
    if isinstance(one, int | float) and abs(one) >= 2**63 and isinstance(other, int | float):
        return float(one) == float(other)
    return type(one) is type(other) and one == other


def test_every_word_means_what_it_means_to_kubectl(binaries: Binaries) -> None:
    """Numbers in all bases, times, and words for true and false; also as names of fields."""
    words = [word for word in TEXTS if word not in {".nan", ".inf", "-.inf", "<<"}]
    text = "x:\n" + "".join(f"- {word}\n" for word in words)
    (root,) = documents(text)

    ours, theirs = data_of(root)["x"], as_kubectl(binaries, text)

    assert [(word, one, other) for word, one, other in zip(words, ours, theirs, strict=True) if not alike(one, other)] == []
    names = "x: {1: a, 017: b, 0x20: c, yes: d, off: e, 22:00: f, 2026-01-01: g, '1e3': h}\n"
    assert data_of(next(documents(names)))["x"] == as_kubectl(binaries, names)


@pytest.mark.parametrize(
    "text",
    [
        "x: {a: 1, <<: {a: 2, b: 3}, b: 4}\n",
        "x: {<<: [{a: 2, b: 3}, {a: 5}], b: 4}\n",
        "y: &y {a: 1}\nx: {<<: *y, '<<': 2}\n",
        "x: !!str 5\n",
        "x: ! '5'\n",
        "x: 1\n---\n# nothing\n---\n~\n...\n",
    ],
)
def test_fields_of_another_and_empty_documents(binaries: Binaries, text: str) -> None:
    """Merged fields, tags of texts, and documents that have nothing in them."""
    (root,) = documents(text)

    assert data_of(root)["x"] == as_kubectl(binaries, text)


def test_what_is_written_is_to_kubectl_what_it_was(binaries: Binaries) -> None:
    """Texts that look like numbers, times or yes, numbers of all sizes, texts of several lines; and we read it so, too."""
    chance = random.Random(20)  # noqa: S311 - no secret
    numbers = [0, 1, -1, 2**53, 0.5, 1e-7, 1.5e30, *(chance.uniform(-1e6, 1e6) for _ in range(50))]
    data = {"x": [*TEXTS, "", "a: b", "two\nlines\n", " blank ", *numbers, True, None, {"on": "off", "1": "2", "<<": "="}]}
    text = written(data)

    assert as_kubectl(binaries, text) == data["x"]
    assert data_of(next(documents(text))) == data
