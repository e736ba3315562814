"""Checks a value against a structural schema, as the API server would: types, bounds, enums, and no unknown fields."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from obtask.model.schema import custom_resource_definitions
from obtask.model.structural import Schema

TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def status_schema() -> Schema:
    """Return the schema of an OBTask's status."""
    found: Schema = custom_resource_definitions()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return found


def violations(value: Any, schema: Schema, path: str = "status") -> Iterator[str]:
    """Yield what the API server would find wrong."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return  # outputs, and items: any value
    kind = schema["type"]
    if type(value) is not TYPES[kind]:
        yield f"{path}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    size = len(value) if kind in {"string", "array"} else 0
    most = schema.get("maxLength" if kind == "string" else "maxItems")
    if most is not None and size > most:
        yield f"{path}: {size} is more than {most}"
    if schema.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
        yield f"{path}: {value} has no time zone"
    if kind == "array":
        for index, item in enumerate(value):
            yield from violations(item, schema["items"], f"{path}[{index}]")
    if kind == "object":
        yield from _members(value, schema, path)


def _members(value: dict[str, Any], schema: Schema, path: str) -> Iterator[str]:
    yield from (f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, member in value.items():
        if name in schema["properties"]:
            yield from violations(member, schema["properties"][name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is unknown"
