"""Say what runs in the environment of a checkout, and what does not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster import processes
from devcluster.environment import PARTS, Folders


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the environment."""

    name: str
    running: bool
    pid: int
    log: Path


def components(root: Path) -> tuple[Component, ...]:
    """Return every process that `up` started, dead ones too, in the order in which they were started."""
    folders = Folders(root)
    found = [process for part in PARTS for process in processes.recorded(folders.state(part) / "run")]
    return tuple(Component(process.name, processes.is_alive(process), process.pid, process.log) for process in found)


def description(root: Path) -> Mapping[str, Any]:
    """Return what `up` wrote down about addresses and files; empty if it never came so far."""
    try:
        content = json.loads(Folders(root).description.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
