"""The Task Center in the chart: nothing unless it is asked for, and no right to anything but what its identity needs."""

import pytest
import yaml
from tests.support.chart.rendering import NAMESPACE, Body, kinds, objects, one

from obtask.web.settings import WebSettings

NAME = "obtask-operator-web"
BARE: Body = {"crds": {"install": False}, "templates": {"install": False}}  # which take long to read, and have nothing to do with it
TOKEN: Body = BARE | {"web": {"enabled": True, "hosts": ["tasks.example.com"]}}
TRUST: Body = {"groups": ["dba"], "users": ["li", "wang"], "secretName": "proxy"}
IMPERSONATE: Body = BARE | {"web": {"enabled": True, "identity": "impersonate", "impersonate": TRUST}}
PROXY: Body = BARE | {"web": {"enabled": True, "identity": "proxy", "namespaces": ["a"]}, "listenHost": "::"}


def pod(values: Body) -> Body:
    """Return the Pod of the Task Center."""
    spec: Body = one(values, "Deployment", NAME)["spec"]["template"]["spec"]
    return spec


def environment(values: Body) -> dict[str, str]:
    """Return its environment variables."""
    return {entry["name"]: entry["value"] for entry in pod(values)["containers"][0]["env"]}


def test_it_is_there_only_if_it_is_asked_for() -> None:
    """An installation, and an upgrade with the values of a release that knew nothing of it, have no object of it."""
    assert not [body for values in (BARE, BARE | {"web": None}) for body in objects(values) if body["metadata"]["name"] == NAME]


def test_it_has_no_right_and_no_token() -> None:
    """No role names its account; the token is not mounted, only the certificate of the API server's authority."""
    spec = pod(TOKEN)
    bindings = [body for body in objects(TOKEN) if body["kind"].endswith("RoleBinding")]

    assert NAME not in str([binding["subjects"] for binding in bindings])
    assert (spec["automountServiceAccountToken"], one(TOKEN, "ServiceAccount", NAME)["automountServiceAccountToken"]) == (False, False)
    assert [volume for volume in spec["volumes"] if "projected" in volume or "secret" in volume] == []
    assert {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]} in [
        each.get("configMap") for each in spec["volumes"]
    ]


def test_impersonation_is_a_right_to_some_groups_and_users() -> None:
    """It may act for those that were named, and read or write nothing itself; all users have to be asked for. The secret is in a Secret."""
    rules = one(IMPERSONATE, "ClusterRole", NAME)["rules"]
    everybody = BARE | {"web": IMPERSONATE["web"] | {"impersonate": TRUST | {"users": ["*"]}}}

    assert rules == [
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["dba"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["li", "wang"], "verbs": ["impersonate"]},
    ]
    assert one(everybody, "ClusterRole", NAME)["rules"][1] == {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}
    assert pod(IMPERSONATE)["automountServiceAccountToken"] is True
    assert {"secretName": "proxy", "items": [{"key": "secret", "path": "secret"}]} in [
        each.get("secret") for each in pod(IMPERSONATE)["volumes"]
    ]


@pytest.mark.parametrize(
    "values", [TOKEN, IMPERSONATE, {"web": {"enabled": True, "identity": "proxy", "namespaces": ["a"]}, "listenHost": "::"}]
)
def test_it_understands_its_settings(values: Body) -> None:
    """What the chart writes into the environment is what `obtask web` reads; probes go by a name that it answers to."""
    settings = WebSettings.read(environment(values))

    assert settings.listen == (values.get("listenHost", "0.0.0.0"), 8090)  # noqa: S104 - in the Pod
    assert settings.hosts == ("localhost", "127.0.0.1", "[::1]", *values["web"].get("hosts", ()))
    assert settings.identity == values["web"].get("identity", "token")
    assert (settings.proxy_secret_file is not None) == (values is IMPERSONATE)
    (container,) = pod(values)["containers"]
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == [{"path": "/healthz", "port": "web", "httpHeaders": [{"name": "Host", "value": "localhost"}]}] * 3
    assert (container["args"], pod(values)["enableServiceLinks"]) == (["web"], False)


def test_what_selects_the_operator_does_not_select_it() -> None:
    """Its labels are its own: Services, policies and budgets of the operator do not find its Pods, and the other way round."""
    made = objects(TOKEN)
    deployments = [body for body in made if body["kind"] == "Deployment"]
    policies = [body for body in made if body["kind"] == "NetworkPolicy"]
    labels = {body["metadata"]["name"]: body["spec"]["template"]["metadata"]["labels"] for body in deployments}

    assert set(labels) == {"obtask-operator", NAME} == {policy["metadata"]["name"] for policy in policies}
    for policy in policies:
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert [name for name, found in labels.items() if wanted <= found.items()] == [policy["metadata"]["name"]]
    assert one(TOKEN, "Service", NAME)["spec"]["selector"].items() <= labels[NAME].items()


def test_a_session_stays_with_its_pod() -> None:
    """Sessions are in one Pod's memory: the Service sends an address to the same Pod for as long as a session lasts."""
    spec = one(TOKEN, "Service", NAME)["spec"]

    assert (spec["sessionAffinity"], spec["sessionAffinityConfig"]) == ("ClientIP", {"clientIP": {"timeoutSeconds": 28800}})
    assert "sessionAffinity" not in one(IMPERSONATE, "Service", NAME)["spec"]
    assert one(TOKEN, "Deployment", NAME)["spec"]["replicas"] == 2


def test_roads_lead_to_its_names() -> None:
    """Ingress and HTTPRoute, each for every name and for no other."""
    values = {
        "web": TOKEN["web"]
        | {"ingress": {"enabled": True, "className": "nginx"}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}
    }
    ingress, route = one(values, "Ingress", NAME)["spec"], one(values, "HTTPRoute", NAME)["spec"]

    assert [rule["host"] for rule in ingress["rules"]] == route["hostnames"] == ["tasks.example.com"]
    assert ingress["ingressClassName"] == "nginx"
    assert route["parentRefs"] == [{"name": "g"}]
    assert {"Ingress", "HTTPRoute"}.isdisjoint(kinds(TOKEN))


@pytest.mark.parametrize(
    ("web", "named"),
    [
        ({"ingress": {"enabled": True}}, "web.hosts"),
        ({"identity": "impersonate"}, "web.impersonate.groups"),
        ({"hosts": ["a.example"], "httpRoute": {"enabled": True}}, "web.httpRoute.parentRefs"),
        ({"identity": "impersonate", "impersonate": TRUST | {"users": []}}, "web.impersonate.users"),
        ({"identity": "impersonate", "impersonate": TRUST | {"users": ["li", "*"]}}, "web.impersonate.users"),
        ({"identity": "impersonate", "impersonate": TRUST | {"secretName": ""}}, "web.impersonate.secretName"),
        ({"identity": "impersonate", "impersonate": {"groups": ["system:masters"], "secretName": "s"}}, "groups"),
        ({"identity": "kubeconfig"}, "identity"),
        ({"hosts": ["*.example.com"]}, "hosts"),
    ],
)
def test_what_cannot_be_is_refused(web: Body, named: str) -> None:
    """The message names the value that is missing or wrong."""
    with pytest.raises(Exception, match=named):
        objects(BARE | {"web": {"enabled": True, **web}})


def test_the_namespace_is_that_of_the_release() -> None:
    """Everything that is in a namespace is beside the operator."""
    made = [body for body in objects(TOKEN) if body["metadata"]["name"] == NAME]

    assert {body["metadata"].get("namespace") for body in made} == {NAMESPACE}
    assert yaml.safe_dump_all(made).count("kind: Deployment") == 1
