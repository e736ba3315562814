"""Whether a served schema keeps what this version writes."""

import copy
from typing import Any

import pytest

from obtask.model.compatibility import Schema, losses
from obtask.model.schema import custom_resource_definitions

OURS: Schema = custom_resource_definitions()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def served(path: str, **change: Any) -> Schema:
    """Return our schema as a server would serve it, with this part of it changed; None takes something away."""
    found = copy.deepcopy(OURS)
    node = found
    for name in path.split("/"):
        node = node[name]
    for key, value in change.items():
        if value is None:
            del node[key]
        else:
            node[key] = value
    return found


def test_our_own_schema_loses_nothing() -> None:
    """What is generated and what is served are the same after an install."""
    assert losses(OURS, copy.deepcopy(OURS)) == []


STEP = "properties/spec/properties/steps/items"
SUBTASK = "properties/status/properties/steps/items/properties/subtasks/items"


@pytest.mark.parametrize(
    ("schema", "lost"),
    [
        (served("properties", status=None), ["status"]),
        (served(f"{SUBTASK}/properties", logTail=None), ["status.steps[].subtasks[].logTail"]),
        (served(f"{STEP}/properties", sql=None), ["spec.steps[].sql"]),
        (served("properties/status/properties/phase", enum=["Pending"]), ["status.phase (fewer values)"]),
        (served("properties/status/properties/progress", type="integer"), ["status.progress (another type)"]),
        (served("properties/status/properties/message", maxLength=10), ["status.message (less room)"]),
        (served("properties/status", required=["colour"]), ["status.colour (required)"]),
        (
            served(f"{STEP}/properties/resource/properties/apply", **{"x-kubernetes-preserve-unknown-fields": None}),
            ["spec.steps[].resource.apply (another type)"],
        ),
        (
            served(f"{STEP}/properties/http/properties/headers/additionalProperties", maxLength=1),
            ["spec.steps[].http.headers.* (less room)"],
        ),
    ],
)
def test_what_is_dropped_or_refused_is_named(schema: Schema, lost: list[str]) -> None:
    """A field that is not there, a value that is not allowed, less room than we use: each by its path."""
    assert losses(OURS, schema) == lost


def test_what_only_the_server_knows_is_no_loss() -> None:
    """A newer CRD with one more optional field serves an older operator; seen from the other side the field is named."""
    newer = served("properties/status/properties", colour={"type": "string"})

    assert losses(OURS, newer) == []
    assert losses(newer, OURS) == ["status.colour"]


def test_a_server_that_keeps_everything_loses_nothing() -> None:
    """A part of which the server keeps whatever is written need not be described."""
    assert losses(OURS, served("properties/status", properties=None, **{"x-kubernetes-preserve-unknown-fields": True})) == []
