"""Owns the life of the operator process: start, background work, and shutdown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from obtask import names
from obtask.cache.events import LISTED
from obtask.engine.double_holds import DoubleHolds
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable
from obtask.kube.client import connect
from obtask.kube.revisions import Rewound
from obtask.model.task import Key
from obtask.runtime.assembly import Operator, assemble
from obtask.runtime.ending import close, cut, drain, hand_over, within
from obtask.runtime.evidence import Evidence
from obtask.runtime.health import Health
from obtask.runtime.hearing import WATCH_PAUSE_SECONDS, from_afar, mind, watch
from obtask.runtime.loop_errors import LoopErrors
from obtask.runtime.ports import listening
from obtask.runtime.preflight import check_cluster
from obtask.runtime.rewind import look_back
from obtask.runtime.watchdog import LoopWatchdog
from obtask.runtime.watching import watched_paths
from obtask.settings import Settings

logger = logging.getLogger(__name__)

REWIND_PAUSE_SECONDS = 60.0
MOST_DOUBLINGS = 16
STRAY_SECONDS = 1.0
LOGS_SECONDS = 0.5
CLEAN_SECONDS = 2.0
TEMPLATES_SECONDS = 5.0
FAULT_PAUSE_SECONDS = 30.0


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


async def load(operator: Operator) -> None:
    """Load all locks and all unfinished tasks, so that the first reconciles see every holder and waiter.

    Raises ApiForbidden when they cannot be listed, kube.api.ApiUnavailable when the API server does not answer.
    """
    for lease in await operator.listing.leases():
        operator.cache.locks.update_lease(lease)
    async for body in operator.listing.unfinished_tasks():
        operator.handlers.see(names.PLURAL, LISTED, body)


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Run the operator until ``stop`` is set. ``ready`` is called once it works, and again after each restart from scratch.

    Raises CannotStart, ApiForbidden, kube.api.ApiUnavailable or ConfigException when it cannot start.
    """
    asyncio.get_running_loop().set_exception_handler(LoopErrors())
    rewinds = 0
    while not stop.is_set():
        try:
            await _serve(settings, stop, ready, rewinds)
        except Rewound as error:
            rewinds += 1
            logger.critical(
                "etcd was put back to an older state: %s. What ran here was stopped, and everything is read anew. "
                "If this comes again and again, restart the API servers: they remember what etcd does not know",
                error,
            )
            await within(min(2.0 ** min(rewinds, MOST_DOUBLINGS), REWIND_PAUSE_SECONDS), stop.wait())


async def _serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None], rewinds: int) -> None:
    api = await connect(settings.kubeconfig)
    operator = assemble(settings, api, now)
    operator.metrics.rewinds.inc(rewinds)
    try:
        health = Health(operator.leadership)
        ports = listening(settings.health_address, settings.metrics_address, health, operator.metrics.registry)
        async with ports, LoopWatchdog(operator.metrics.loop_held).watching():
            await check_cluster(api, settings)
            await load(operator)
            listed = asyncio.Event()
            health.watching = evidence = Evidence(watched_paths(settings.namespaces), from_afar(listed))
            async with _background(operator, evidence) as parts:
                health.loaded(parts)
                try:
                    await _until(stop, look_back(operator), beside=_say(listed, ready))
                except Rewound:
                    await cut(operator)
                    raise
                health.stopping()
                # A standby has nothing to record, and must not be elected while it ends.
                if operator.leadership is None or operator.leadership.leads:
                    await drain(operator)
            await hand_over(operator)
    finally:
        await close(operator)


async def _say(listed: asyncio.Event, ready: Callable[[], None]) -> None:
    await listed.wait()
    ready()


async def _until(stop: asyncio.Event, looking: Coroutine[Any, Any, None], *, beside: Coroutine[Any, Any, None]) -> None:
    """Wait until the operator is to stop; raise what ``looking`` raises."""
    ends = {asyncio.create_task(stop.wait()), asyncio.create_task(looking)}
    other = asyncio.create_task(beside)
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (*ends, other):
            task.cancel()
        await asyncio.gather(*ends, other, return_exceptions=True)


@asynccontextmanager
async def _background(operator: Operator, evidence: Evidence) -> AsyncIterator[list[asyncio.Task[None]]]:
    listed = asyncio.Event()
    jobs = [watch(operator, evidence, listed), mind(evidence), _catch_up_after(operator, listed), _work(operator), operator.events.run()]
    if operator.leadership is not None:
        jobs.append(operator.leadership.run())
    tasks = [asyncio.create_task(job) for job in jobs]
    guard = asyncio.create_task(_first_failure(tasks, asyncio.current_task()))
    try:
        yield tasks
    finally:
        guard.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, guard, return_exceptions=True)


