"""Owns what the page of a task shows on demand: its Events, its commands, its YAML, its parameters."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from obtask.kube.api import ApiError, Json
from obtask.kube.client import Api
from obtask.kube.yaml_text import written
from obtask.model.packed import unpacked
from obtask.model.printable import printable, printable_lines
from obtask.model.task import Task
from obtask.rules.evidence.passwords import password_places as places
from obtask.web.detail.reading import EventRow, events

TABS = ("overview", "events", "history", "yaml", "parameters")
LONGEST_YAML = 512 * 1024
LONGEST_VALUE = 2000


@dataclass(frozen=True, slots=True)
class More:
    """What one tab shows. ``refusal``: why the API server does not show it to this visitor."""

    tab: str
    events: tuple[EventRow, ...] = ()
    yaml: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    refusal: str = ""


async def read(api: Api, raw: Json, task: Task, tab: str) -> More:
    """Return what a tab shows; raises kube.api.ApiUnavailable."""
    match tab:
        case "events":
            found = await events(api, task.key, task.metadata.uid)
            return More(tab, refusal=found.message) if isinstance(found, ApiError) else More(tab, events=tuple(found))
        case "yaml":
            return More(tab, yaml=await as_yaml(raw))
        case "parameters":
            return More(tab, parameters=_values(task.status.parameters or {}))
        case "history":
            return More(tab)
        case _:
            return More("overview")


async def password_places(raw: Json) -> tuple[str, ...]:
    """Return where in a task a password may be written: the evidence has the task as its author wrote it."""
    return await asyncio.to_thread(lambda: places(_whole(raw)))


async def as_yaml(raw: Json) -> str:
    """Return an object as YAML, without what only machines read."""
    return await asyncio.to_thread(_as_yaml, raw)


def _whole(raw: Json) -> Json:
    spec = raw.get("spec")
    meta = {name: value for name, value in (raw.get("metadata") or {}).items() if name != "managedFields"}
    return {**raw, "metadata": meta} | ({"spec": unpacked(spec)} if spec is not None else {})


def _as_yaml(raw: Json) -> str:
    text = written(_whole(raw))
    return printable_lines(text if len(text) <= LONGEST_YAML else text[:LONGEST_YAML] + "\n…\n")


def _values(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((printable(name), _shown(value)) for name, value in values.items())


def _shown(value: Any) -> str:
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
