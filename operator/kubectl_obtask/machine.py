"""Owns what commands print for machines: data as JSON, and as YAML without a library for it. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

FORMATS: Final = ("json", "yaml")


def written(data: Mapping[str, Any], form: str) -> str:
    """Return data as JSON or YAML, as kubectl indents them; Chinese stays readable."""
    return "\n".join(_yaml(data)) if form == "yaml" else json.dumps(data, indent=4, ensure_ascii=False)


def instant(moment: datetime | None) -> str | None:
    """Return a moment as the API server writes it: whole seconds of UTC."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Yield data as lines of YAML: blocks, with their scalars as JSON has them, which is YAML, too."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            nested = isinstance(each, dict | list) and each
            yield f"{indent}{key}:" if nested else f"{indent}{key}: {json.dumps(each, ensure_ascii=False)}"
            yield from _yaml(each, f"{indent}  ") if nested else ()
    elif isinstance(value, list) and value:
        for each in value:
            first, *others = _yaml(each, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from others
    else:
        yield indent + json.dumps(value, ensure_ascii=False)
