"""Owns the wiring of an operator: which part gets which."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from obtask.cache.cluster import ClusterCache
from obtask.cache.events import EventHandlers, See
from obtask.cache.finished import FinishedTasks
from obtask.engine.announcing import Announcer
from obtask.engine.answers import Answers
from obtask.engine.attempts import Attempts
from obtask.engine.checks import Checks
from obtask.engine.cleaning import Cleaner
from obtask.engine.locking import Locking
from obtask.engine.log_keeping import LogKeeping
from obtask.engine.log_shelf import LogShelf
from obtask.engine.reconcile import Engine
from obtask.engine.template_checks import TemplateChecks
from obtask.executors.dependencies import FromOperator
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.registry import Executors, build_executors
from obtask.kube.client import Api
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.events import EventRecorder
from obtask.kube.leases import Leases
from obtask.kube.listing import Listing
from obtask.kube.namespaces import OptIn
from obtask.kube.objects import Objects
from obtask.kube.tasks import Tasks
from obtask.kube.templates import Templates
from obtask.locks.protocol import Locks
from obtask.locks.sweep import Sweeper
from obtask.metrics import Metrics, Snapshot
from obtask.model.attempt import AttemptId
from obtask.model.task import Key
from obtask.rules.bounds import Bounds
from obtask.rules.expressions import Vocabulary
from obtask.rules.nonces import Nonces
from obtask.rules.opening import StepQuestion
from obtask.rules.retention import Retention
from obtask.runtime.leader import Leadership
from obtask.runtime.process_name import PROC, is_alive
from obtask.runtime.work_queue import WorkQueue
from obtask.runtime.workers import Workers
from obtask.settings import Settings


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts of a running operator."""

    settings: Settings
    api: Api
    engine: Engine
    cache: ClusterCache
    queue: WorkQueue
    workers: Workers
    sweeper: Sweeper
    cleaner: Cleaner
    events: EventRecorder
    handlers: EventHandlers
    listing: Listing
    executors: Executors
    metrics: Metrics
    leadership: Leadership | None
    template_checks: TemplateChecks


def assemble(
    settings: Settings, api: Api, clock: Callable[[], datetime], build: Callable[[FromOperator], Executors] = build_executors
) -> Operator:
    """Wire an operator; nothing runs yet. ``build`` makes its executors. Needs a running event loop."""
    queue = WorkQueue(settings.workers, settings.workers_per_namespace)

    def attempt_ended(attempt: AttemptId) -> None:
        if (key := attempts.key_of(attempt)) is not None:
            queue.enqueue(key, urgent=True)

    retention = Retention(settings.ttl_seconds_after_finished, settings.history_limit)
    finished = FinishedTasks(wanted=not retention.keeps_everything)
    cache, nonces = ClusterCache(queue.enqueue, finished, standby=settings.leader_namespace is not None), Nonces(secrets.token_bytes(32))
    tasks, leases, objects = Tasks(api), Leases(api), Objects(api)
    leadership = _leadership(settings, api, clock)
    confirmed = leadership.confirmed if leadership else _confirmed_at_once
    executors = build(FromOperator(settings, api, objects, clock, confirmed, attempt_ended, nonces))
    logs = LogKeeping(objects, LogShelf(ConfigMaps(api)), nonces, clock)
    attempts = Attempts(executors.of, logs, clock, settings.runner, partial(_works_elsewhere, settings))
    sweeper = Sweeper(leases, tasks, cache.locks, clock, attempts.runs)
    jitter = random.Random().random  # noqa: S311 - spreads load, guards nothing
    locking = Locking(cache, Locks(leases, cache.locks, clock), sweeper, jitter, settings.runner, nonces=nonces, bounds=_bounds(settings))
    metrics = Metrics(_registry())
    events = EventRecorder(api, reporter=settings.runner, dropped=metrics.events_dropped.inc)
    leads: Callable[[], bool] = (lambda: leadership.leads) if leadership else (lambda: True)
    metrics.registry.register(Snapshot(cache.tasks.counts, cache.tasks.behind_failed, cache.locks.held, lambda: queue.waiting, leads))
    checks = Checks(executors.expressions.fault, queue)
    answers = Answers(partial(_evaluated, executors.expressions), queue)
    opt_in = OptIn(api, time.monotonic) if settings.opt_in else None
    announcer = Announcer(events, metrics, clock)
    marked = settings.marked_at_creation
    engine = Engine(tasks, cache, attempts, locking, checks, answers, announcer, clock, opt_in=opt_in, marked_at_creation=marked)
    workers = Workers(engine, queue, count=settings.workers, jitter=jitter)
    handlers = EventHandlers(cache, {kind: _about(attempts, see) for kind, see in executors.handlers.items()})
    cleaner = Cleaner(tasks, finished, retention, metrics, clock)
    listing = Listing(api, settings.namespaces)
    templates = TemplateChecks(Templates(api, settings.namespaces), executors.expressions.fault, clock)
    return Operator(
        settings, api, engine, cache, queue, workers, sweeper, cleaner, events, handlers, listing, executors, metrics, leadership, templates
    )


def _about(attempts: Attempts, see: Callable[[str, dict[str, Any]], AttemptId | None]) -> See:
    """Return what takes note of a change and tells the task of the attempt that it is news about."""

    def seen(change: str, body: dict[str, Any]) -> Key | None:
        attempt = see(change, body)
        return attempts.key_of(attempt) if attempt is not None else None

    return seen


async def _evaluated(expressions: Evaluator, namespace: str, question: StepQuestion) -> Any:
    return await expressions.value(namespace, Vocabulary.VALUES, question.expression, question.variables)


def _bounds(settings: Settings) -> Bounds:
    namespace, account = settings.service_account or ("", "")
    return Bounds(settings.actions, namespace, account)


def _leadership(settings: Settings, api: Api, clock: Callable[[], datetime]) -> Leadership | None:
    if settings.leader_namespace is None:
        return None
    return Leadership(api, namespace=settings.leader_namespace, identity=settings.runner, clock=clock)


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


async def _confirmed_at_once() -> None:
    """Without leader election no other operator takes over from a living process."""


def _works_elsewhere(settings: Settings, runner: str) -> bool:
    # With leader election, no other operator works while this one leads.
    return settings.leader_namespace is None and is_alive(runner, settings.runner, PROC)
