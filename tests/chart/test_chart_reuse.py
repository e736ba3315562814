"""`helm upgrade --reuse-values`: the values of an older release lack what has come since."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import manifests
from tests.support.chart.rendering import CHART, Body, nested, objects, one, texts

from obtask.settings import read_settings

DEFAULTS: Body = manifests.read((CHART / "values.yaml").read_text())


def _paths(values: Body, before: str = "") -> Iterator[str]:
    for key, value in values.items():
        path = f"{before}.{key}".lstrip(".")
        yield path
        if isinstance(value, dict):
            yield from _paths(value, path)


def environment(values: Body) -> dict[str, str]:
    """Return what the operator is told by its environment."""
    deployment = one(values, "Deployment", "obtask-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize("path", sorted(_paths(DEFAULTS["settings"], "settings")))
def test_a_missing_setting_has_its_default(path: str) -> None:
    """The operator starts, with what values.yaml says."""
    assert read_settings(environment(nested(path, None))) == read_settings(environment({}))


@pytest.mark.parametrize("path", ["watch.optIn", "watch.optInNamespaces", "admission.requireRights", "networkPolicy.probesFrom", "quotas"])
def test_a_missing_value_means_its_default(path: str) -> None:
    """Nothing is left out, or let in, because a value is not there yet."""
    assert texts(nested(path, None)) == texts({})


@pytest.mark.parametrize("affinity", [None, {}, {"podAntiAffinity": None}])
def test_an_empty_affinity_is_none(affinity: Any) -> None:
    """Written, and left empty, as people do."""
    assert objects({"affinity": affinity}) is not None
