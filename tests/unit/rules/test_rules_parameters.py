"""The parameters of a task are those of its template, each with a value that is allowed, or the first that is not is named."""

import math
import time
from typing import Any

import pytest

from obtask.model.limits import PARAMETERS_BYTES
from obtask.model.template import Parameter
from obtask.rules.parameters import Completed, ParameterFault, completed, declaration_fault


def a_parameter(**fields: Any) -> Parameter:
    """Return a parameter of a template, `x` of type string unless told otherwise."""
    return Parameter.model_validate({"name": "x", "type": "string"} | fields)


def given(value: Any, **fields: Any) -> Completed | ParameterFault:
    """Return what comes of a task that gives this value for a parameter."""
    return completed([a_parameter(**fields)], {"x": value})


GOOD: list[tuple[dict[str, Any], Any]] = [
    ({}, ""),
    ({"enum": ["a", "b"]}, "b"),
    ({"pattern": "^v[0-9]+$"}, "v42"),
    ({"minimum": 2, "maximum": 3}, "abc"),
    ({"type": "integer", "minimum": 1, "maximum": 64}, 64),
    ({"type": "integer", "enum": [1, 2]}, 2),
    ({"type": "number", "maximum": 1.5}, 1.5),
    ({"type": "number"}, 7),
    ({"type": "boolean"}, False),
    ({"type": "list", "minimum": 1}, ["a", "b"]),
    ({"type": "list", "enum": ["a", "b"]}, ["b"]),
    ({"type": "list", "pattern": "^z"}, ["z1", "z2"]),
    ({"type": "map"}, {"cpu": "4"}),
    ({"type": "secret"}, "orders-sys"),
    ({"format": "identifier"}, "orders_v2$"),
    ({"format": "identifier", "type": "list"}, ["a", "_b"]),
    ({"format": "quantity"}, "8G"),
    ({"format": "quantity"}, "512MB"),
    ({"format": "quantity"}, "8Gi"),
    ({"format": "quantity"}, "500m"),
    ({"format": "quantity"}, "8589934592"),
    ({"format": "quantity", "minimum": "1G", "maximum": "64G"}, "1024M"),
    ({"format": "quantity", "minimum": 1, "maximum": 64}, "16G"),
    ({"format": "quantity", "minimum": 1, "maximum": 64}, "4"),
    ({"format": "server"}, "10.0.0.5:2882"),
    ({"format": "server"}, "[fd00::5]:2882"),
    ({"format": "server"}, "observer-0.svc.local:2882"),
    ({"format": "duration", "maximum": "1d"}, "23h59m"),
    ({"format": "duration", "minimum": 90}, "1.5m"),
    ({"format": "time"}, "2026-11-29 08:00:00"),
    ({"format": "time"}, "2026-11-29T08:00:00.123456789Z"),
    ({"format": "time"}, "2026-11-29T08:00:00+08:00"),
    ({"format": "zone-list"}, "zone1;zone2,zone-3"),
    ({"format": "zone-list", "type": "list"}, ["zone1", "zone2"]),
]  # fmt: skip

BAD: list[tuple[dict[str, Any], Any, str]] = [
    ({}, 1, "a text"),
    ({}, None, "a text"),
    ({}, ["a"], "a text"),
    ({"enum": ["a", "b"]}, "c", "one of a or b"),
    ({"pattern": "^v[0-9]+$"}, "v", "matching ^v[0-9]+$"),
    ({"pattern": "^v[0-9]+$"}, "v1\n", "matching ^v[0-9]+$"),
    ({"minimum": 2}, "a", "at least 2 characters"),
    ({"type": "integer", "minimum": 1, "maximum": 64}, 65, "a whole number, at least 1, at most 64"),
    ({"type": "integer"}, "4", "a whole number"),
    ({"type": "integer"}, 4.5, "a whole number"),
    ({"type": "integer"}, True, "a whole number"),
    ({"type": "integer"}, 2**63, "a whole number"),
    ({"type": "integer", "enum": [1]}, True, "a whole number"),
    ({"type": "number"}, math.nan, "a number"),
    ({"type": "number"}, math.inf, "a number"),
    ({"type": "boolean"}, "true", "true or false"),
    ({"type": "boolean"}, 1, "true or false"),
    ({"type": "list"}, "a", "a list of texts"),
    ({"type": "list"}, [1], "a list of texts"),
    ({"type": "list", "maximum": 1}, ["a", "b"], "at most 1 entries"),
    ({"type": "map"}, {"cpu": 4}, "a map from names to texts"),
    ({"type": "secret"}, "../other", "the name of a Secret"),
    ({"format": "identifier"}, "a`; DROP TABLE t", "a name of the database"),
    ({"format": "identifier"}, "1a", "a name of the database"),
    ({"format": "identifier"}, "é", "a name of the database"),
    ({"format": "quantity"}, "8 G", "an amount such as 8G"),
    ({"format": "quantity"}, "٣G", "an amount such as 8G"),
    ({"format": "quantity", "minimum": 1, "maximum": 64}, "65G", "at most 64"),
    ({"format": "quantity", "minimum": "1G"}, "1023M", "at least 1G"),
    ({"format": "server"}, "10.0.0.5", "a host and a port"),
    ({"format": "server"}, "10.0.0.5:70000", "a host and a port"),
    ({"format": "server"}, "fd00::5:2882", "a host and a port"),
    ({"format": "server"}, "a;b:1", "a host and a port"),
    ({"format": "duration"}, "90", "a time span"),
    ({"format": "duration"}, "1h and more", "a time span"),
    ({"format": "duration", "maximum": "1d"}, "25h", "at most 1d"),
    ({"format": "time"}, "2026-02-30 08:00:00", "a time such as"),
    ({"format": "time"}, "tomorrow", "a time such as"),
    ({"format": "zone-list"}, "zone1;zone1", "different names of zones"),
    ({"format": "zone-list"}, "", "different names of zones"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "value"), GOOD, ids=str)
