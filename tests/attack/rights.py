"""Owns attacks by names that lead elsewhere, and by the operator's rights in the hands of others. S12, S13."""

import base64
from collections.abc import Iterator

from tests.attack.ground import SYSTEM, TASK_PATH, Ground, Tenant, step, until
from tests.attack.session import Body, Session
from tests.attack.verdict import Attack, Held, Through, Verdict, refused_or
from tests.support.chart.installed import home, release

# What Kubernetes accepts as no path segment, in spellings that routers and clients have fallen for.
SEGMENTS = ("team-b/secrets/x", "x/../y", "..", ".", "x%2fy", "%2e%2e", "x%2Fsecrets%2Fy", "/", "%", "a/", "/a", "..%2f", "%252f", "x%00")


def path_segments(ground: Ground) -> Verdict:
    """Write names that lead elsewhere into every field that names an object, a namespace, a key or a kind."""
    with ground.tenant() as tenant:
        tenant.secret("obdemo-sys", host="127.0.0.1", password="Adm1n-Pa55!")  # noqa: S106 - of nobody
        accepted, tried = [], 0
        for number, (field, action, more) in enumerate(_placed(tenant.namespace)):
            tried += 1
            if tenant.create("alice", f"path-{number}", step("a", **action, timeoutSeconds=3), **more).ok:
                accepted.append((field, f"path-{number}"))
        until(lambda: all(tenant.phase(name) in ("Rejected", "Failed") for _, name in accepted), 15)
        loot = base64.b64encode(b"Adm1n-Pa55!").decode()
        leaks = [field for field, name in accepted if loot in tenant.log(name)]
        changed = _changed_elsewhere(ground)
        if leaks or changed:
            return Through(changed or f"the Secret is shown: {leaks[0]}")
        fields = sorted({field for field, _ in accepted})
        return Through(f"accepted in {', '.join(fields)[:100]}") if fields else Held(f"{tried} names refused by the API server")


