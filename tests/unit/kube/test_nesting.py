"""How deep a text nests is found as a reader with a pencil finds it, wherever the text begins and ends."""

from hypothesis import example, given
from hypothesis import strategies as st

from obtask.kube.nesting import DEEPEST_KNOWN, Nesting, nesting


def pencilled(text: bytes, depth: int) -> tuple[list[int], list[int]]:
    """Return where each bracket outside of strings ends, and how deep it is behind it."""
    ends, depths = [], []
    inside = escaped = False
    for place, byte in enumerate(text):
        if escaped:
            escaped = False
        elif inside and byte == ord("\\"):
            escaped = True
        elif byte == ord('"'):
            inside = not inside
        elif not inside and byte in b"[]{}":
            depth += 1 if byte in b"[{" else -1
            ends.append(place + 1)
            depths.append(depth)
    return ends, depths


# A backslash outside of a string is no JSON; a string may be cut off at the end.
WHOLE = st.sampled_from([b"[", b"]", b"{", b"}", b"a", b",", b'""', b'"["', b'"\\""', b'"\\\\"', b'"[\\\\\\"]"', "ä".encode()])
CUT_OFF = st.sampled_from([b"", b'"', b'"[', b'"\\', b'"\\"[', b'"\\\\'])
TEXTS = st.tuples(st.lists(WHOLE).map(b"".join), CUT_OFF).map(b"".join)


@given(TEXTS, st.integers(0, 300))
@example(b"[" * 400 + b"]" * 400, 0)
@example(b"]" * 400 + b"[" * 400, 300)
@example(b'["' + b'\\"[' * 50, 2)
def test_brackets_and_depths(text: bytes, before: int) -> None:
    """The brackets in strings do not count, and a depth that a byte cannot say counts as the most that it can."""
    found = nesting(text, before)
    ends, depths = pencilled(text, before)

    assert list(found.ends()) == ends
    assert list(found.ends(7)) == [end + 7 for end in ends]
    assert list(found.depths) == [max(0, min(depth, DEEPEST_KNOWN)) for depth in depths]
    assert found.end == (depths[-1] if depths else before)


@given(TEXTS, st.integers(1, 4))
def test_spans(text: bytes, level: int) -> None:
    """What is at least so deep is found from its first bracket to its last."""
    found = nesting(text)

    for first, last in found.spans(level):
        assert found.depths[first] == level
        assert found.depths[last] == level - 1
        assert set(found.depths[first:last]).isdisjoint(range(level))
        assert found.deepest(first, last) >= level
    assert found.deepest() == max(found.depths, default=0)


def test_nothing_nests_in_nothing() -> None:
    """A text without brackets has no depths."""
    assert nesting(b'"[[["') == Nesting(b'"   "', 0, b"", 0)
