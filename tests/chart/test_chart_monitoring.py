"""Alerts and dashboard of the chart: they ask for series that the operator has."""

import json
import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from tests.support.chart.rendering import NAMESPACE, ROOT, Body, objects, one

from obtask.metrics import Metrics, Snapshot

VALUES: Body = {"metrics": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}}}


def series() -> set[str]:
    """Return the names of the operator's series."""
    metrics = Metrics(CollectorRegistry())
    metrics.registry.register(Snapshot(lambda: {("Failed", "Global"): 1}, lambda: 1, lambda: {"Global": 1}, lambda: 0, lambda: True))
    metrics.reconcile_errors.labels("Denied").inc()
    metrics.failed.labels("Timeout").inc()
    metrics.finished.labels("Succeeded", "None").inc()
    metrics.lock_wait.labels("Global").observe(1)
    return set(re.findall(r"^(obtask_\w+)", generate_latest(metrics.registry).decode(), flags=re.MULTILINE))


def expressions() -> Iterator[str]:
    """Return every expression of the alerts and of the dashboard."""
    for group in one(VALUES, "PrometheusRule", "obtask-operator")["spec"]["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads(one(VALUES, "ConfigMap", "obtask-operator-dashboard")["data"]["obtask.json"])
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_every_series_that_is_asked_for_exists() -> None:
    """A renamed series would otherwise be an alert that never comes."""
    asked = {name for expression in expressions() for name in re.findall(r"obtask_\w+", expression)}

    assert asked <= series()
    assert {"obtask_leader", "obtask_tasks_behind_failed", "obtask_reconcile_errors_total"} <= asked


def test_alerts_do_not_depend_on_who_scrapes() -> None:
    """Whoever finds the Pods names the job; a namespace they have in any case. Pinned to a name, an alert comes for ever, or never."""
    values: Body = {"metrics": {"rules": {"enabled": True}}, "fullnameOverride": "other"}
    rules = one(values, "PrometheusRule", "other")["spec"]["groups"][0]["rules"]

    for rule in rules:
        labels = re.findall(r"\{([^{}]*)\}", rule["expr"])
        assert labels, rule["alert"]
        assert set(labels) == {f'namespace="{NAMESPACE}"'}, rule["alert"]


def test_the_guide_tells_of_every_alert() -> None:
    """By its name, and of no other."""
    rules = one(VALUES, "PrometheusRule", "obtask-operator")["spec"]["groups"][0]["rules"]
    told = re.findall(r"^\| `(OBTask\w+)` \|", (ROOT / "docs/guides/monitoring.md").read_text(), flags=re.MULTILINE)

    assert sorted(told) == sorted(rule["alert"] for rule in rules)


def test_the_monitor_finds_the_service() -> None:
    """Its selector fits the Service's labels, and its port has a name there."""
    monitor, service = one(VALUES, "ServiceMonitor", "obtask-operator")["spec"], one(VALUES, "Service", "obtask-operator")
    wanted = monitor["selector"]["matchLabels"].items()

    assert wanted <= service["metadata"]["labels"].items()
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}
    (fitting,) = (body for body in objects(VALUES) if body["kind"] == "Service" and wanted <= body["metadata"]["labels"].items())
    assert fitting is not None


def test_the_service_finds_the_operator_and_not_the_test_pod() -> None:
    """Whoever asks for metrics gets those of an operator."""
    selector = one(VALUES, "Service", "obtask-operator")["spec"]["selector"].items()

    assert selector <= one(VALUES, "Deployment", "obtask-operator")["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= one(VALUES, "Pod", "obtask-operator-check")["metadata"]["labels"].items()
