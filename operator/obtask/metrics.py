"""Owns the Prometheus series of the operator."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Counts = Mapping[tuple[str, str], int]

WAIT_BUCKETS = (0.05, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 36000)
HELD_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60)
RECONCILE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The series that are counted as things happen."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.finished = Counter("obtask_tasks_finished", "Tasks that ended, by phase.", ["phase", "scope"], registry=registry)
        self.failed = Counter("obtask_subtasks_failed", "Subtasks that failed a task, by reason.", ["reason"], registry=registry)
        self.deleted = Counter(
            "obtask_tasks_deleted", "Finished tasks that were deleted, by cause: age or number.", ["cause"], registry=registry
        )
        self.lock_wait = Histogram(
            "obtask_lock_wait_seconds",
            "Seconds from the creation of a task until it had its lock.",
            ["scope"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.reconciles = Histogram(
            "obtask_reconcile_duration_seconds",
            "Seconds that one reconcile of one task took.",
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        )
        self.events_dropped = Counter(
            "obtask_events_dropped",
            "Kubernetes Events that were not posted, because too many waited.",
            registry=registry,
        )
        self.rewinds = Counter(
            "obtask_api_rewinds", "How often the API server had gone back in time: etcd was put back to an older state.", registry=registry
        )
        self.double_holds = Gauge(
            "obtask_double_holds", "Pairs of tasks that exclude each other and both hold a lock: there must be none.", registry=registry
        )
        self.loop_held = Histogram(
            "obtask_loop_held_seconds",
            "Times for which the event loop was held for more than 0.2 seconds; nothing else is done meanwhile.",
            buckets=HELD_BUCKETS,
            registry=registry,
        )
        self.reconcile_errors = Counter("obtask_reconcile_errors", "Reconciles that failed, by error.", ["error"], registry=registry)


class Snapshot(Collector):
    """The series that are counted when they are asked for, so that they cannot drift."""

    def __init__(
        self,
        tasks: Callable[[], Counts],
        behind_failed: Callable[[], int],
        locks: Callable[[], Mapping[str, int]],
        due: Callable[[], int],
        leads: Callable[[], bool],
    ) -> None:
        self._tasks = tasks
        self._behind_failed = behind_failed
        self._locks = locks
        self._due = due
        self._leads = leads

    def collect(self) -> Iterable[Metric]:
        """Return the series as they are now."""
        tasks = GaugeMetricFamily("obtask_tasks", "Unfinished tasks, by phase and scope of their lock.", labels=["phase", "scope"])
        for (phase, scope), count in sorted(self._tasks().items()):
            tasks.add_metric([phase, scope], count)
        locks = GaugeMetricFamily("obtask_locks_held", "Leases that name a holder, by scope.", labels=["scope"])
        for scope, count in sorted(self._locks().items()):
            locks.add_metric([scope], count)
        due = GaugeMetricFamily("obtask_tasks_due", "Tasks that wait for a worker.")
        due.add_metric([], self._due())
        behind = GaugeMetricFamily("obtask_tasks_behind_failed", "Tasks that wait behind a Failed one, which nobody has acted on.")
        behind.add_metric([], self._behind_failed())
        leads = GaugeMetricFamily("obtask_leader", "1 while this operator works, 0 while it stands by.")
        leads.add_metric([], int(self._leads()))
        return [tasks, behind, locks, due, leads]
