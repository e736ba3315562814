"""What the chart takes as values, and what it refuses."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from helm_python import HelmError, lint
from tests.support import manifests
from tests.support.chart.rendering import CHART, ROOT, Body, chart, nested, texts

SCHEMA: Body = json.loads((CHART / "values.schema.json").read_text())
FREE = ("affinity", "global", "nodeSelector", "podAnnotations", "podLabels", "resources.requests", "resources.limits")


def test_the_chart_is_sound() -> None:
    """Helm's own linter has nothing to say but that there is no icon."""
    said = [message["error"] for message in lint(str(CHART))["messages"]]

    assert said == ["icon is recommended"]


def test_the_chart_has_the_version_of_the_operator() -> None:
    """An image of the chart's appVersion is this operator."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert (chart().metadata["version"], chart().metadata["appVersion"]) == (version, version)


def _objects(schema: Body, path: str = "") -> Iterator[tuple[str, Body]]:
    """Return every object of the schema whose keys are fixed, with its path."""
    if "properties" in schema:
        yield path, schema
        for key, part in schema["properties"].items():
            yield from _objects(part, f"{path}.{key}".lstrip("."))


def test_every_value_is_in_the_schema_and_in_the_file() -> None:
    """values.yaml shows every value that the schema knows, so that it can be read as the reference."""
    defaults = manifests.read((CHART / "values.yaml").read_text())
    for path, schema in _objects(SCHEMA):
        at: Any = defaults
        for key in filter(None, path.split(".")):
            at = at[key]
        known = set(schema["properties"]) - {"global", "claims"}
        if path != "extraEnv":
            assert set(at) == known, path


@pytest.mark.parametrize("path", [path for path, _ in _objects(SCHEMA)])
def test_unknown_keys_are_refused(path: str) -> None:
    """A typing mistake in a value is an error at every level, not a setting that does nothing."""
    with pytest.raises(HelmError, match="tpyo"):
        texts(nested(f"{path}.tpyo".lstrip("."), "x"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", "two"),
        ("replicas", -1),
        ("image.pullPolicy", "Sometimes"),
        ("image.digest", "latest"),
        ("image.repository", ""),
        ("watch.namespaces", "default"),
        ("watch.namespaces", ["Default"]),
        ("watch.namespaces", ["a", "a"]),
        ("admission.requestedBy", "yes"),
        ("admission.exemptUsers", ["a'b"]),
        ("settings.actions", ["shell"]),
        ("watch.optIn", "yes"),
        ("admission.requireRights", "yes"),
        ("quotas", {"team-a": "many"}),
        ("settings.workers", 0),
        ("settings.workers", 257),
        ("settings.logFormat", "xml"),
        ("settings.graceSeconds", 0.5),
        ("settings.podStartSeconds", 0),
        ("settings.allowedHosts", "*.example.com"),
        ("settings.allowedHosts", ["a.example.com,b.example.com"]),
        ("settings.allowedHosts", ["https://a.example.com"]),
        ("settings.allowedHosts", ["*"]),
        ("finishedTasks.historyLimit", -1),
        ("finishedTasks.ttlSeconds", "7d"),
        ("healthPort", 70000),
        ("metrics.port", "http"),
        ("metrics.rules.behindFailedFor", "soon"),
        ("antiAffinity", "maybe"),
        ("extraEnv", [{"value": "x"}]),
        ("fullnameOverride", "Not_A_Name"),
        ("podDisruptionBudget.maxUnavailable", "half"),
        ("nodeSelector", {"a": 1}),
    ],
)
def test_bad_values_are_refused(path: str, value: Any) -> None:
    """The message names the value."""
    with pytest.raises(HelmError, match=path.rsplit(".", maxsplit=1)[-1]):
        texts(nested(path, value))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 2, "leaderElection": {"enabled": False}}, "replicas > 1 needs leaderElection.enabled=true"),
        ({"watch": {"optIn": True, "namespaces": ["a"]}}, "watch.optIn is for all namespaces"),
        ({"watch": {"optInNamespaces": ["a"]}}, "needs watch.optIn=true"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
        ({"metrics": {"enabled": False, "rules": {"enabled": True}}}, "need metrics.enabled=true"),
        ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "need metrics.enabled=true"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: Body, said: str) -> None:
    """The message says which value to change."""
    with pytest.raises(HelmError, match=said):
        texts(values)


def test_notes_say_what_to_type_next() -> None:
    """Commands name the release, its namespace and a namespace that is watched."""
    everywhere, some = (
        texts({})["NOTES.txt"],
        texts({"watch": {"namespaces": ["prod", "test"]}, "admission": {"enabled": False}})["NOTES.txt"],
    )

    assert "watches all namespaces" in everywhere
    assert "kubectl -n obtask-system rollout status deployment/obtask-operator" in everywhere
    assert "helm test obtask-operator -n obtask-system" in everywhere
    assert "whoever may annotate" not in everywhere
    assert "watches prod, test" in some
    assert "kubectl -n prod wait --for=condition=Finished obtask/hello" in some
    assert "whoever may annotate a task may give it any command, in any name" in some
