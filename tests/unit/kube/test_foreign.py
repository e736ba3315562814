"""What strangers wrote is read within limits: linear in its size, whatever it nests, cut into pieces anywhere. API.md section 2.2."""

import copy
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obtask.kube.api import BadName, Response, path_of, read_answer
from obtask.kube.foreign import DEEPEST, ListReader, TooDeep, lines_of, metadata_of, parse, parse_shallow, parse_task, slim_task
from obtask.model.constraints import is_path_segment
from obtask.model.limits import DEEPEST_SPEC, SPEC_BYTES
from obtask.model.packed import depth, fault_of, member, text_of, unpacked
from obtask.model.task import InvalidSpec, read_spec

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["items", "spec", "status", "metadata", "managedFields"]), inner)
    ),
)
MANY = "[" + ",".join(["[]"] * 500_000) + "]"
WORST = [
    MANY,
    "[" * 750_000 + "]" * 750_000,
    json.dumps('"' * 700_000),
    json.dumps("\\" * 700_000),
    json.dumps("[{" * 700_000),
    "{" + ",".join(f'"{number}":[]' for number in range(120_000)) + "}",
]


def text_with(spec: str, status: str = '{"phase":"Pending"}') -> bytes:
    """Return the text of a task as the API server writes it."""
    fields = '"managedFields":[{"fieldsV1":{"f:spec":{}},"manager":"x"}]'
    meta = f'{{"annotations":{{"a":"],\\"name\\":\\""}},{fields},"name":"n","namespace":"ns","resourceVersion":"1","uid":"u"}}'
    return f'{{"apiVersion":"task.oceanbase.com/v1alpha1","kind":"OBTask","metadata":{meta},"spec":{spec},"status":{status}}}\n'.encode()


@given(VALUES, st.integers(1, 40))
def test_a_list_is_taken_apart_wherever_it_is_cut(value: Any, size: int) -> None:
    """The items come as they are, and the rest of the list without them."""
    items = [{"metadata": {"name": "a"}, "spec": value}, {"status": value, "items": [value]}]
    for whole in ({"apiVersion": "v1", "items": items, "kind": "L", "metadata": {"continue": "x"}}, {"kind": "L", "items": items}):
        text, reader, found = json.dumps(whole, separators=(",", ":")).encode(), ListReader(), list[Any]()
        for start in range(0, len(text), size):
            found += [json.loads(item) for item in reader.feed(text[start : start + size])]

        assert found == items
        assert reader.ended() == whole | {"items": []}


def test_a_list_that_breaks_off_is_noticed() -> None:
    """A connection that ended is not the end of a list."""
    reader = ListReader()
    reader.feed(b'{"items":[{"a":1},{"b"')

    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        reader.ended()


@given(VALUES, VALUES)
def test_a_task_within_the_limits_keeps_its_meaning(spec: Any, status: Any) -> None:
    """Whatever spec and status contain, they are read as they were written."""
    body = {"apiVersion": "x", "kind": "OBTask", "metadata": {"name": "n"}, "spec": {"a": spec}, "status": {"phase": "P", "b": status}}
    text = json.dumps(body, separators=(",", ":")).encode()

    read = parse_task(text)

    assert {**read, "spec": unpacked(read["spec"])} == body


@pytest.mark.slow
@pytest.mark.parametrize("worst", WORST, ids=range(len(WORST)))
@pytest.mark.parametrize("part", ["spec", "status", "annotation"])
def test_everything_is_read_in_linear_time_and_shallow(worst: str, part: str) -> None:
    """A megabyte and a half of the worst takes a second at most, and what comes of it survives what Python code does with values."""
    inside = {"spec": text_with(f'{{"x":{worst}}}'), "status": text_with("{}", f'{{"x":{worst}}}')}
    text = inside.get(part) or text_with("{}").replace(b'"a":"', b'"z":' + json.dumps(worst[:200_000]).encode() + b',"a":"')

    begun = time.process_time()
    read = parse_task(text)
    took = time.process_time() - begun

    assert took < 3, took
    assert read["metadata"]["name"] == "n"
    assert depth(read, 100) < 100
    copy.deepcopy(read)
    json.dumps(read)
    if part == "spec":
        assert isinstance(read_spec(read["spec"]), InvalidSpec)
        assert "more than" in str(fault_of(read["spec"]))
        assert read["status"] == {"phase": "Pending"}


