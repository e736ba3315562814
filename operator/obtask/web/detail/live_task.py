"""Owns what keeps the page of one task up to date while a tab is open: its head, its steps, and the lines that its log gains."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, urlencode

from obtask.kube.api import ApiError, ApiForbidden, ApiUnauthorized, ApiUnavailable, Json, path_of
from obtask.kube.foreign import lines_of, off_loop, parse
from obtask.logs.store import unpacked
from obtask.model.task import Key, Task, Unreadable
from obtask.rules.owned import is_owned
from obtask.web.detail.flow import steps_of
from obtask.web.detail.head import head, progress
from obtask.web.detail.log_panel import LogPanel, appended, log_panel
from obtask.web.detail.log_reading import Source
from obtask.web.detail.log_text import end_of, known_until, split
from obtask.web.detail.permissions import Permissions
from obtask.web.detail.place import Place, chosen, number
from obtask.web.detail.reading import read
from obtask.web.identity.base import Clock
from obtask.web.live import Piece, Render, Tab
from obtask.web.rendering import Renderer
from obtask.web.views.source import Standing
from obtask.web.views.view import Problem

NAME = "task"
LOG = "log"  # the id of the element with the lines
LOOK = timedelta(seconds=5)  # between two looks where nothing tells of changes
WATCH_SECONDS = 290
PAUSE_SECONDS = 1.0  # before a watch that has ended begins anew; twice as long after each refusal
MOST_PAUSE_SECONDS = 32.0  # whoever is still refused then may not see the log


@dataclass(frozen=True, slots=True)
class _Had:
    """What the reader's log shows: of which attempt, from where, how many lines, and how they end (``log_text.end_of``)."""

    place: str
    source: str
    lines: int
    end: str

    @property
    def words(self) -> str:
        """The same for an address."""
        return urlencode({"at": self.place, "from": self.source, "have": str(self.lines), "end": self.end})


def _had(words: Mapping[str, str]) -> _Had:
    return _Had(words.get("at", ""), words.get("from", ""), number(words.get("have")), words.get("end", ""))


def _shown(panel: LogPanel) -> _Had:
    return _Had(panel.place.query if panel.place is not None else "", panel.log.source.name, panel.lines.count, panel.lines.end)