def _placed(namespace: str) -> Iterator[tuple[str, Body, Body]]:
    runner = {"serviceAccountName": "runner"}
    for name in (f"{namespace}/secrets/obdemo-sys", "team-b/configmaps/kube-root-ca.crt", *SEGMENTS):
        patch = {"apiVersion": "v1", "kind": "Namespace", "name": name, "patch": {"metadata": {"labels": {"x": "y"}}}}
        head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        until_ = {"expect": "object.kind == 'x'"}
        yield "resource.patch.name", {"resource": {"patch": patch, "until": until_}}, runner
        yield "resource.apply.metadata.name", {"resource": {"apply": head, "until": until_}}, runner
        cm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": name}}
        yield "resource.apply.metadata.namespace", {"resource": {"apply": cm}}, runner
        yield "sql.connection.secretName", {"sql": {"connection": {"secretName": name}, "statements": ["select 1"]}}, {}
        yield "spec.connection.secretName", {"sql": {"statements": ["select 1"]}}, {"connection": {"secretName": name}}
        key = {"name": "X", "secretKeyRef": {"name": name, "key": "password"}}
        yield "headersFrom.name", {"http": {"url": "http://127.0.0.1:9/", "headersFrom": [key]}}, {}
        yield "serviceAccountName", {"resource": {"apply": cm | {"metadata": {"name": "x"}}}}, {"serviceAccountName": name}
        inner = [{"name": "b", "resource": {"patch": patch}}]
        yield "parallel", {"parallel": inner}, runner
        yield "rollback", {"wait": {"seconds": 0}, "rollback": {"resource": {"patch": patch}}}, runner
    for version in ("v1/namespaces/x/secrets", "../v1", "v1%2f..", "apps/v1/x"):
        yield "apiVersion", {"resource": {"apply": {"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "x"}}}}, runner


def _changed_elsewhere(ground: Ground) -> str:
    labels = ground.admin.get("/api/v1/namespaces/team-b/configmaps/kube-root-ca.crt").get("metadata", {}).get("labels", {})
    return "an object of another namespace was changed" if labels.get("x") == "y" else ""


ACCOUNTS = ("a\nb", "a\r\nImpersonate-Group: system:masters", "system:masters", "a:b", "UP", "ü", "x/y", "..", "a b", "a" * 254, "-a", "")


def service_accounts(ground: Ground) -> Verdict:
    """Name service accounts that would be another user, or a group, in a header."""
    with ground.tenant() as tenant:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
        answers = [
            tenant.create("alice", f"sa-{i}", step("a", resource={"apply": body}), serviceAccountName=name)
            for i, name in enumerate(ACCOUNTS)
        ]
        passed = [name for name, answer in zip(ACCOUNTS, answers, strict=True) if answer.ok]
        return refused_or(not passed, f"{len(ACCOUNTS)} names refused", f"accepted: {passed}")


def own_namespace(ground: Ground) -> Verdict:
    """Create tasks in the operator's namespace, and tasks elsewhere under its account."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pwn", "namespace": "kube-system"}, "spec": {}}
    eve = Session(ground.cluster, "eve")
    path = TASK_PATH.format(SYSTEM)
    with ground.tenant() as tenant:
        tries = [
            eve.send("POST", path, tenant.manifest("wait")),
            eve.send("POST", path, tenant.manifest("own", step("a", resource={"apply": job}), serviceAccountName="obtask-operator")),
            eve.send("POST", path, tenant.manifest("default", step("a", resource={"apply": job}))),
            Session(ground.cluster).send("POST", path, tenant.manifest("admin")),
        ]
        in_own = [answer.ok for answer in tries]
        elsewhere = tenant.create("alice", "elsewhere", step("a", resource={"apply": job}), serviceAccountName="obtask-operator")
        ground.admin.send("DELETE", path)
        told = f"{in_own.count(False)} of {len(in_own)} tasks in the operator's namespace refused, its account elsewhere {elsewhere.status}"
        return Held(told) if not any(in_own[:3]) else Through(told)


# What carol, who may create tasks and nothing else, would do with the operator's rights.
JOB: Body = {"job": {"image": "x"}}
RESOURCE: Body = {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}}}


def confused_deputy(ground: Ground) -> Verdict:
    """Have Jobs made and accounts impersonated by a task, wherever a task may say so, without the right to it."""
    wait: Body = {"wait": {"seconds": 0}}
    pod = {"spec": {"serviceAccountName": "deployer", "containers": [{"image": "x"}]}}
    old = {"spec": {"serviceAccount": "deployer", "containers": [{"image": "x"}]}}
    account = {"serviceAccountName": "runner"}
    shapes: list[tuple[str, str, Body, Body]] = [
        ("carol", "job", JOB, {}),
        ("carol", "job in parallel", {"parallel": [{"name": "x", **wait}, {"name": "y", **JOB}]}, {}),
        ("carol", "job in rollback", {**wait, "rollback": JOB}, {}),
        ("carol", "job in a parallel rollback", {"parallel": [{"name": "x", **wait, "rollback": JOB}]}, {}),
        ("carol", "resource", RESOURCE, account),
        ("carol", "resource in parallel", {"parallel": [{"name": "x", **RESOURCE}]}, account),
        ("carol", "resource in rollback", {**wait, "rollback": RESOURCE}, account),
        ("carol", "resource, account default", RESOURCE, {"serviceAccountName": "default"}),
        ("jim", "job as an account", JOB, account),
        ("jim", "podTemplate as an account", {"job": {"podTemplate": pod}}, {}),
        ("jim", "podTemplate as an account, old name", {"job": {"podTemplate": old}}, {}),
        ("jim", "resource", RESOURCE, account),
    ]
    with ground.tenant() as tenant:
        _may_make_jobs(tenant)
        answers = [tenant.create(user, f"deputy-{i}", step("a", **shape), **more) for i, (user, _, shape, more) in enumerate(shapes)]
        control = [tenant.create("alice", "control-1", step("a", **JOB)).ok, tenant.create("jim", "control-2", step("a", **JOB)).ok]
        passed = [name for (_, name, _, _), answer in zip(shapes, answers, strict=True) if answer.ok]
        if not all(control):
            return Through("who has the right is refused, too")
        return refused_or(not passed, f"{len(shapes)} tasks refused", f"accepted: {', '.join(passed)}"[:160])


def _may_make_jobs(tenant: Tenant) -> None:
    """Make jim: he may create tasks and Jobs, and impersonate nobody."""
    words = ["-n", tenant.namespace]
    resources = "--resource=obtasks.task.oceanbase.com,jobs.batch"
    tenant.ground.cluster.kubectl.run([*words, "create", "role", "jim", "--verb=create,get", resources])
    tenant.ground.cluster.kubectl.run([*words, "create", "rolebinding", "jim", "--role=jim", "--user=jim"])
    until(lambda: tenant.as_("jim").can("create", "batch", "jobs", tenant.namespace))


def stolen_token(ground: Ground) -> Verdict:
    """Use the operator's own token for what no task asked for: Jobs of nobody's, in kube-system and in its own namespace."""
    thief = ground.operators_own
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}
    with ground.tenant() as tenant:
        tenant.create("alice", "real", step("a", wait={"seconds": 600}))
        task = ground.admin.get(tenant.task_path("real"))
        reference = {
            "apiVersion": "task.oceanbase.com/v1alpha1",
            "kind": "OBTask",
            "name": "real",
            "uid": task["metadata"]["uid"],
            "controller": True,
        }
        places = [("kube-system", []), (SYSTEM, []), (tenant.namespace, []), ("kube-system", [reference]), (SYSTEM, [reference])]
        passed = []
        for namespace, owners in places:
            job = {"metadata": {"name": "pwn", "ownerReferences": owners}, "spec": {"template": pod}}
            if thief.send("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job, dryRun="All").ok:
                passed.append(f"Job in {namespace.rstrip('0123456789-')}{' with an owner' if owners else ''}")
        return refused_or(not passed, f"{len(places)} Jobs refused", ", ".join(passed))


OPTED_IN: Body = {
    "fullnameOverride": "opted-in", "replicas": 0, "crds": {"install": False}, "watch": {"optIn": True}, "rbac": {"aggregate": False},
    "admission": {"enabled": False},
}  # fmt: skip
# What the token of an operator is stolen for.
WANTED = (
    ("impersonate", "", "serviceaccounts", "kube-system"), ("get", "", "secrets", "kube-system"),
    ("create", "batch", "jobs", "kube-system"),
    ("impersonate", "", "serviceaccounts", "team-a"), ("get", "", "secrets", "team-a"), ("create", "batch", "jobs", "team-a"),
    ("list", "", "secrets", ""), ("get", "", "secrets", ""), ("escalate", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("create", "", "pods", "team-a"), ("create", "", "serviceaccounts/token", "kube-system"),
)  # fmt: skip


def token_where_opted_in(ground: Ground) -> Verdict:
    """Use the token of an operator that works only where an administrator has said so, in namespaces where nobody has."""
    with release(ground.cluster, "opted-in", OPTED_IN):
        user = f"system:serviceaccount:{home('opted-in')}:opted-in"
        control = until(lambda: _may(ground, user, ("list", "task.oceanbase.com", "obtasks", "")))
        passed = [f"{right[0]} {right[2]} in {right[3] or 'all'}" for right in WANTED if _may(ground, user, right)]
        if not control:
            return Through("it may not even list tasks, which proves nothing")
        return refused_or(not passed, f"{len(WANTED)} rights not given", f"it may {', '.join(passed)}"[:160])


def _may(ground: Ground, user: str, right: tuple[str, str, str, str]) -> bool:
    verb, group, resource, namespace = right
    kind, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": kind, "subresource": sub, "namespace": namespace}
    groups = ["system:serviceaccounts", "system:authenticated"]
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(ground.admin.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review).body()["status"]["allowed"])


ATTACKS = (
    Attack("S12", "names with a slash", "a Secret's values shown; team-b changed", path_segments),
    Attack("S12", "names of service accounts", "held, in 8 forms", service_accounts),
    Attack("S13", "the operator's namespace and account", "a Job in kube-system as cluster-admin", own_namespace),
    Attack("S13", "Jobs and accounts without the right", "made by the operator", confused_deputy),
    Attack("S13", "the operator's token where nobody opted in", "cluster-admin by impersonation", token_where_opted_in),
    Attack("S13", "the operator's token for other Jobs", "create jobs -n kube-system: yes", stolen_token),
)
