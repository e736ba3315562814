"""Owns whether the API server keeps what this version writes: the schema that it serves, compared with our own."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

KEEPS_ALL = "x-kubernetes-preserve-unknown-fields"
BOUNDS = ("maxLength", "maxItems", "maxProperties", "maximum")


def losses(ours: Schema, served: Schema) -> list[str]:
    """Return what of our objects the served schema drops or refuses, as paths of fields, each with the reason if it is there."""
    return [loss for name in ("spec", "status") for loss in _child(ours, served, name, name)]


def _losses(ours: Schema, served: Schema, path: str) -> Iterator[str]:
    if served.get("type", ours.get("type")) != ours.get("type") or (ours.get(KEEPS_ALL) and not served.get(KEEPS_ALL)):
        yield f"{path} (another type)"
        return
    if "enum" in served and not set(ours.get("enum", (None,))) <= set(served["enum"]):
        yield f"{path} (fewer values)"
    if any(key in served and served[key] < ours.get(key, float("inf")) for key in BOUNDS):
        yield f"{path} (less room)"
    for name in ours.get("properties", {}):
        yield from _child(ours, served, name, f"{path}.{name}")
    for name in sorted(set(served.get("required", ())) - set(ours.get("required", ()))):
        yield f"{path}.{name} (required)"
    if "items" in ours:
        yield from _losses(ours["items"], served.get("items", {}), f"{path}[]")
    if "additionalProperties" in ours:
        yield from _losses(ours["additionalProperties"], served.get("additionalProperties", {}), f"{path}.*")


def _child(ours: Schema, served: Schema, name: str, path: str) -> Iterator[str]:
    found = served.get("properties", {}).get(name)
    if found is not None:
        yield from _losses(ours["properties"][name], found, path)
    elif not served.get(KEEPS_ALL):
        yield path
