"""Names that look like numbers, or like nothing: what the chart makes of them are texts, and Pods run where all others do."""

import json
from typing import Any

import pytest
from tests.support.chart.rendering import Body, objects

MOST = {"crds": {"install": False}, "templates": {"install": False}}  # which take long to read, and have no names of a user's
WORDS = (
    "release",
    "space",
    "watched",
    "opened",
    "limited",
    "account",
    "tasks",
    "override",
    "pull",
    "high",
    "host",
    "proxy",
    "header",
    "class",
    "dba",
    "li",
)
ODD = ("2024", "null", "on", "1e3", "0x1f", "0o17", "017", "1.5", "y", "22:00", "2026-01-01", "~", "no", "1_000")
# Only letters, digits and dashes name namespaces.
NAMES = tuple(odd for odd in ODD if odd.replace("-", "").isalnum())


def values(words: dict[str, str], *, opt_in: bool) -> Body:
    """Return values in which every name that a user may give is one of these words."""
    watch = {"optIn": True, "optInNamespaces": [words["opened"]]} if opt_in else {"namespaces": [words["watched"]]}
    trust = {"groups": [words["dba"]], "users": [words["li"]], "secretName": words["proxy"]}
    trust |= {"userHeader": words["header"], "groupsHeader": words["header"]}
    web = {"enabled": True, "identity": "impersonate", "impersonate": trust, "hosts": [words["host"]]}
    web |= {
        "ingress": {"enabled": True, "className": words["class"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": words["class"]}]},
    }
    return MOST | {
        "watch": watch,
        "fullnameOverride": words["override"],
        "nameOverride": words["tasks"],
        "serviceAccount": {"name": words["account"]},
        "imagePullSecrets": [words["pull"]],
        "priorityClassName": words["high"],
        "quotas": {words["limited"]: 1},
        "podDisruptionBudget": {"enabled": True},
        "metrics": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
        "web": web,
    }


def renamed(body: Any, old: dict[str, str], new: dict[str, str]) -> Any:
    """Return an object with some words in its texts, and in the names of its fields, replaced."""
    text = json.dumps(body)
    for word, before in old.items():
        text = text.replace(before, new[word])
    return json.loads(text)


@pytest.mark.parametrize("opt_in", [True, False])
@pytest.mark.parametrize("odd", NAMES)
def test_a_name_is_a_text_whatever_it_looks_like(odd: str, opt_in: bool) -> None:
    """Wherever an ordinary name stands, an odd one stands as a text: with it, the objects are the same but for the name."""
    plain = {word: f"x{number:02d}{word}x" for number, word in enumerate(WORDS)}
    strange = dict.fromkeys(WORDS, odd)

    ordinary = objects(values(plain, opt_in=opt_in), plain["release"], plain["space"])
    found = objects(values(strange, opt_in=opt_in), odd, odd)

    assert found == renamed(ordinary, plain, strange)


PLACED: Body = {
    "nodeSelector": {"pool": "operators"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "priorityClassName": "high",
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
    "imagePullSecrets": ["pull"],
}


@pytest.mark.parametrize("field", PLACED)
def test_every_pod_runs_where_it_is_told(field: str) -> None:
    """The operator's, the Task Center's and that of `helm test`: in a cluster of dedicated nodes each would wait for ever without."""
    made = objects(MOST | {"web": {"enabled": True}} | PLACED)
    pods = [body["spec"].get("template", body)["spec"] for body in made if body["kind"] in {"Deployment", "Pod"}]
    wanted = [{"name": "pull"}] if field == "imagePullSecrets" else PLACED[field]

    assert len(pods) == 3
    for pod in pods:
        assert (wanted.items() <= pod[field].items()) if isinstance(wanted, dict) else pod[field] == wanted


def test_the_task_center_is_spread_as_it_is_told() -> None:
    """By values of its own, since these name labels; without them its Pods keep apart, if there are several."""
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]
    own: Body = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}

    def pod(**web: Any) -> Body:
        made = objects(MOST | {"web": {"enabled": True, **web}})
        (spec,) = (
            body["spec"]["template"]["spec"] for body in made if body["kind"] == "Deployment" and body["metadata"]["name"].endswith("-web")
        )
        found: Body = spec
        return found

    assert pod(topologySpreadConstraints=spread)["topologySpreadConstraints"] == spread
    assert pod(affinity=own)["affinity"] == own
    assert "podAntiAffinity" in pod(replicas=2)["affinity"]
    assert "affinity" not in pod(replicas=1)