async def _first_failure(tasks: list[asyncio.Task[None]], owner: asyncio.Task[Any] | None) -> None:
    # None of these parts ends by itself: if one does, the process must end, so that it is restarted.
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        logger.critical("a part of the operator ended", exc_info=task.exception() if not task.cancelled() else None)
    if owner is not None:
        owner.cancel()


async def _catch_up_after(operator: Operator, listed: asyncio.Event) -> None:
    while True:
        await listed.wait()
        await asyncio.sleep(WATCH_PAUSE_SECONDS)
        listed.clear()
        try:
            await _catch_up(operator)
        except (ApiUnavailable, ApiForbidden) as error:
            logger.warning("cannot find out what was deleted while no watch was open: %s", error)
            listed.set()
        except Exception:  # the contents of one object must not end the operator for all
            logger.exception("cannot find out what was deleted while no watch was open")
            await asyncio.sleep(FAULT_PAUSE_SECONDS)
            listed.set()


async def _catch_up(operator: Operator) -> None:
    """Find out what was deleted while no watch was open."""
    operator.executors.mark_stale()
    tasks, leases = operator.cache.tasks.uids(), operator.cache.locks.leases()
    there = {body["metadata"]["uid"] async for body in operator.listing.unfinished_tasks()}
    missing = {key: uid for key, uid in tasks.items() if uid not in there}
    for key in missing:
        operator.cache.mark_stale(key)
        operator.cache.enqueue(key)
    listed = {(lease.namespace, lease.name) for lease in await operator.listing.leases()}
    for lease in leases:
        if (lease.namespace, lease.name) not in listed:
            operator.handlers.lease_gone(lease)
    if operator.cache.is_standby:
        await _look_up(operator, missing)


async def _look_up(operator: Operator, missing: Mapping[Key, str]) -> None:
    """Find out what became of the tasks in a standby's cache: it reconciles none of them."""
    for key, uid in missing.items():
        answer = await operator.engine.tasks.get(key)
        if not isinstance(answer, ApiError):
            operator.handlers.see(names.PLURAL, "MODIFIED", answer)
        elif answer.missing:
            operator.cache.forget(key, uid, deleted=True)


async def _work(operator: Operator) -> None:
    """Work once this operator leads. Until then the watches keep its cache warm."""
    if operator.leadership is not None:
        await operator.leadership.leading()
        operator.cache.lead()
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.workers.run())
        group.create_task(_sweep(operator))
        group.create_task(_clean(operator))
        group.create_task(_show_logs(operator))
        group.create_task(_check_templates(operator))


async def _check_templates(operator: Operator) -> None:
    while True:
        try:
            await operator.template_checks.look()
        except ApiUnavailable as error:
            logger.warning("templates: %s", error)
        except Exception:  # the contents of one object must not end the operator for all
            logger.exception("templates: not checked")
            await asyncio.sleep(FAULT_PAUSE_SECONDS)
        await asyncio.sleep(TEMPLATES_SECONDS)


async def _show_logs(operator: Operator) -> None:
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(LOGS_SECONDS)
            # Not awaited: a namespace with many logs must not delay the others.
            group.create_task(_show_due_logs(operator))


async def _show_due_logs(operator: Operator) -> None:
    try:
        await operator.engine.attempts.show_logs()
    except Exception:  # a log that cannot be shown must not end the operator
        logger.exception("logs of running attempts not shown")


async def _clean(operator: Operator) -> None:
    while True:
        more = False
        try:
            more = await operator.cleaner.clean()
        except (ApiUnavailable, ApiForbidden) as error:
            logger.warning("finished tasks: %s", error)
        except Exception:  # the contents of one object must not end the operator for all
            logger.exception("finished tasks: clean-up failed")
            await asyncio.sleep(FAULT_PAUSE_SECONDS)
        await asyncio.sleep(0 if more else CLEAN_SECONDS)


async def _sweep(operator: Operator) -> None:
    loop = asyncio.get_running_loop()
    everything_at = loop.time()
    doubles = DoubleHolds(operator.engine)
    while True:
        try:
            if loop.time() < everything_at:
                await operator.sweeper.sweep_strays()
            else:
                everything_at = loop.time() + operator.settings.sweep_seconds
                doubles.look()
                await operator.sweeper.sweep()
                await operator.sweeper.collect()
        except (ApiUnavailable, ApiForbidden) as error:
            logger.warning("sweep of leases: %s", error)
        except Exception:  # the contents of one object must not end the operator for all
            logger.exception("sweep of leases: failed")
            await asyncio.sleep(FAULT_PAUSE_SECONDS)
        await asyncio.sleep(min(STRAY_SECONDS, operator.settings.sweep_seconds))