def test_the_limits_are_where_they_are_said_to_be() -> None:
    """256 KiB and 64 levels are read, one more of either is not."""
    largest = '{"x":"' + "x" * (SPEC_BYTES - 8) + '"}'
    deepest = '{"x":' + "[" * (DEEPEST_SPEC - 1) + "]" * (DEEPEST_SPEC - 1) + "}"

    assert text_of(parse_task(text_with(largest))["spec"]) == largest
    assert "bytes" in str(fault_of(parse_task(text_with(largest.replace("x", "xx", 1)))["spec"]))
    for spec, readable in ((deepest, True), (deepest.replace("[]", "[[]]"), False)):
        why = read_spec(parse_task(text_with(spec))["spec"])
        assert isinstance(why, InvalidSpec)
        assert ("deep" in why.message) is not readable


def test_the_end_of_life_is_found_in_a_packed_spec() -> None:
    """A large finished task still says how long it wants to be kept."""
    filler = "x" * 20_000
    assert member(parse_task(text_with(f'{{"ttlSecondsAfterFinished":5,"x":"{filler}"}}'))["spec"], "ttlSecondsAfterFinished") == 5
    inner = f'{{"x":"{filler}\\"ttlSecondsAfterFinished\\":7","y":{{"ttlSecondsAfterFinished":6}}}}'
    assert member(parse_task(text_with(inner))["spec"], "ttlSecondsAfterFinished") is None


def test_what_is_too_deep_is_refused_or_pruned() -> None:
    """An answer of any other kind is either whole or not used."""
    text = b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b',"b":1}'

    with pytest.raises(TooDeep):
        parse(text)
    pruned = parse_shallow(text)
    assert pruned["b"] == 1
    assert depth(pruned, DEEPEST + 5) == DEEPEST


def test_metadata_is_found_without_the_rest() -> None:
    """However deep managedFields are, and whatever follows."""
    deep = text_with("{}").replace(b'"f:spec":{}', b'"f:a":{' * 3_000 + b"}" * 3_000)
    for text in (text_with("{}"), deep, slim_task(deep), b'{"metadata":{"name":"n","namespace":"ns"},"spec":' + b"[" * 9_000):
        assert metadata_of(text)["name"] == "n"


@given(st.binary(max_size=200), st.integers(1, 50))
async def test_lines_come_whole(text: bytes, size: int) -> None:
    """Wherever the text was cut."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    lines = [line async for line in lines_of(pieces())]

    assert lines == (text.split(b"\n") if not text.endswith(b"\n") else text.split(b"\n")[:-1]) or (not text and not lines)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a%2fb", "%", "../x", "a/../b"])
def test_a_name_that_is_no_path_segment_makes_no_path(name: str) -> None:
    """The API server goes by the decoded path: a slash would lead to another object, whatever it is quoted as."""
    assert not is_path_segment(name)
    with pytest.raises(BadName):
        path_of("api", "v1", "namespaces", name)


@pytest.mark.parametrize("name", ["a", "...", ".a", "a.b", "system:x", "a b", "ä", "a?b#c"])
def test_any_other_name_is_quoted(name: str) -> None:
    """Nothing in it has a meaning in a URL."""
    assert set(path_of(name)[1:]).isdisjoint("/?# ")


def test_a_task_whose_name_is_that_of_the_list_is_bounded_like_any_other() -> None:
    """What is one task and what is a list is told by the place of the name, not by what it is."""
    text = text_with('{"steps":"' + "x" * SPEC_BYTES + '"}')

    answer = read_answer("GET", "/apis/task.oceanbase.com/v1alpha1/namespaces/ns/obtasks/obtasks", Response(200, text))

    assert answer == parse_task(text)
    assert answer != json.loads(text)


def test_a_list_of_tasks_is_returned_whole() -> None:
    """However long: what makes one large task small would take the first and the last of many for one."""
    one = json.loads(text_with('{"steps":[]}'))
    text = json.dumps({"kind": "OBTaskList", "items": [one] * 2000}, separators=(",", ":"))

    answer = read_answer("GET", "/apis/task.oceanbase.com/v1alpha1/namespaces/ns/obtasks", Response(200, text.encode()))

    assert len(text) > SPEC_BYTES
    assert answer == json.loads(text)
