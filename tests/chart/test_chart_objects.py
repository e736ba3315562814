"""What the chart makes of its values: objects that every supported version of Kubernetes takes, with no right too many."""

import json
from typing import Any

import kubernetes_validate
import pytest
from tests.support import manifests
from tests.support.chart.rendering import NAMESPACE, ROOT, Body, kinds, objects, one

from obtask import names
from obtask.executors.registry import REGISTRY
from obtask.model.contract import ACTION_NAMES, ActionKind
from obtask.rules.unreadable import UNREADABLE
from obtask.runtime import ending, watching
from obtask.runtime.rights import CLUSTER_WIDE, INDISPENSABLE, purposes
from obtask.settings import read_settings

SAMPLES: dict[str, Body] = {
    "defaults": {},
    "two-replicas": {"replicas": 2, "podDisruptionBudget": {"enabled": True}},
    "apart": {"replicas": 3, "antiAffinity": "required", "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}},
    "anywhere": {"replicas": 2, "antiAffinity": "none"},
    "own-affinity": {"affinity": {"nodeAffinity": {}}, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
    "namespaces": {"watch": {"namespaces": ["a", "b"]}},
    "namespaces-alone": {"watch": {"namespaces": ["a"]}, "leaderElection": {"enabled": False}},
    "no-election": {"leaderElection": {"enabled": False}},
    "metrics": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboard": {"enabled": True},
        }
    },
    "no-metrics": {"metrics": {"enabled": False}, "networkPolicy": {"enabled": True}},
    "closed": {"networkPolicy": {"enabled": True, "metricsFrom": [{"namespaceSelector": {}}], "egress": [{"ports": [{"port": 443}]}]}},
    "open": {"networkPolicy": {"enabled": True}},
    "stamp": {"admission": {"requestedBy": True, "markNew": True, "exemptUsers": ["velero"]}},
    "no-admission": {"admission": {"enabled": False}},
    "own-account": {"serviceAccount": {"create": False, "name": "mine"}, "rbac": {"create": False, "aggregate": False}},
    "account": {"serviceAccount": {"name": "mine", "annotations": {"a": "b"}}},
    "image": {"image": {"repository": "r.example/x", "digest": "sha256:" + "0" * 64}, "imagePullSecrets": ["pull"]},
    "names": {"nameOverride": "tasks", "podLabels": {"a": "b"}, "podAnnotations": {"a": "b"}, "priorityClassName": "high"},
    "environment": {"extraEnv": [{"name": "A", "value": "b"}, {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    "finished": {"finishedTasks": {"ttlSeconds": 604800, "historyLimit": 0}},
    "spread": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
    "ipv6": {"listenHost": "::"},
    "hosts": {
        "settings": {
            "podStartSeconds": 600,
            "allowedHosts": ["*.prod.svc", "db.example.com", "10.0.0.0/8", "[fd00::/8]:443", "127.0.0.1:2881"],
        }
    },
    "no-crds": {"crds": {"install": False}},
    "opt-in": {"watch": {"optIn": True, "optInNamespaces": ["a", "b"]}},
    "few-actions": {"settings": {"actions": ["sql", "wait"]}},
    "jobs-only": {"settings": {"actions": ["job"]}, "admission": {"requireRights": False}},
    "default-account": {"serviceAccount": {"create": False, "name": "default"}},
    "quotas": {"quotas": {"team-a": 1000, "team-b": 0}},
    "unguarded": {"networkPolicy": {"enabled": False}},
    "web": {
        "web": {
            "enabled": True,
            "hosts": ["tasks.example.com"],
            "ingress": {"enabled": True, "tls": [{"secretName": "tls", "hosts": ["tasks.example.com"]}]},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
        }
    },
    "web-impersonates": {
        "web": {"enabled": True, "identity": "impersonate", "impersonate": {"groups": ["dba"], "users": ["li"], "secretName": "proxy"}},
    },
}
UNKNOWN_TO_SCHEMAS = {"ServiceMonitor", "PrometheusRule", "ClusterOBTaskTemplate", "HTTPRoute"}
SINCE_1_36 = {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}


def pod_of(values: Body) -> Body:
    """Return the operator's Pod."""
    (deployment,) = (body for body in objects(values) if body["kind"] == "Deployment" and not body["metadata"]["name"].endswith("-web"))
    pod: Body = deployment["spec"]["template"]["spec"]
    return pod


def environment(values: Body) -> dict[str, str]:
    """Return the operator's environment variables; of the Pod's own fields, its namespace is known."""
    fields = {"metadata.namespace": NAMESPACE, "metadata.name": "a-pod"}
    return {
        entry["name"]: entry.get("value") or fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in pod_of(values)["containers"][0]["env"]
    }


@pytest.mark.parametrize("version", ["1.31", "1.36"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_objects_obey_the_schemas_of_kubernetes(sample: str, version: str) -> None:
    """Every object has the fields and types that Kubernetes knows, and none besides."""
    made = [body for body in objects(SAMPLES[sample]) if body["kind"] not in UNKNOWN_TO_SCHEMAS]
    if version == "1.31":
        made = [body for body in made if body["kind"] not in SINCE_1_36]

    checked = [kubernetes_validate.validate(body, version, strict=True) for body in made]

    assert len(checked) >= 2


@pytest.mark.parametrize("sample", SAMPLES)
def test_names_are_unique_and_labelled(sample: str) -> None:
    """No object is made twice; all can be found by the release's label."""
    made = objects(SAMPLES[sample])
    names = [(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in made]

    assert len(set(names)) == len(names)
    assert {body["metadata"]["labels"]["app.kubernetes.io/instance"] for body in made} == {"obtask-operator"}


def test_a_release_of_another_name_meets_nobody() -> None:
    """Names follow the release, but for the Lease: of two in one namespace, one leads. One of them brings definitions and catalogue."""
    long = "r" * 53
    first, second = (
        {
            (body["kind"], body["metadata"]["name"])
            for body in objects({"crds": {"install": False}, "templates": {"install": False}}, name)
            for _ in "x"
        }
        for name in ("one", long)
    )

    assert first & second == {("Lease", "obtask-operator")}
    assert max(len(name) for _, name in second) <= 63


@pytest.mark.parametrize(("sample", "count"), [("defaults", 2), ("two-replicas", 2), ("namespaces", 2), ("image", 2), ("web", 3)])
def test_pods_are_restricted(sample: str, count: int) -> None:
    """Operator, Task Center and test Pod obey the Pod Security Standard `restricted`, with a read-only root file system."""
    pods = [
        body["spec"]["template"]["spec"] if body["kind"] == "Deployment" else body["spec"]
        for body in objects(SAMPLES[sample])
        if body["kind"] in {"Deployment", "Pod"}
    ]

    assert len(pods) == count
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_variables_about_services_are_not_in_the_environment() -> None:
    """A Service named obtask-something would otherwise look like settings that nobody knows."""
    pods = [pod_of({}), one({}, "Pod", "obtask-operator-check")["spec"]]

    assert [pod["enableServiceLinks"] for pod in pods] == [False, False]


def rules_of(role: Body) -> list[Any]:
    """Return the rules of a role, in a fixed order."""
    return sorted(role["rules"], key=json.dumps)


def test_rights_are_those_that_every_test_runs_with() -> None:
    """The operator of the tests has these rights and no others, so each of them is known to be needed, and to be enough."""
    (tried,) = (body for body in manifests.read_all((ROOT / "deploy/devcluster/rbac.yaml").read_text()) if body["kind"] == "ClusterRole")

    assert rules_of(one({}, "ClusterRole", "obtask-operator")) == rules_of(tried)


def bound(values: Body, kind: str) -> list[Body]:
    """Return the rules of the roles of the cluster that a ClusterRoleBinding of a release gives to subjects of this kind."""
    made = objects(values)
    roles = {body["metadata"]["name"]: body["rules"] for body in made if body["kind"] == "ClusterRole"}
    bindings = [body for body in made if body["kind"] == "ClusterRoleBinding" and body["subjects"][0]["kind"] == kind]
    return [rule for binding in bindings for rule in roles[binding["roleRef"]["name"]]]


@pytest.mark.parametrize(
    "more", [{}, {"rbac": {"aggregate": False}}, {"templates": {"visibleTo": []}}, {"templates": {"visibleTo": ["dbas"]}}]
)
def test_an_operator_of_some_namespaces_reads_templates_of_the_cluster(more: Body) -> None:
    """Whoever else may see them: a task names one of them by default. And who may see them does not depend on the cluster's own roles."""
    reading = {"apiGroups": [names.GROUP], "resources": ["clusterobtasktemplates"], "verbs": ["get", "list", "watch"]}
    values = SAMPLES["namespaces"] | more

    assert bound(values, "ServiceAccount") == [reading]
    assert bound(values, "Group") == ([] if more.get("templates") == {"visibleTo": []} else [reading])
    assert not {"ClusterRole", "ClusterRoleBinding"} & kinds(values | {"rbac": {"create": False, "aggregate": False}})


def test_namespaces_mean_roles_only() -> None:
    """With a list of namespaces the operator may read templates in the whole cluster, and has the same rights as otherwise in these."""
    values: Body = SAMPLES["namespaces"] | {"rbac": {"aggregate": False}}
    made = objects(values)
    account = {"kind": "ServiceAccount", "name": "obtask-operator", "namespace": NAMESPACE}
    everywhere = [rule for rule in rules_of(one({}, "ClusterRole", "obtask-operator")) if "clusterobtasktemplates" not in str(rule)]

    assert [body["metadata"]["name"] for body in made if body["kind"] == "ClusterRole"] == [
        "obtask-operator-cluster",
        "obtask-operator-templates-view",
    ]
    roles = {(body["metadata"]["namespace"], body["metadata"]["name"]): rules_of(body) for body in made if body["kind"] == "Role"}
    assert roles.pop((NAMESPACE, "obtask-operator-leader")) == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["obtask-operator"], "verbs": ["get", "update"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    ]
    assert roles == {("a", "obtask-operator"): everywhere, ("b", "obtask-operator"): everywhere}
    bindings = [body for body in made if body["kind"] == "RoleBinding"]
    assert len(bindings) == 3
    assert all(body["subjects"] == [account] and body["roleRef"]["name"] == body["metadata"]["name"] for body in bindings)
    assert environment(values)["OBTASK_NAMESPACES"] == "a,b"


@pytest.mark.parametrize("plural", ["obtasks", "obtasktemplates", "clusterobtasktemplates"])
def test_the_definitions_are_the_generated_ones_and_are_kept(plural: str) -> None:
    """CRDs are templates, so that an upgrade changes them; uninstalling leaves them, and all tasks, where they are."""
    (generated,) = manifests.read_all((ROOT / f"crds/task.oceanbase.com_{plural}.yaml").read_text())
    rendered = one({}, "CustomResourceDefinition", generated["metadata"]["name"])

    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "CustomResourceDefinition" not in kinds(SAMPLES["no-crds"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_operator_understands_its_settings(sample: str) -> None:
    """What the chart writes into the environment is what the operator reads."""
    values = SAMPLES[sample]
    settings = read_settings(environment(values))

    assert settings.health_address is not None
    assert settings.health_address[1] == 8081
    assert (settings.metrics_address is not None) == values.get("metrics", {}).get("enabled", True)
    assert (settings.leader_namespace is not None) == values.get("leaderElection", {}).get("enabled", True)
    assert list(settings.namespaces) == values.get("watch", {}).get("namespaces", [])
    assert settings.log_format == "json"
    assert list(settings.allowed_hosts) == values.get("settings", {}).get("allowedHosts", [])
    assert settings.pod_start_seconds == values.get("settings", {}).get("podStartSeconds", 120)


def test_finished_tasks_are_kept_unless_something_is_said() -> None:
    """Zero is something: no finished task is kept then."""
    kept, swept = read_settings(environment({})), read_settings(environment(SAMPLES["finished"]))

    assert (kept.ttl_seconds_after_finished, kept.history_limit) == (None, None)
    assert (swept.ttl_seconds_after_finished, swept.history_limit) == (604800, 0)


def test_probes_ask_the_operator_itself() -> None:
    """Live is the event loop, ready is leader or warm standby; the Pod ends later than the operator needs at most."""
    pod = pod_of({"settings": {"graceSeconds": 60}})
    (container,) = pod["containers"]
    paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {probe: (get["path"], get["port"]) for probe, get in paths.items()} == {
        "startupProbe": ("/healthz", "health"),
        "livenessProbe": ("/healthz", "health"),
        "readinessProbe": ("/readyz", "health"),
    }
    assert {"name": "health", "containerPort": 8081} in container["ports"]
    assert pod["terminationGracePeriodSeconds"] == 85


def test_replicas_stay_apart_as_told() -> None:
    """preferred, required, none, or the affinity that is given."""

    def affinity(sample: str) -> list[str]:
        return list(pod_of(SAMPLES[sample]).get("affinity", {}).get("podAntiAffinity", {}))

    assert affinity("defaults") == affinity("anywhere") == affinity("own-affinity") == []
    assert affinity("two-replicas") == ["preferredDuringSchedulingIgnoredDuringExecution"]
    assert affinity("apart") == ["requiredDuringSchedulingIgnoredDuringExecution"]


ON_OTHER_NODES = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}]


@pytest.mark.parametrize(
    ("values", "unavailable"),
    [
        ({}, 0),
        ({"replicas": 3}, 0),
        ({"replicas": 3, "antiAffinity": "required"}, 1),
        ({"replicas": 1, "antiAffinity": "required"}, 0),
        ({"replicas": 3, "antiAffinity": "required", "affinity": {"nodeAffinity": {}}}, 0),
        ({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": ON_OTHER_NODES}}}, 1),
        ({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, 0),
    ],
)
def test_a_rollout_comes_to_an_end_where_replicas_must_not_share_a_node(values: Body, unavailable: int) -> None:
    """With as many replicas as nodes a surplus Pod could never be scheduled; elsewhere the next one is ready before one goes."""
    strategy = one(values, "Deployment", "obtask-operator")["spec"]["strategy"]

    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": unavailable}}


def test_the_kubelet_waits_as_long_as_the_operator_takes() -> None:
    """What follows the grace period of attempts has to fit, too."""
    pod = one({"settings": {"graceSeconds": 7}}, "Deployment", "obtask-operator")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] == 7 + ending.MARGIN_SECONDS
    parts = [ending.BEGUN_SECONDS, ending.CLEANUP_SECONDS, ending.RECORD_SECONDS, watching.STOP_SECONDS]
    assert sum(parts) + max(ending.FLUSH_SECONDS, ending.RESIGN_SECONDS) + ending.CLOSE_SECONDS < ending.MARGIN_SECONDS


def test_without_election_two_operators_never_run_at_once() -> None:
    """An upgrade then ends the one Pod before it starts the next."""

    def strategy(sample: str) -> Any:
        return one(SAMPLES[sample], "Deployment", "obtask-operator")["spec"]["strategy"]["type"]

    assert (strategy("defaults"), strategy("no-election")) == ("RollingUpdate", "Recreate")


def test_options_are_off_unless_asked_for() -> None:
    """A plain release needs nothing that a cluster may not have."""
    optional = {"ServiceMonitor", "PrometheusRule", "ResourceQuota", "PodDisruptionBudget", "ConfigMap"}

    assert not optional & kinds({})
    assert {"ServiceMonitor", "PrometheusRule", "ConfigMap"} <= kinds(SAMPLES["metrics"])
    assert "ResourceQuota" in kinds(SAMPLES["quotas"])
    assert "NetworkPolicy" not in kinds(SAMPLES["unguarded"])
    assert not {kind for kind in kinds(SAMPLES["no-admission"]) if "Admission" in kind}
    assert "Service" not in kinds(SAMPLES["no-metrics"])
    assert set(SINCE_1_36) <= kinds(SAMPLES["stamp"])


def test_the_policies_let_the_operator_pass() -> None:
    """The operator's own account is named in each of them, and whoever is exempt besides."""
    made = (body for body in objects(SAMPLES["stamp"]) if body["kind"].endswith("AdmissionPolicy"))
    policies = {body["metadata"]["name"].removeprefix("obtask-operator-"): body["spec"] for body in made}

    assert sorted(policies) == [
        "commands", "created-by", "creation", "deletion", "groups-stamped", "jobs", "kept-in-git", "locked", "locks", "new",
        "own-namespace", "owned", "requested-by", "template-steps", "templates",
    ]  # fmt: skip
    # These are about the operator itself, or refuse nothing.
    assert "matchConditions" not in policies.pop("own-namespace")
    assert "validations" not in policies.pop("new")
    assert "the-operator" in policies.pop("groups-stamped")["matchConditions"][0]["name"]
    assert "of-the-operator" in policies.pop("jobs")["matchConditions"][0]["name"]
    for spec in policies.values():
        said = spec["matchConditions"][0]["expression"]
        assert said == f'!(request.userInfo.username in ["system:serviceaccount:{NAMESPACE}:obtask-operator","velero"])'


def verbs_of(role: Body) -> dict[str, set[str]]:
    """Return what a role allows, by resource."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for resource in rule["resources"]:
            found.setdefault(resource, set()).update(rule["verbs"])
    return found


def test_with_opt_in_secrets_accounts_and_jobs_are_given_in_single_namespaces() -> None:
    """The role for all of the cluster looks, locks and tells; what tasks do with the operator's rights is bound where somebody says so."""
    everywhere = verbs_of(one(SAMPLES["opt-in"], "ClusterRole", "obtask-operator"))
    opened = verbs_of(one(SAMPLES["opt-in"], "ClusterRole", "obtask-operator-tasks"))
    bindings = [body for body in objects(SAMPLES["opt-in"]) if body["kind"] == "RoleBinding"]

    assert not {"secrets", "serviceaccounts", "configmaps", "pods/log"} & set(everywhere)
    assert everywhere["jobs"] == {"list", "watch"}
    assert everywhere["namespaces"] == {"get"}
    assert opened == {
        "secrets": {"get"},
        "configmaps": {"get", "list", "create", "update", "delete"},
        "serviceaccounts": {"impersonate"},
        "jobs": {"get", "create", "patch"},
        "pods/log": {"get"},
    }
    assert {(body["metadata"]["namespace"], body["roleRef"]["name"]) for body in bindings} == {
        ("a", "obtask-operator-tasks"),
        ("b", "obtask-operator-tasks"),
    }
    bindings = [body for body in objects(SAMPLES["opt-in"]) if body["kind"] == "ClusterRoleBinding"]
    assert {body["metadata"]["name"] for body in bindings if body["subjects"][0]["kind"] == "ServiceAccount"} == {"obtask-operator"}
    assert read_settings(environment(SAMPLES["opt-in"])).opt_in


def test_kinds_of_actions_that_are_off_leave_no_rights() -> None:
    """No Jobs without job, no impersonation without resource; the operator knows, too."""
    few = verbs_of(one(SAMPLES["few-actions"], "ClusterRole", "obtask-operator"))
    jobs = verbs_of(one(SAMPLES["jobs-only"], "ClusterRole", "obtask-operator"))

    assert few["jobs"] == {"list", "watch"}
    assert not {"serviceaccounts", "pods/log"} & set(few)
    assert {"create", "patch"} < jobs["jobs"]
    assert "serviceaccounts" not in jobs
    assert read_settings(environment(SAMPLES["few-actions"])).actions == ("sql", "wait")


@pytest.mark.parametrize("kind", REGISTRY)
def test_an_action_that_is_on_alone_has_its_rights_and_no_others(kind: ActionKind) -> None:
    """The chart gives what the registry says, for every action that there is; Events may always be listed."""
    given = verbs_of(one({"settings": {"actions": [kind.value]}}, "ClusterRole", "obtask-operator"))
    needed: dict[str, set[str]] = {"events": {"list"}}
    wanted = (*purposes((kind,), opt_in=False), *CLUSTER_WIDE)
    for right in (*INDISPENSABLE, *(right for purpose in wanted for right in purpose.rights)):
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        needed.setdefault(resource, set()).add(right.verb)

    assert given == needed


def test_rights_that_are_asked_for_are_those_that_are_given() -> None:
    """For every kind of installation: what the operator misses at its start with a warning is what the chart has left out by mistake."""
    for sample in ("defaults", "opt-in", "few-actions", "jobs-only"):
        settings = read_settings(environment(SAMPLES[sample]))
        given = verbs_of(one(SAMPLES[sample], "ClusterRole", "obtask-operator"))
        for purpose in purposes(settings.actions, opt_in=settings.opt_in):
            for right in purpose.rights:
                resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
                assert right.verb in given.get(resource, set()), (sample, right)


def test_the_operator_knows_its_own_account() -> None:
    """And takes no tasks in its namespace, or under its account."""
    assert read_settings(environment({})).service_account == (NAMESPACE, "obtask-operator")
    assert read_settings(environment(SAMPLES["own-account"])).service_account == (NAMESPACE, "mine")


def test_the_network_policy_lets_probes_and_metrics_in() -> None:
    """Probes from everywhere, metrics from the cluster's pods; nothing else comes in, everything may go out."""
    spec = one({}, "NetworkPolicy", "obtask-operator")["spec"]
    closed = one(SAMPLES["closed"], "NetworkPolicy", "obtask-operator")["spec"]

    assert spec["policyTypes"] == ["Ingress"]
    assert spec["ingress"] == [{"ports": [{"port": "health"}]}, {"ports": [{"port": "metrics"}], "from": [{"namespaceSelector": {}}]}]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert one(SAMPLES["no-metrics"], "NetworkPolicy", "obtask-operator")["spec"]["ingress"] == [{"ports": [{"port": "health"}]}]


def test_quotas_count_tasks() -> None:
    """One for each namespace that is named."""
    made = [body for body in objects(SAMPLES["quotas"]) if body["kind"] == "ResourceQuota"]

    assert {body["metadata"]["namespace"]: body["spec"]["hard"] for body in made} == {
        "team-a": {"count/obtasks.task.oceanbase.com": "1000"},
        "team-b": {"count/obtasks.task.oceanbase.com": "0"},
    }


def test_chart_and_operator_know_the_same_actions() -> None:
    """In the schema of the values and in the policy that refuses what is switched off."""
    schema = json.loads((ROOT / "charts/obtask-operator/values.schema.json").read_text())
    policy = one({}, "ValidatingAdmissionPolicy", "obtask-operator-creation")["spec"]
    kinds_of = next(variable["expression"] for variable in policy["variables"] if variable["name"] == "kinds")

    assert schema["properties"]["settings"]["properties"]["actions"]["items"]["enum"] == list(ACTION_NAMES)
    assert json.loads(kinds_of.partition(".filter")[0]) == list(ACTION_NAMES)
    assert set(ActionKind) == set(ACTION_NAMES)


def test_the_policy_knows_the_marks_that_the_operator_knows() -> None:
    """What GitOps tools keep is the same for both, but for a label that others use, too: nothing is refused for it."""
    policy = one({}, "ValidatingAdmissionPolicy", "obtask-operator-kept-in-git")
    marks = next(variable["expression"] for variable in policy["spec"]["variables"] if variable["name"] == "marks")
    known = [names.HOOK_ANNOTATION, *names.ARGO_ANNOTATIONS, *names.ARGO_LABELS, *names.KEEPER_ANNOTATIONS, *names.KEEPER_LABELS]

    assert [word for word in marks.split('"')[1::2] if "/" in word] == known


def test_the_policy_knows_how_the_operator_says_that_it_cannot_read() -> None:
    """Such a task can be skipped, whatever its status allows."""
    policy = one({}, "ValidatingAdmissionPolicy", "obtask-operator-commands")
    allowed = next(variable["expression"] for variable in policy["spec"]["variables"] if variable["name"] == "allowed")

    assert f'.startsWith("{UNREADABLE}") ? ["skip"]' in allowed
