"""Owns how tests render the chart: Helm itself, offline, as a library."""

import json
import pickle
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from helm_python import Chart
from tests.support import manifests

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/obtask-operator"
RELEASE, NAMESPACE = "obtask-operator", "obtask-system"

Body = dict[str, Any]
Values = Mapping[str, Any]


@cache
def chart() -> Chart:
    """Return the chart."""
    return Chart.load(str(CHART))


def texts(values: Values, name: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """Return what every template renders, by its path in the chart."""
    rendered: dict[str, str] = chart().render(dict(values), name=name, namespace=namespace)
    return {path.removeprefix("obtask-operator/templates/"): text for path, text in rendered.items()}


def objects(values: Values, name: str = RELEASE, namespace: str = NAMESPACE) -> list[Body]:
    """Return every object of a release, the caller's own: many tests look at the same release, and some change it."""
    rendered: list[Body] = pickle.loads(_packed(json.dumps(values), name, namespace))  # noqa: S301 - made below
    return rendered


@lru_cache(maxsize=64)
def _packed(values: str, name: str, namespace: str) -> bytes:
    manifests = (text for path, text in texts(json.loads(values), name, namespace).items() if path.endswith(".yaml"))
    return pickle.dumps([body for text in manifests for body in read(text)])


def read(manifest: str) -> list[Body]:
    """Return the objects of a manifest, those of its lists one by one, as Helm takes them."""
    found = (body for body in manifests.read_all(manifest) if body)
    return [one for body in found for one in (body["items"] if body["kind"] == "List" else [body])]


def one(values: Values, kind: str, name: str = RELEASE) -> Body:
    """Return the object of this kind and name."""
    (found,) = (body for body in objects(values) if (body["kind"], body["metadata"]["name"]) == (kind, name))
    return found


def kinds(values: Values) -> set[str]:
    """Return the kinds of the objects of a release."""
    return {body["kind"] for body in objects(values)}


def nested(path: str, value: Any) -> Body:
    """Return values with this one set: a.b.c."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)
