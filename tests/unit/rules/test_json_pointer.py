"""Values go into a JSON body at the places that pointers name; what has no place is refused before anything runs."""

from typing import Any

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.contract import Phase
from obtask.rules.json_pointer import NoPlace, with_values


@pytest.mark.parametrize(
    ("body", "pointer", "after"),
    [
        (None, "/a", {"a": "v"}),
        ({"a": 1}, "/a", {"a": "v"}),
        ({}, "/a/b", {"a": {"b": "v"}}),
        ({"l": [{}, {}]}, "/l/1/x", {"l": [{}, {"x": "v"}]}),
        ({"l": [1]}, "/l/-", {"l": [1, "v"]}),
        ({"l": [1]}, "/l/0", {"l": ["v"]}),
        ({}, "/a~1b/m~0n", {"a/b": {"m~n": "v"}}),
        ({}, "/", {"": "v"}),
    ],
)
def test_a_value_is_put_where_the_pointer_says(body: Any, pointer: str, after: Any) -> None:
    """As RFC 6901 has it; the body itself stays as it is."""
    before = repr(body)

    assert with_values(body, [(pointer, "v")]) == after
    assert repr(body) == before


@pytest.mark.parametrize(
    ("body", "pointer"), [({"a": 1}, "/a/b"), ({"l": []}, "/l/0"), ({"l": [1]}, "/l/01"), ({"l": [1]}, "/l/x/y"), ([], "/a"), ("x", "/a")]
)
def test_what_has_no_place(body: Any, pointer: str) -> None:
    """The text names the pointer."""
    with pytest.raises(NoPlace, match=pointer):
        with_values(body, [(pointer, "v")])


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ({"obshell": {"path": "/api/v1/ob/init", "body": {"a": 1}}}, "spec.steps[0].obshell.bodyFrom: /a/b"),
        ({"http": {"url": "http://a", "body": "text"}}, "spec.steps[0].http.bodyFrom: a body that is a text has no places"),
    ],
    ids=["obshell", "http"],
)
def test_a_task_whose_values_have_no_place_is_rejected(action: dict[str, dict[str, object]], told: str) -> None:
    """Before it takes a lock."""
    source = [{"pointer": "/a/b", "secretKeyRef": {"name": "s", "key": "k"}}]
    ((kind, fields),) = action.items()
    world = World(a_task().with_steps({"name": "go", kind: {**fields, "bodyFrom": source}}))

    world.run()

    assert world.phase is Phase.REJECTED
    assert told in (world.status.message or "")
