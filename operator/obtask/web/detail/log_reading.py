"""Owns reading the log of an attempt with the visitor's own rights: from its ConfigMap, the status, or the pods of a running Job."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from obtask import names
from obtask.kube.api import ApiError, ApiUnavailable, BadName, Json, path_of
from obtask.kube.client import Api
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.jobs import JOB_NAME_LABEL
from obtask.kube.objects import Objects
from obtask.logs.retention import read_stored
from obtask.logs.store import log_name, unpacked
from obtask.model.attempt import AttemptId
from obtask.model.status import TaskStatus
from obtask.model.task import Task
from obtask.rules.owned import is_owned
from obtask.web.detail.place import Place, found, is_last, is_running
from obtask.web.extras import bounded
from obtask.web.formats import moment_of

MOST_PODS = 5
RAW_LINES = 5000
RAW_BYTES = 4 * 1024 * 1024
RAW_SECONDS = 10


class Source(Enum):
    """Where the text of a log comes from."""

    STORED = "the operator's ConfigMap: whole, masked"
    TAIL = "the status: the last lines, or all of a short log, masked"
    RAW = "the pods themselves: as they wrote it, not masked"
    NONE = "there is none"


class Nothing(Enum):
    """Why there is no text."""

    NOT_BEGUN = "nothing was begun"
    NOT_YET = "the attempt runs, and has not said anything yet"
    NOT_KEPT = "it is not kept any more, or the attempt wrote nothing"
    REFUSED = "the visitor may not read it"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of an attempt, and why it is not the whole one. ``name`` is its ConfigMap's."""

    source: Source
    text: str = ""
    nothing: Nothing | None = None
    refusal: str = ""
    running: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class KeptLog:
    """A stored log, and what it tells of its attempt. ``outcome``: how that ended, empty while it runs."""

    attempt: AttemptId
    name: str
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str


