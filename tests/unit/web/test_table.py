"""What a view knows is what was put into it, in whatever order, and every answer fits it at every moment."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.rows import NOW, row

from obtask.model.contract import Phase
from obtask.web.views.lines import lines_of
from obtask.web.views.query import Order, Query, Status, counts_of, in_order, newest_first
from obtask.web.views.rows import Row
from obtask.web.views.table import Table

NAMES = "abcde"
ROWS = {name: row(name, minutes=ord(name) % 3, namespace="test" if name > "c" else "prod") for name in NAMES}
PUT = st.tuples(st.sampled_from(NAMES), st.sampled_from(Phase), st.integers(1, 5))
QUERIES = [Query(), *map(Query, Status), Query(namespace="test"), *(Query(order=order, descending=order > "n") for order in Order)]


def as_dict(rows: Any) -> dict[str, Row]:
    """Return rows by uid."""
    return {each.uid: each for each in rows}


@given(st.lists(PUT | st.sampled_from(NAMES) | st.sampled_from(Status), max_size=30))
def test_answers_fit_what_is_known(happenings: list[Any]) -> None:
    """Rows come, change, finish and go; lists, numbers and lines are those that one would work out from the rows alone."""
    table, known = Table(lambda: NOW), dict[str, Row]()
    for happening in happenings:
        match happening:
            case (name, phase, version):
                came = replace(ROWS[name], phase=phase, version=version)
                newer = came.uid not in known or known[came.uid].version < version
                assert table.put(came) is newer
                known |= {came.uid: came} if newer else {}
            case Status():
                known = {uid: each for uid, each in known.items() if not happening.has(each.phase)}
                table.forget(lambda each, status=happening: status.has(each.phase))  # type: ignore[misc]  # mypy sees no default
            case name:
                assert table.drop(ROWS[name].uid) is (known.pop(ROWS[name].uid, None) is not None)

        rows = newest_first(known.values())
        lines = lines_of(rows)
        assert dict(table.rows) == known
        assert table.counts == counts_of(rows)
        assert table.namespaces == {each.namespace for each in rows}
        assert table.lines.domains == lines.domains
        assert table.named("prod", "a") == next((each for each in rows if each.name == "a"), None)
        for query in QUERIES:
            assert table.chosen(query) == in_order(list(filter(query.has, rows)), query, lines, NOW)
