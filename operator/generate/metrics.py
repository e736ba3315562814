"""Owns the reference of the Prometheus series, from the series themselves."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from generate.text import code, table
from obtask.metrics import Metrics, Snapshot
from obtask.model.contract import Maintenance, Phase
from obtask.model.reasons import FailureReason
from obtask.rules.retention import DeletionCause

SUFFIXES = {"counter": "_total"}
LABELS: Mapping[str, str] = {
    "phase": code(Phase),
    "scope": code(Maintenance),
    "reason": code(FailureReason),
    "cause": code(DeletionCause),
    "error": "the class of the error",
}


def parts() -> dict[str, str]:
    """Return the generated parts of docs/reference/metrics.md."""
    series = sorted([*_counted(), *_asked()])
    used = {label for _, _, labels, _ in series for label in labels}
    return {
        "series": table(
            ("series", "type", "labels", "meaning"), ((f"`{name}`", kind, code(labels), about) for name, kind, labels, about in series)
        ),
        "labels": table(("label", "values"), ((f"`{label}`", values) for label, values in LABELS.items() if label in used)),
    }


def _counted() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for series in vars(Metrics(CollectorRegistry())).values():
        if isinstance(series, MetricWrapperBase):
            (metric,) = series.describe()
            labels = tuple(series._labelnames)  # noqa: SLF001 - the library tells of labels only once there are values
            yield metric.name + SUFFIXES.get(metric.type, ""), metric.type, labels, metric.documentation


def _asked() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    snapshot = Snapshot(tasks=lambda: {("", ""): 1}, behind_failed=lambda: 0, locks=lambda: {"": 1}, due=lambda: 0, leads=lambda: True)
    for metric in snapshot.collect():
        yield metric.name, metric.type, tuple(metric.samples[0].labels), metric.documentation


def label_names() -> frozenset[str]:
    """Return the labels of all series."""
    return frozenset(label for _, _, labels, _ in [*_counted(), *_asked()] for label in labels)