class LogReader:
    """Reads logs of one task's attempts."""

    def __init__(self, api: Api, task: Task) -> None:
        self._api = api
        self._task = task

    async def read(self, place: Place | None) -> Log:
        """Return the log of an attempt; raises ApiUnavailable."""
        sub = found(place, self._task.status) if place is not None else None
        if place is None or sub is None or place.attempt == 0:
            return Log(Source.NONE, nothing=Nothing.NOT_BEGUN)
        running = is_running(place, sub)
        name = self._name(place)
        stored = await self._stored(name)
        if isinstance(stored, str):
            return Log(Source.STORED, stored, running=running, name=name)
        refusal = stored.message if stored is not None else ""
        if running and sub.job:
            raw = await self._raw(sub.job)
            if raw:
                return Log(Source.RAW, raw, refusal=refusal, running=True, name=name)
        tail = _tail(place, self._task.status)
        if tail:
            return Log(Source.TAIL, tail, refusal=refusal, running=running, name=name)
        elsewhere = await self._elsewhere(place)
        if elsewhere is not None:
            return elsewhere
        if refusal:
            return Log(Source.NONE, nothing=Nothing.REFUSED, refusal=refusal, running=running, name=name)
        return Log(Source.NONE, nothing=Nothing.NOT_YET if running else Nothing.NOT_KEPT, running=running, name=name)

    async def index(self) -> Sequence[KeptLog] | ApiError:
        """Return which attempts have a stored log; raises ApiUnavailable."""
        uid = self._task.metadata.uid
        listed = await bounded(ConfigMaps(self._api).of_task(self._task.metadata.namespace, uid))
        if isinstance(listed, ApiError):
            return listed
        return [log for meta in listed if (log := kept_log(meta, uid)) is not None]

    def _name(self, place: Place) -> str:
        """Return the name of the attempt's ConfigMap: the status says so where somebody else has taken the usual one."""
        sub = found(place, self._task.status)
        ref = sub.log_ref if sub is not None and is_last(place, sub) else None
        return ref.config_map if ref is not None else log_name(place.of(self._task.metadata.uid))

    async def _stored(self, name: str) -> str | ApiError | None:
        """Return the text in a ConfigMap of this task; None if there is none."""
        config_map = await Objects(self._api).config_map(self._task.metadata.namespace, name)
        if isinstance(config_map, ApiError):
            return None if config_map.missing else config_map
        if not is_owned(config_map.get("metadata") or {}, self._task.metadata.uid):
            return None
        return await asyncio.to_thread(unpacked, config_map)

    async def _elsewhere(self, place: Place) -> Log | None:
        """Return a log whose ConfigMap could not have its usual name, because somebody else had taken that."""
        wanted = place.of(self._task.metadata.uid)
        listed = await self.index()
        name = next((log.name for log in listed if log.attempt == wanted), None) if not isinstance(listed, ApiError) else None
        text = await self._stored(name) if name is not None else None
        return Log(Source.STORED, text, name=name or "") if isinstance(text, str) else None

    async def _raw(self, job: str) -> str:
        """Return what the pods of a Job have written so far; empty if that cannot be read."""
        namespace = self._task.metadata.namespace
        try:
            path = path_of("api", "v1", "namespaces", namespace, "pods")
            listed = await self._api.send("GET", path, query={"labelSelector": f"{JOB_NAME_LABEL}={job}", "limit": str(MOST_PODS)})
            if isinstance(listed, ApiError):
                return ""
            pairs = [pair for pod in (listed.get("items") or [])[:MOST_PODS] for pair in _containers(pod)]
            return "".join([await self._container(namespace, pod, container, len(pairs) > 1) for pod, container in pairs])
        except BadName:
            return ""

    async def _container(self, namespace: str, pod: str, container: str, named: bool) -> str:
        query = {"container": container, "timestamps": "true", "tailLines": str(RAW_LINES), "limitBytes": str(RAW_BYTES)}
        path = path_of("api", "v1", "namespaces", namespace, "pods", pod, "log")
        pieces: list[bytes] = []
        try:
            async with self._api.streaming(path, query=query, seconds=RAW_SECONDS) as answer:
                if isinstance(answer, ApiError):
                    return ""
                pieces += [piece async for piece in answer]
        except ApiUnavailable:
            return ""
        lines = b"".join(pieces)[:RAW_BYTES].decode(errors="replace").split("\n")
        return "".join(f"{_with_name(line, container) if named else line}\n" for line in lines if line)


def kept_log(meta: Json, uid: str) -> KeptLog | None:
    """Return what a ConfigMap tells of the log that it keeps; None if it keeps none of the task with this uid."""
    stored, notes = read_stored(meta, uid), meta["annotations"]
    if stored is None:
        return None
    outcome = " ".join(filter(None, (notes.get(names.REASON_ANNOTATION), notes.get(names.CODE_ANNOTATION))))
    return KeptLog(stored.attempt, stored.name, moment_of(stored.started_at), moment_of(notes.get(names.FINISHED_AT_ANNOTATION)), outcome)


def download_name(task: Task, place: Place) -> str:
    """Return the name of the file that a log is saved as: DNS labels and a number, nothing else."""
    parts = (task.metadata.namespace, task.metadata.name, place.step, place.subtask, place.direction.value.lower(), str(place.attempt))
    return ".".join(parts) + ".log"


def _containers(pod: Json) -> list[tuple[str, str]]:
    spec = pod.get("spec") or {}
    name = str((pod.get("metadata") or {}).get("name") or "")
    return [(name, str(each.get("name"))) for kind in ("initContainers", "containers") for each in spec.get(kind) or ()]


def _with_name(line: str, container: str) -> str:
    at, _, rest = line.partition(" ")
    return f"{at} [{container}] {rest}"


def _tail(place: Place, status: TaskStatus) -> str:
    sub = found(place, status)
    if sub is not None and is_last(place, sub) and sub.log_tail:
        return sub.log_tail
    failed = status.failed_subtask
    if failed is not None and (failed.step, failed.subtask, failed.direction, failed.attempt) == (
        place.step,
        place.subtask,
        place.direction,
        place.attempt,
    ):
        return failed.log_tail or ""
    return ""