def test_a_value_that_is_allowed_is_taken_as_it_is(fields: dict[str, Any], value: Any) -> None:
    """Nothing is converted."""
    assert given(value, **fields) == Completed({"x": value}, {})


@pytest.mark.parametrize(("fields", "value", "allowed"), BAD, ids=str)
def test_another_value_is_refused_with_what_is_allowed_and_what_was_given(fields: dict[str, Any], value: Any, allowed: str) -> None:
    """In one line that names the parameter."""
    fault = given(value, **fields)

    assert isinstance(fault, ParameterFault)
    assert fault.message.startswith("spec.parameters.x: ")
    assert allowed in fault.message
    assert "given: " in fault.message


@pytest.mark.parametrize(("fields", "value"), GOOD, ids=str)
def test_what_a_task_may_give_can_be_a_default(fields: dict[str, Any], value: Any) -> None:
    """The declaration is sound, and a task that gives nothing has the default."""
    parameter = a_parameter(**fields, default=value)

    assert declaration_fault(parameter) is None
    assert completed([parameter], {}) == Completed({"x": value}, {"x": value})


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"default": 1}, "default: allowed is a text; given: 1"),
        ({"enum": ["a"], "default": "b"}, "default: allowed is a text, one of a"),
        ({"type": "integer", "enum": ["a"]}, "enum: "),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "minimum: 2 is more than the maximum, 1"),
        ({"type": "integer", "minimum": "1G"}, 'minimum: "1G" is no minimum'),
        ({"type": "boolean", "maximum": 1}, "maximum: 1 is no maximum"),
        ({"format": "quantity", "minimum": 2, "maximum": "1G"}, "minimum: 2 is more"),
    ],
)
def test_a_declaration_that_nothing_fits_is_found(fields: dict[str, Any], fault: str) -> None:
    """Before a task is made of the template."""
    assert (declaration_fault(a_parameter(**fields)) or "").startswith(fault)


def test_a_parameter_that_the_template_has_not_is_refused_with_those_that_it_has() -> None:
    """Its own name is cut."""
    fault = completed([a_parameter(name="memory"), a_parameter(name="tenant")], {"memori": "16G"})

    assert isinstance(fault, ParameterFault)
    assert fault.message == 'spec.parameters.memori: no parameter of this template, which has memory or tenant; given: "16G"'
    hostile = completed([], {"\x1b[31m" + "x" * 1000: 1})
    assert isinstance(hostile, ParameterFault)
    assert "\x1b" not in hostile.message
    assert len(hostile.message) < 512


def test_a_required_parameter_must_be_given_unless_it_has_a_default() -> None:
    """One that is not required may be absent."""
    fault = completed([a_parameter(required=True, format="identifier")], {})

    assert isinstance(fault, ParameterFault)
    assert fault.message.startswith("spec.parameters.x: a value is required: a name of the database")
    assert completed([a_parameter(required=True, default="a")], {}) == Completed({"x": "a"}, {"x": "a"})
    assert completed([a_parameter()], {}) == Completed({}, {})


@pytest.mark.parametrize(("typed", "passes"), [("orders", True), ("order", False), (None, False)])
def test_what_is_destroyed_must_be_typed_again(typed: str | None, passes: bool) -> None:
    """A task without it is refused, too."""
    declared = [a_parameter(name="tenant", required=True), a_parameter(name="again", format="confirm", confirm="tenant")]

    found = completed(declared, {"tenant": "orders"} | ({} if typed is None else {"again": typed}))

    assert isinstance(found, Completed) is passes
    assert passes or 'tenant typed again: "orders"' in getattr(found, "message", "")


def test_the_values_of_a_task_are_bounded() -> None:
    """The largest is named."""
    fault = completed([a_parameter(), a_parameter(name="y")], {"x": "a" * PARAMETERS_BYTES, "y": "b"})

    assert isinstance(fault, ParameterFault)
    assert fault.name == "x"
    assert str(PARAMETERS_BYTES) in fault.message


@pytest.mark.parametrize("form", ["identifier", "quantity", "server", "duration", "time", "zone-list"])
@pytest.mark.parametrize("piece", ["1", "a", "1s", "[", ":", ";", "1."])
def test_hostile_values_take_no_time(form: str, piece: str) -> None:
    """A pattern that steps back would take for ever."""
    began = time.process_time()
    given(piece * 8000 + "!", format=form)
    assert time.process_time() - began < 2
