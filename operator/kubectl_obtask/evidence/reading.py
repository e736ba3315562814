# A copy of operator/obtask/rules/evidence/reading.py, made by `make generate`.
"""Owns what is read for an evidence bundle, in which order, and how much of it. Pure: whoever has a connection drives it."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, urlencode

from kubectl_obtask.evidence.fields import at, objects, text
from kubectl_obtask.evidence.passwords import password_places

GROUP: Final = "task.oceanbase.com"
FINISHED: Final = ("Cancelled", "Rejected", "RolledBack", "Skipped", "Succeeded")
# A page of logs may have 25 MB: each is at most 1 MiB as the API server keeps it, and base64 is a third longer.
PAGE: Final = {"configmaps": 16, "events": 500, "obtasks": 500}
PAGES: Final = {"configmaps": 400, "events": 4, "obtasks": 10}
MOST_LOG_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something could not be read. ``code``: the HTTP status, 0 if there was no answer. ``message``: what the API server said."""

    code: int
    message: str


Answer = Mapping[str, Any] | Refused
Reading = Generator[str, Answer, "Evidence | Refused"]


@dataclass(frozen=True)
class Evidence:
    """What was read. ``missing``: what could not be read, or was too much, and why."""

    task: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    logs: tuple[Mapping[str, Any], ...]
    others: tuple[Mapping[str, Any], ...]
    server: Mapping[str, Any]
    definition: Mapping[str, Any]
    missing: tuple[tuple[str, str], ...]

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Where in the task a password may be written; the places only."""
        return password_places(self.task)


def gathering(namespace: str, name: str) -> Reading:
    """Yield the paths to read, each with its query; take each answer, and return what was read.

    Only a task that cannot be read is the end of it; everything else that is refused is noted.
    """
    home = f"namespaces/{quote(namespace, safe='')}"
    tasks = f"/apis/{GROUP}/v1alpha1/{home}/obtasks"
    task = yield f"{tasks}/{quote(name, safe='')}"
    if isinstance(task, Refused):
        return task
    uid = text(task, "metadata", "uid")
    missing: list[tuple[str, str]] = []
    events = yield from _listing(f"/api/v1/{home}/events", {"fieldSelector": f"involvedObject.uid={uid}"}, missing)
    logs = yield from _listing(f"/api/v1/{home}/configmaps", {"labelSelector": f"{GROUP}/task-uid={uid}"}, missing)
    others = yield from _listing(tasks, {"fieldSelector": _unfinished_rivals(task)}, missing)
    server = yield from _object("/version", missing)
    definition = yield from _object(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/obtasks.{GROUP}", missing)
    return Evidence(task, events, logs, others, server, definition, tuple(missing))


def _object(path: str, missing: list[tuple[str, str]]) -> Generator[str, Answer, Mapping[str, Any]]:
    found = yield path
    if isinstance(found, Refused):
        missing.append((path.rsplit("/", 1)[-1], found.message))
        return {}
    return found


def _listing(path: str, query: Mapping[str, str], missing: list[tuple[str, str]]) -> Generator[str, Answer, tuple[Mapping[str, Any], ...]]:
    what = path.rsplit("/", 1)[-1]
    found: list[Mapping[str, Any]] = []
    token = ""
    for _ in range(PAGES[what]):
        more = {"continue": token} if token else {}
        page = yield f"{path}?{urlencode({**query, 'limit': PAGE[what], **more})}"
        if isinstance(page, Refused):
            missing.append((what, page.message))
            return tuple(found)
        found += objects(page, "items")
        token = text(page, "metadata", "continue")
        if not token:
            return tuple(found)
        if what == "configmaps" and _stored(found) > MOST_LOG_BYTES:
            break
    missing.append((what, f"only the first {len(found)} were read"))
    return tuple(found)


def _stored(logs: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(text(each, "binaryData", "log.gz")) for each in logs)


def _unfinished_rivals(task: Mapping[str, Any]) -> str:
    kind = text(task, "spec", "type")
    key = "agent" if kind == "Local" else "cluster"
    target = at(task, "spec", key)
    escaped = str(target or "").replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    return ",".join((f"spec.type={kind}", f"spec.{key}={escaped}", *(f"status.phase!={phase}" for phase in FINISHED)))
