"""Owns kopf: its login, its settings, and handlers that only pass objects on.

kopf runs in its own thread and event loop, because it cancels every task of its loop when it ends (docs/design/decisions/0002).
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import kopf

from obtask import names
from obtask.kube.client import TLS_CLOSE_SECONDS, Api
from obtask.kube.listing import PAGE
from obtask.runtime.kopf_session import Ears, OnObject, change, contents, with_envelopes

logger = logging.getLogger(__name__)

CUT_SECONDS = 1.0
STOP_SECONDS = 3.0
LOGIN_PAUSE_SECONDS = 2.0
WORKER_SECONDS = 1.0  # kopf has a worker for each object that changed within this time
WATCH_SECONDS, WATCH_SLACK_SECONDS = 60, 30
# The watched resources, and the label that their objects must have.
WATCHED = {
    (names.GROUP, names.VERSION, names.PLURAL): None,
    ("coordination.k8s.io", "v1", "leases"): names.LOCK_LABEL,
    ("batch", "v1", "jobs"): names.TASK_UID_LABEL,
    ("", "v1", "pods"): names.TASK_UID_LABEL,
}


def watched_paths(namespaces: tuple[str, ...]) -> list[str]:
    """Return the paths that kopf lists and watches: of some namespaces, or of all when none is named."""
    roots = [(f"/apis/{group}/{version}" if group else f"/api/{version}", plural) for group, version, plural in WATCHED]
    prefixes = [f"namespaces/{namespace}/" for namespace in namespaces] or [""]
    return [f"{root}/{prefix}{plural}" for root, plural in roots for prefix in prefixes]


def build_registry(client: Callable[[], Api], ears: Ears) -> kopf.OperatorRegistry:
    """Return kopf's registry with our handlers; ``ears.seen(kind, type, object)`` is called in kopf's thread.

    ``client`` makes a client of the API server for kopf's event loop.
    """
    registry = kopf.OperatorRegistry()
    before: list[Api] = []

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        if before:
            # The API server refused renewed credentials. kopf would try again at once.
            await asyncio.sleep(LOGIN_PAUSE_SECONDS)
        before[:] = [client()]
        return with_envelopes(before[0], ears)

    for group, version, plural in WATCHED:
        _pass_on(registry, (group, version, plural), ears.seen)
    return registry


def _pass_on(registry: kopf.OperatorRegistry, resource: tuple[str, str, str], seen: OnObject) -> None:
    @kopf.on.event(*resource, registry=registry, id=f"{resource[2]}_changed")
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        try:
            body = contents(event["object"])
        except ValueError as error:
            logger.warning("left out %s that cannot be read: %s", resource[2], error)
            return
        seen(resource[2], change(event["object"]), body)


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no writes of its own, fixed resources, watches that detect a silent connection."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # kopf removes its finalizer from every object without a daemon: it must not be the one that we use.
    settings.persistence.finalizer = f"{names.GROUP}/unused-by-kopf"
    settings.persistence.diffbase_storage = _NoDiffBase()
    for resource, label in WATCHED.items():
        if label is not None:
            settings.watching.label_selectors[resource] = label
    settings.watching.chunk_size = int(PAGE)
    settings.queueing.idle_timeout = WORKER_SECONDS
    # Each watch is restarted every minute: even a kind that never changes then shows that its watch works.
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + WATCH_SLACK_SECONDS
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 30
    # kopf's own pauses grow to 21 s, too long after an outage. When these are used up, kopf ends and is started again.
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 3, 3)
    settings.process.ultimate_exiting_timeout = None
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """Stores nothing: none of our handlers compares an object with its former state."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's signature
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's signature
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class KopfThread:
    """kopf in its own thread. ``ended`` completes when it ends, with its error if there was one."""

    def __init__(self, registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, namespaces: tuple[str, ...]) -> None:
        self._registry = registry
        self._settings = settings
        self._namespaces = namespaces
        self._stop = threading.Event()
        self._end: Future[None] = Future()

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
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.shield(asyncio.wrap_future(self._end))
        except TimeoutError:
            logger.warning("the watches did not end in time")

    async def _operate(self, scope: dict[str, Any]) -> None:
        ours = asyncio.all_tasks()
        try:
            roots = await kopf.spawn_tasks(registry=self._registry, settings=self._settings, standalone=True, stop_flag=self._stop, **scope)
            done, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    self._over(error)
                    await _cut(ours)
            await kopf.run_tasks(roots, ignored=ours)
        finally:
            # When kopf ends by itself, one of its threads still waits for this flag, and the loop waits for that thread.
            self._stop.set()
            await asyncio.sleep(TLS_CLOSE_SECONDS)

    def _run(self) -> None:
        # By default kopf looks up the user's name, which the user of a container does not have.
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
    """Cancel kopf's tasks until none is left: the order in which kopf itself ends them can deadlock."""
    while left := asyncio.all_tasks() - spared:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CUT_SECONDS)