class LiveTask:
    """An open tab with one task."""

    def __init__(self, renderer: Renderer, permissions: Permissions, clock: Clock, tab: Tab) -> None:
        self._renderer = renderer
        self._permissions = permissions
        self._clock = clock
        self._tab = tab
        self._asked = tab.request.query_params
        self._key = Key(self._asked.get("namespace", ""), self._asked.get("name", ""))
        self._had = _had(dict(parse_qsl(tab.position, keep_blank_values=True)) or self._asked)
        self._task: Task | None = None
        self._read_at = clock()
        self._place: Place | None = None
        self._panel: LogPanel | None = None
        self._text: str | None = None
        self._has_news = False
        self._last: dict[str, str | Piece] = {}
        self._unanswered = ""
        self._unknown: ApiUnauthorized | None = None
        self._watching: asyncio.Task[None] | None = None
        self._watched = ""

    async def render(self) -> dict[str, str | Piece]:
        """Return the parts of the page as they are now; while the API server does not answer, as they were. Raises ApiUnauthorized."""
        if self._unknown is not None:
            raise self._unknown
        parts, self._unanswered = self._last, ""
        try:
            parts = await self._rendered()
            self._last = {target: piece for target, piece in parts.items() if target != LOG}
        except ApiUnauthorized:
            raise
        except (ApiUnavailable, ApiForbidden) as error:
            self._unanswered = str(error)
        return {"problems": self._part("problems.html", problems=self._problems()).strip(), **parts}

    def _problems(self) -> list[Problem]:
        """Return why what is shown may be old. That tasks may not be listed is no matter here."""
        known = [problem for problem in self._tab.view.problems if problem.standing is Standing.UNAVAILABLE]
        own = [Problem(None, Standing.UNAVAILABLE, self._unanswered)] if self._unanswered else []
        return (known or own)[:1]

    async def _rendered(self) -> dict[str, str | Piece]:
        if self._task is None or self._is_old(self._task):
            found = await read(self._tab.visitor.api, self._key)
            if isinstance(found, ApiError) or isinstance(found.task, Unreadable):
                why = found.message if isinstance(found, ApiError) else ""
                return {"task-head": self._part("task_gone.html", why=why, key=self._key)}
            if self._task is None or found.version != self._task.metadata.resource_version:
                await self._look_at_log(found.task)
            self._task, self._read_at = found.task, self._clock()
        return await self._parts(self._task)

    def _is_old(self, task: Task) -> bool:
        """Return whether the view knows of a newer version; where it knows nothing of the task, time decides."""
        row = self._tab.view.named(self._key.namespace, self._key.name)
        if row is None:
            return self._clock() - self._read_at >= LOOK
        return row.version > int(task.metadata.resource_version) or row.uid != task.metadata.uid

    async def close(self) -> None:
        """Stop watching the log."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    @property
    def must_look(self) -> bool:
        """Whether time alone may change what is shown, or nobody else tells of changes."""
        if self._unanswered:
            return True
        row = self._tab.view.named(self._key.namespace, self._key.name)
        told = progress(self._asked, self._task.status, self._clock()) if self._task is not None else None
        return row is None or (told is not None and told.stage.name == "ASKED")

    async def _parts(self, task: Task) -> dict[str, str | Piece]:
        tab, gettext = self._tab, self._renderer.texts(self._tab.language)
        missing = await self._permissions.missing(tab.visitor, task.key, task.status.allowed_actions)
        behind = tab.view.waiting_behind(task.metadata.uid)
        context = head(task, behind, missing, self._asked, language=tab.language, gettext=gettext, now=self._clock())
        context |= {"steps": steps_of(task, self._place), "panel": self._current(), "place": self._place}
        parts: dict[str, str | Piece] = {
            "task-head": self._part("task_head.html", **context),
            "task-flow": self._part("task_flow.html", **context),
            "log-which": self._part("task_log_which.html", **context),
            "log-notes": self._part("task_log_notes.html", **context),
        }
        grown = await self._grown()
        return parts | ({LOG: grown} if grown is not None else {})

    def _current(self) -> LogPanel | None:
        """Return the panel, with a log that the operator has begun to store since it was read."""
        panel = self._panel
        if panel is None or self._text is None:
            return panel
        return replace(panel, nothing="", log=replace(panel.log, source=Source.STORED, text=self._text, refusal="", nothing=None))

    async def _look_at_log(self, task: Task) -> None:
        """Read the log of the attempt that is to be shown, and watch it while the attempt runs."""
        self._place = chosen(self._asked, task.status)
        line = number(self._asked.get("line"))
        panel = await log_panel(self._tab.visitor.api, task, self._place, line, self._renderer.texts(self._tab.language))
        self._panel, self._text, self._has_news = panel, None, True
        wanted = panel.log.name if panel.log.running else ""
        if wanted != self._watched:
            await self.close()
            self._watched = wanted
            self._watching = asyncio.create_task(self._watch(task, wanted)) if wanted else None

    async def _grown(self) -> Piece | None:
        """Return the lines that the reader's log lacks, or the whole of it where it has become another one; None for no change."""
        panel, had = self._panel, self._had
        if panel is None or not self._has_news:
            return None
        self._has_news = False
        place = self._place.query if self._place is not None else ""
        stored = self._text is not None
        text, source = (self._text or "", Source.STORED.name) if stored else (panel.log.text, panel.log.source.name)
        lines = await asyncio.to_thread(split, text)
        known: int | None = 0 if place == had.place and not had.lines else None
        if (place, source) == (had.place, had.source) and had.lines:
            known = await asyncio.to_thread(known_until, lines, had.lines, had.end)
        if known is None:
            panel = (await self._read_again() if stored else None) or panel
            self._had = _shown(panel)
            return Piece("".join(panel.blocks), "innerHTML", self._had.words)
        new = lines[known:]
        # Lines keep the numbers that the reader has seen, also where the log has lost some in its middle.
        self._had = _Had(place, source, had.lines + len(new), end_of(lines, len(lines)))
        html = await asyncio.to_thread(appended, new, had.lines + 1, self._renderer.texts(self._tab.language))
        return Piece(html, "beforeend", self._had.words) if new else None

    async def _read_again(self) -> LogPanel | None:
        if self._task is None:
            return None
        await self._look_at_log(self._task)
        self._has_news = False
        return self._panel

    async def _watch(self, task: Task, name: str) -> None:
        """Take note of what the operator stores while the attempt runs; a watch that ends, or breaks off, begins anew."""
        path = path_of("api", "v1", "namespaces", task.metadata.namespace, "configmaps")
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(WATCH_SECONDS)}
        pause = PAUSE_SECONDS
        while pause <= MOST_PAUSE_SECONDS:
            try:
                async with self._tab.visitor.api.streaming(path, query=query, seconds=WATCH_SECONDS + 10) as answer:
                    if isinstance(answer, ApiError):
                        pause *= 2  # it may be the refusal of an API server that has begun anew, and knows no rights yet
                    else:
                        pause = PAUSE_SECONDS
                        await self._take(answer, task.metadata.uid)
            except ApiUnauthorized as error:
                self._unknown = error
                self._tab.wake()
                return
            except (ApiUnavailable, ValueError):
                pass
            await asyncio.sleep(pause)

    async def _take(self, changes: AsyncIterator[bytes], uid: str) -> None:
        async for line in lines_of(changes):
            text = await asyncio.to_thread(_stored, await off_loop(line, partial(parse, line)), uid)
            # A watch that begins anew tells first what is known.
            if text is not None and text != self._text:
                self._text, self._has_news = text, True
                self._tab.wake()

    def _part(self, template: str, **context: object) -> str:
        return self._renderer.part(self._tab.language, template, **context)


@asynccontextmanager
async def live_task(renderer: Renderer, permissions: Permissions, clock: Clock, tab: Tab) -> AsyncIterator[Render]:
    """Give what makes the parts of the page while a tab is open."""
    live = LiveTask(renderer, permissions, clock, tab)
    looking = asyncio.create_task(_keep_looking(live, tab))
    try:
        yield live.render
    finally:
        looking.cancel()
        await live.close()


def address(key: Key, panel: LogPanel, query: str) -> str:
    """Return the address of the stream that keeps a page up to date which shows this log."""
    named = urlencode({"namespace": key.namespace, "name": key.name})
    return f"/live/{NAME}?{query}{'&' if query else ''}{named}&{_shown(panel).words}"


async def _keep_looking(live: LiveTask, tab: Tab) -> None:
    while True:
        await asyncio.sleep(LOOK.total_seconds())
        if live.must_look:
            tab.wake()


def _stored(event: Json, uid: str) -> str | None:
    found = event.get("object") if isinstance(event, dict) and event.get("type") in {"ADDED", "MODIFIED"} else None
    if not isinstance(found, dict) or not is_owned(found.get("metadata") or {}, uid):
        return None
    return unpacked(found)
