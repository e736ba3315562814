"""The chart on the real API server: installed, upgraded and removed by Helm itself."""

import json

from tests.support.chart.installed import Release, eventually, home, release, small
from tests.support.chart.rendering import Body
from tests.support.kubectl import Kubectl, KubectlError

from devcluster.controlplane import ControlPlane

EVERYTHING = {
    "replicas": 2,
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "metrics": {"dashboard": {"enabled": True}},
}


def there(kubectl: Kubectl, namespace: str) -> set[str]:
    """Return the objects of the release that are there, as kind/name."""
    kinds = (
        "deployments,services,serviceaccounts,configmaps,leases,roles,rolebindings,poddisruptionbudgets,networkpolicies,clusterroles,clusterrolebindings,"
        "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings"
    )
    said = kubectl("-n", namespace, "get", kinds, "-l", f"app.kubernetes.io/instance={namespace}", "-o", "name")
    return set(said.split())


def policies(kubectl: Kubectl, release: str) -> list[Body]:
    """Return the release's ValidatingAdmissionPolicies, with what the API server found when it checked their types."""
    said = kubectl("get", "validatingadmissionpolicies", "-l", f"app.kubernetes.io/instance={release}", "-o", "json")
    found: list[Body] = json.loads(said)["items"]
    return found


def test_install_upgrade_uninstall(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """The API server takes every object; an upgrade adds and removes; after an uninstall nothing of the release is left."""
    ours = Release(control_plane, namespace)

    installed = ours.install(small(namespace, **EVERYTHING))
    first = there(kubectl, namespace)
    eventually(
        lambda: all("observedGeneration" in policy["status"] for policy in policies(kubectl, namespace)), "the check of the policies"
    )
    checked = policies(kubectl, namespace)
    ours.upgrade(small(namespace, watch={"namespaces": []}, admission={"enabled": False}))
    second = there(kubectl, namespace)
    ours.uninstall()

    assert len(first) == len(installed)
    assert [policy["status"].get("typeChecking", {}) for policy in checked] == [{}] * 11
    assert {
        f"mutatingadmissionpolicy.admissionregistration.k8s.io/{namespace}-requested-by",
        f"role.rbac.authorization.k8s.io/{namespace}",
    } <= first
    assert f"clusterrole.rbac.authorization.k8s.io/{namespace}" in second
    assert not {name for name in second if "admission" in name or name.startswith("poddisruptionbudget")}
    assert there(kubectl, namespace) == set()


def test_the_operators_account_may_do_its_work_and_no_more(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """With a list of namespaces: tasks, locks and connections there, its Lease, and nothing in any other namespace."""
    account = f"--as=system:serviceaccount:{home(namespace)}:{namespace}"

    def may(verb: str, what: str, where: str) -> bool:
        try:
            return kubectl("-n", where, "auth", "can-i", verb, what, account).strip() == "yes"
        except KubectlError:
            return False

    granted = {("list", "obtasks"), ("patch", "obtasks"), ("create", "leases"), ("get", "secrets"), ("create", "events")}
    denied = {("list", "secrets"), ("create", "obtasks"), ("delete", "jobs"), ("delete", "pods"), ("delete", "secrets")}

    with release(control_plane, namespace, small(namespace)):
        assert {(verb, what) for verb, what in granted | denied if may(verb, what, namespace)} == granted
        assert {(verb, what) for verb, what in granted | denied if may(verb, what, "kube-system")} == set()
