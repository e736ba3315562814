"""Owns kopf: its login, settings and event handlers. They only pass on what they see.

kopf runs in a thread with an event loop of its own, since it cancels every task of its loop when it ends (facts: embedding).
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import kopf

from obtask import names
from obtask.kube.api import TLS_CLOSE_SECONDS
from obtask.kube.listing import PAGE
from obtask.runtime.session import Seen, contents, with_envelopes

logger = logging.getLogger(__name__)

CUT_SECONDS = 1.0
LOGIN_PAUSE_SECONDS = 2.0
# What is watched, and the label that an object must have.
WATCHED = {
    (names.GROUP, names.VERSION, names.PLURAL): None,
    ("coordination.k8s.io", "v1", "leases"): names.LOCK_LABEL,
    ("batch", "v1", "jobs"): names.TASK_UID_LABEL,
    ("", "v1", "pods"): names.TASK_UID_LABEL,
}


def build_registry(login: Callable[[], kopf.ConnectionInfo | None], seen: Seen, room: Callable[[], bool]) -> kopf.OperatorRegistry:
    """Return kopf's registry with our handlers; ``seen(kind, type, object)`` is called in kopf's thread.

    As long as ``room()`` is false, kopf is told of nothing new.
    """
    registry = kopf.OperatorRegistry()
    before: list[kopf.ConnectionInfo] = []

    @kopf.on.login(registry=registry)
    async def log_in(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = login() or kopf.login_with_service_account(**kwargs)
        if found is None:
            return None
        if found in before:
            # It was refused. kopf tells by the session, which is another one each time, and would ask again at once.
            await asyncio.sleep(LOGIN_PAUSE_SECONDS)
        before[:] = [found]
        return with_envelopes(found, seen, room, {plural for _, _, plural in WATCHED})

    for group, version, plural in WATCHED:
        _pass_on(registry, (group, version, plural), seen)
    return registry


def _pass_on(registry: kopf.OperatorRegistry, resource: tuple[str, str, str], seen: Seen) -> None:
    @kopf.on.event(*resource, registry=registry, id=f"{resource[2]}_changed")
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] is None:
            return  # it was listed, and told of then
        try:
            body = contents(event["object"])
        except ValueError as error:
            logger.warning("left out %s that cannot be read: %s", resource[2], error)
            return
        seen(resource[2], event["type"], body)


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no writes of its own, fixed resources, watches that notice a silent connection."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # kopf takes its finalizer off whatever has no daemon: ours must not be its.
    settings.persistence.finalizer = f"{names.GROUP}/unused-by-kopf"
    settings.persistence.diffbase_storage = _NoDiffBase()
    for resource, label in WATCHED.items():
        if label is not None:
            settings.watching.label_selectors[resource] = label
    settings.watching.chunk_size = int(PAGE)
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    # kopf's own pauses grow to 21 s, which an API server that is back would have to wait for. When these are used up, kopf ends
    # and is started again.
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 3, 3)
    settings.process.ultimate_exiting_timeout = None
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: no handler of ours compares an object with what it was."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's signature
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's signature
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class Watching:
    """kopf in its thread. ``ended`` completes when it has ended, with its error if there was one."""

    def __init__(self, registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, namespaces: tuple[str, ...]) -> None:
        self._registry = registry
        self._settings = settings
        self._namespaces = namespaces
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._end: Future[None] = Future()

    @property
    def up(self) -> bool:
        """True while kopf watches."""
        return self._ready.is_set() and not self._end.done()

    def start(self) -> None:
        """Start watching."""
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    async def ended(self) -> None:
        """Wait for the end; raises what ended it."""
        await asyncio.shield(asyncio.wrap_future(self._end))

    async def stop(self) -> None:
        """Stop watching and wait for the end."""
        self._stop.set()
        try:
            async with asyncio.timeout(10):
                await asyncio.shield(asyncio.wrap_future(self._end))
        except TimeoutError:
            logger.warning("the watches did not end in time")

    async def _operate(self, scope: dict[str, Any]) -> None:
        ours = asyncio.all_tasks()
        try:
            roots = await kopf.spawn_tasks(
                registry=self._registry, settings=self._settings, standalone=True, stop_flag=self._stop, ready_flag=self._ready, **scope
            )
            done, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._over(error)
                    await _cut(ours)
            await kopf.run_tasks(roots, ignored=ours)
        finally:
            # When kopf has ended by itself, a thread of its still waits for this flag, and the loop for the thread.
            self._stop.set()
            await asyncio.sleep(TLS_CLOSE_SECONDS)

    def _run(self) -> None:
        # Left to itself, kopf asks for the user's name, which a container's user does not have.
        scope: dict[str, Any] = {"identity": names.FIELD_MANAGER}
        scope |= {"namespaces": list(self._namespaces)} if self._namespaces else {"clusterwide": True}
        try:
            asyncio.run(self._operate(scope))
        except BaseException as error:  # noqa: BLE001 - whatever ended the thread is handed to the loop that waits for it
            self._over(error)
        else:
            self._over(None)

    def _over(self, error: BaseException | None) -> None:
        if self._end.done():
            return
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))


async def _cut(spared: set[asyncio.Task[Any]]) -> None:
    """Cancel what kopf runs until nothing of it is left: left to itself, it ends its parts in an order in which they can wait for ever."""
    while left := asyncio.all_tasks() - spared:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CUT_SECONDS)
