"""The address of the list says what is shown (API.md, section 9)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import NOW, row

from obtask.model.contract import Maintenance, Phase
from obtask.web.views.lines import lines_of
from obtask.web.views.query import Order, Query, Status, counts_of, in_order, newest_first, page_of, read_query, steps_of

ROWS = [
    row("tune", minutes=1, phase="Failed", progress="1/3"),
    row("resize", minutes=2, tenant="orders", display_name="Größe"),
    row("restart", minutes=3, phase="Running", maintenance=Maintenance.NONE, progress="3/4"),
    row("old", minutes=0, phase="Succeeded", progress="2/2"),
    row("away", minutes=4, phase="Skipped", namespace="test"),
]


def names(**given: str) -> list[str]:
    """Return the names of the tasks that an address asks for, in order."""
    query = read_query(given)
    return [found.name for found in in_order(newest_first(filter(query.has, ROWS)), query, lines_of(ROWS), NOW)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["tune", "restart", "resize", "away", "old"]),
        ({"status": "all"}, ["tune", "restart", "resize", "away", "old"]),
        ({"status": "waiting"}, ["resize"]),
        ({"status": "running"}, ["restart"]),
        ({"status": "failed"}, ["tune"]),
        ({"status": "finished"}, ["away", "old"]),
        ({"phase": "Skipped"}, ["away"]),
        ({"phase": "Skipped,Failed"}, ["tune", "away"]),
        ({"maintenance": "Tenant"}, ["resize"]),
        ({"type": "Local"}, []),
        ({"ns": "test"}, ["away"]),
        ({"tenant": "orders"}, ["resize"]),
        ({"q": "RES"}, ["restart", "resize"]),
        ({"q": "größe"}, ["resize"]),
        ({"q": "orders"}, ["resize"]),
        ({"sort": "name"}, ["away", "old", "resize", "restart", "tune"]),
        ({"sort": "-name"}, ["tune", "restart", "resize", "old", "away"]),
        ({"sort": "progress"}, ["tune", "restart", "old", "away", "resize"]),
        ({"sort": "-progress"}, ["old", "restart", "tune", "away", "resize"]),
        ({"sort": "age"}, ["away", "restart", "resize", "tune", "old"]),
        ({"sort": "-cost"}, ["tune", "away", "restart", "resize", "old"]),
        ({"status": "nonsense", "phase": "no", "sort": "x", "page": "-1", "type": "?"}, ["tune", "restart", "resize", "away", "old"]),
    ],
)
def test_filters_and_orders(given: dict[str, str], expected: list[str]) -> None:
    """Each parameter leaves out what does not fit; without an order, what a person has to look at comes first."""
    assert names(**given) == expected


@given(st.sampled_from([None, *Status]), st.sampled_from([None, *Order]), st.booleans(), st.text(max_size=20), st.integers(1, 1000))
def test_an_address_says_all_of_it(status: Status | None, order: Order | None, descending: bool, text: str, page: int) -> None:
    """What a page links to is read as what it meant."""
    text = text.encode(errors="ignore").decode().strip()
    query = Query(status, (Phase.FAILED,), order=order, descending=descending and order is not None, text=text, page=page)
    address = query.path(page=page)

    from urllib.parse import parse_qsl  # noqa: PLC0415 - a browser's part

    assert read_query(dict(parse_qsl(address.partition("?")[2]))) == query


def test_pages() -> None:
    """Pages are as long as they should be, and beyond the last one is the last one."""
    rows = [row(f"t{number}") for number in range(120)]

    assert (page_of(rows, 1).first, page_of(rows, 1).last, page_of(rows, 1).pages) == (1, 50, 3)
    assert (page_of(rows, 9).first, page_of(rows, 9).last) == (101, 120)
    assert (page_of([], 1).first, page_of([], 1).last, page_of([], 1).pages) == (0, 0, 1)


def test_counts() -> None:
    """The numbers are of all tasks, whatever is chosen."""
    counts = counts_of(random.sample(ROWS, len(ROWS)))

    assert (counts.waiting, counts.running, counts.failed, counts.finished, counts.all) == (1, 1, 1, 2, 5)


def test_progress() -> None:
    """What is no progress is none."""
    assert steps_of("1/3") == (1, 3)
    assert steps_of("") is steps_of("1/x") is None
