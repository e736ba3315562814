"""What nobody can do around the operator: the chart's policies about locks, rights and names on the real API server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from tests.support.chart.installed import eventually, eventually_says, home, release, small
from tests.support.chart.rendering import Body
from tests.support.kubectl import Kubectl, KubectlError

from devcluster.controlplane import ControlPlane

GROUP = "task.oceanbase.com"
CREATOR, UID = f"{GROUP}/created-by", f"{GROUP}/task-uid"
LEASE = "obt-global-0123456789abcdef"
WAIT = {"wait": {"seconds": 0}}
LOCK = {"lease": LEASE, "scope": "Global", "acquiredAt": "2026-01-01T00:00:00Z", "token": 1}
CAROL = "create,get,list,watch,update,patch,delete,deletecollection,retry"


@dataclass(frozen=True)
class Town:
    """A namespace in which people have rights of all sorts; no operator runs, so that what a request leaves behind stays."""

    kubectl: Kubectl
    namespace: str
    numbers: Iterator[int]

    @property
    def operator(self) -> str:
        """The operator's own user."""
        return f"system:serviceaccount:{home(self.namespace)}:{self.namespace}"

    def user(self, name: str) -> str:
        """Return the user of this namespace who goes by that name."""
        return f"{name}-{self.namespace}"

    def allow(self, name: str, verbs: str, *resources: str) -> None:
        """Give a user a role with these verbs."""
        kinds = ",".join(resources)
        role = f"{name}-{next(self.numbers)}"
        self.run("create", "role", role, f"--verb={verbs}", f"--resource={kinds}")
        self.run("create", "rolebinding", role, f"--role={role}", f"--user={self.user(name)}")

    def bind(self, name: str, cluster_role: str) -> None:
        """Give a user one of the cluster's own roles."""
        self.run("create", "rolebinding", name, f"--clusterrole={cluster_role}", f"--user={self.user(name)}")

    def run(self, *words: str, manifest: Body | None = None) -> str:
        """Run kubectl in the namespace, as an administrator."""
        return self.kubectl("-n", self.namespace, *words, manifest=manifest)

    def says(self, name: str, *words: str, manifest: Body | None = None) -> str:
        """Run kubectl as a user; return what it says, or why it is refused."""
        user = name if ":" in name else self.user(name)
        try:
            return self.run(*words, f"--as={user}", manifest=manifest)
        except KubectlError as refusal:
            return str(refusal)

    def tries(self, name: str, manifest: Body, *words: str) -> str:
        """Try to create something, without leaving it; return what kubectl says."""
        return self.says(name, "create", "--dry-run=server", *words, "-f", "-", manifest=manifest)

    def task(self, *steps: Body, **metadata: Any) -> Body:
        """Return a task to be created."""
        named = {"name": f"t{next(self.numbers)}", **metadata}
        spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", "steps": list(steps) or [{"name": "a", **WAIT}]}
        return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "OBTask", "metadata": named, "spec": spec}

    def locked(self, **metadata: Any) -> str:
        """Make a failed task that holds a lock; return its name."""
        manifest = self.task(**{"finalizers": [f"{GROUP}/finalizer"], **metadata})
        self.run("create", "-f", "-", manifest=manifest)
        name: str = manifest["metadata"]["name"]
        status = {"status": {"phase": "Failed", "allowedActions": ["retry", "skip"], "lock": LOCK}}
        self.run("patch", "obtask", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))
        return name

    def patch(self, name: str, what: str, change: Body, *words: str) -> str:
        """Change something as a user, without leaving it; return what kubectl says."""
        return self.says(name, "patch", *what.split(), "--dry-run=server", "--type=merge", "-p", json.dumps(change), *words)


def lease(name: str = LEASE, holder: str = "x/y", token: int = 5, **metadata: Any) -> Body:
    """Return a lock Lease, written at an hour after which its token would come back."""
    spec = {"holderIdentity": holder, "leaseTransitions": token, "renewTime": "2026-01-01T00:00:00.000000Z"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.fixture(scope="module")
def town(control_plane: ControlPlane, kubectl: Kubectl, module_namespace: str) -> Iterator[Town]:
    """Install the chart, make users, and wait until every policy is at work."""
    with release(control_plane, module_namespace, small(module_namespace)):
        found = Town(kubectl, module_namespace, count())
        for name, role in (("alice", "edit"), ("bob", "view"), ("dave", "admin")):
            found.bind(name, role)
        tasks, leases = f"obtasks.{GROUP}", "leases.coordination.k8s.io"
        found.allow("carol", CAROL, tasks)
        found.allow("carol", "get,list,create,update,patch,delete", leases)
        found.allow("carol", "get,update,patch", f"{tasks}/status")
        found.allow("mallory", "create,get,list,update", "configmaps", "jobs.batch", "pods")
        found.allow("user", "create,get", tasks)
        rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["runner"], "verbs": ["use"]}
        use = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "use"}, "rules": [rule]}
        found.run("create", "-f", "-", manifest=use)
        found.run("create", "rolebinding", "use", "--role=use", f"--user={found.user('user')}")
        found.run("create", "-f", "-", manifest=lease())
        wait_for_policies(found)
        yield found


def wait_for_policies(town: Town) -> None:
    """Return when every policy of the release says what it says."""
    eventually_says(CREATOR, lambda: town.tries("carol", town.task(), "-o", "json"), "the stamp")
    task = town.locked()
    no_skip = "needs the verb skip"
    ending: Body = {"metadata": {"finalizers": []}}
    eventually_says(no_skip, lambda: town.says("carol", "delete", "obtask", task, "--dry-run=server"), "deletions")
    eventually_says(no_skip, lambda: town.patch("carol", f"obtask {task}", ending), "locked tasks")
    eventually_says(no_skip, lambda: town.says("carol", "delete", "lease", LEASE, "--dry-run=server"), "locks")
    eventually_says("may not create a task with job steps", lambda: town.tries("carol", town.task(job_step())), "creation")
    eventually_says("set by the operator", lambda: town.tries("mallory", config_map({UID: "x"})), "labels")
    # A Job without labels gets those of its pods, and then two policies refuse it: which of them says so is chance.
    pods = job({"a": "b"}, template={UID: "x"})
    eventually_says("set by the operator, in", lambda: town.tries("mallory", pods), "labels of pods")
    eventually(lambda: town.says("dave", "auth", "can-i", "skip", "obtasks").strip() == "yes", "the aggregated role")


def job_step(**pod: Any) -> Body:
    """Return a step that is a Job, with these fields in its pod."""
    return {"name": "j", "job": {"image": "x", **({"podTemplate": {"spec": pod}} if pod else {})}}


def config_map(labels: Body) -> Body:
    """Return a ConfigMap with labels."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": labels}}


def pod_spec() -> Body:
    """Return the least of a pod."""
    return {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}


def job(labels: Body | None = None, template: Body | None = None, owner: Body | None = None) -> Body:
    """Return a Job with labels on it and on its pods."""
    meta = {"name": "jj", "labels": labels or {}, "ownerReferences": [owner] if owner else []}
    pod = {"metadata": {"labels": template or {}}, "spec": pod_spec()}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": pod}}


BAIT = {"apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": "0c8f5e5e-0000-4000-8000-000000000000"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"ownerReferences": [BAIT]}, id="an-owner"),
        pytest.param({"finalizers": []}, id="no-finalizer"),
        pytest.param({"finalizers": None}, id="no-finalizers"),
        pytest.param({"finalizers": [f"{GROUP}/finalizer", "x/y"]}, id="one-that-blocks"),
    ],
)
@pytest.mark.parametrize("name", ["alice", "carol"])
def test_a_locked_task_keeps_its_owners_and_finalizers(town: Town, name: str, change: Body) -> None:
    """Who may not skip cannot free or block the lock by them; who may, can; of a task without a lock everybody can."""
    task, free = town.locked(), town.task()
    town.run("create", "-f", "-", manifest=free)

    assert "needs the verb skip" in town.patch(name, f"obtask {task}", {"metadata": change})
    assert "patched" in town.patch("dave", f"obtask {task}", {"metadata": change})
    assert "needs the verb skip" not in town.patch(name, f"obtask {free['metadata']['name']}", {"metadata": change})
    assert "labeled" in town.says(name, "label", "obtask", task, "a=b", "--dry-run=server")


def test_a_task_outlives_its_owner_while_it_holds_a_lock(town: Town) -> None:
    """A bait that is deleted takes the task with it only once the task is finished: the garbage collector may not skip."""
    town.run("create", "configmap", "bait")
    uid = town.run("get", "configmap", "bait", "-o", "jsonpath={.metadata.uid}")
    task, free = town.locked(ownerReferences=[BAIT | {"uid": uid}]), town.task(ownerReferences=[BAIT | {"uid": uid}])
    town.run("create", "-f", "-", manifest=free)
    town.says("alice", "delete", "configmap", "bait")

    eventually(lambda: free["metadata"]["name"] not in town.run("get", "obtasks", "-o", "name"), "the garbage collector")
    assert "deletionTimestamp" not in town.run("get", "obtask", task, "-o", "json")
    collector = "system:serviceaccount:kube-system:generic-garbage-collector"
    assert "needs the verb skip" in town.says(collector, "delete", "obtask", task, "--dry-run=server")
    assert "labeled" in town.says(collector, "label", "obtask", task, "a=b", "--dry-run=server")
    finished: Body = {"status": {"phase": "Skipped", "allowedActions": [], "lock": None}}
    town.run("patch", "obtask", task, "--subresource=status", "--type=merge", "-p", json.dumps(finished))
    town.run("patch", "obtask", task, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    eventually(lambda: task not in town.run("get", "obtasks", "-o", "name"), "the garbage collector")


@pytest.mark.parametrize("how", ["--cascade=foreground", "--cascade=orphan", "--force", "--grace-period=0", "-l a=b"])
def test_no_way_of_deleting_frees_a_lock(town: Town, how: str) -> None:
    """One by one or as a collection."""
    task = town.locked(labels={"a": "b"})
    what = how.split() if how.startswith("-l") else [task, how]

    assert "needs the verb skip" in town.says("alice", "delete", "obtasks", *what, "--dry-run=server")
    path = f"/apis/{GROUP}/v1alpha1/namespaces/{town.namespace}/obtasks?dryRun=All"
    assert "needs the verb skip" in town.says("carol", "delete", f"--raw={path}")


def test_locks_are_not_deleted_as_a_collection(town: Town) -> None:
    """`kubectl delete` goes one by one; the API has a request for all of them at once."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{town.namespace}/leases?dryRun=All"

    assert f"may not change the lock {LEASE}" in town.says("alice", "delete", f"--raw={path}")


def test_the_status_is_the_operators(town: Town) -> None:
    """A role with the subresource is not enough: a status without a lock frees it. The cluster's own roles do not have it at all."""
    task = town.locked()

    assert "written by the operator" in town.patch("carol", f"obtask {task}", {"status": {"lock": None}}, "--subresource=status")
    for name in ("alice", "bob", "dave"):
        assert 'cannot get resource "obtasks/status"' in town.patch(
            name, f"obtask {task}", {"status": {"lock": None}}, "--subresource=status"
        )


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda town, name: town.patch(name, f"lease {LEASE}", {"spec": {"holderIdentity": "evil/x"}}), id="take"),
        pytest.param(lambda town, name: town.patch(name, f"lease {LEASE}", {"spec": {"holderIdentity": None}}), id="free"),
        pytest.param(lambda town, name: town.patch(name, f"lease {LEASE}", {"spec": {"leaseTransitions": 2147483647}}), id="use-up"),
        pytest.param(lambda town, name: town.patch(name, f"lease {LEASE}", {"metadata": {"ownerReferences": [BAIT]}}), id="own"),
        pytest.param(lambda town, name: town.patch(name, f"lease {LEASE}", {"metadata": {"labels": {"a": "b"}}}), id="label"),
        pytest.param(lambda town, name: town.says(name, "delete", "lease", LEASE, "--dry-run=server"), id="delete"),
        pytest.param(lambda town, name: town.tries(name, lease("obt-tenant-0")), id="make-by-name"),
        pytest.param(lambda town, name: town.tries(name, lease("z", labels={f"{GROUP}/lock": "global"})), id="make-by-label"),
        pytest.param(lambda town, name: town.tries(name, lease("z", labels={f"{GROUP}/domain": "d"})), id="make-by-domain"),
    ],
)
def test_locks_are_changed_only_by_who_may_skip(town: Town, attempt: Callable[[Town, str], str]) -> None:
    """`edit` of Kubernetes includes Leases; those of locks need the verb skip, whatever is done to them."""
    assert all("needs the verb skip" in attempt(town, name) for name in ("alice", "carol"))
    assert "needs the verb skip" not in attempt(town, "dave")


def test_leases_of_others_are_nobodys_business(town: Town) -> None:
    """A Lease that is no lock is changed as before; the operator changes locks."""
    assert "created" in town.tries("alice", lease("leader-of-something"))
    patch = ("patch", "lease", LEASE, "--dry-run=server", "--type=merge", "-p", '{"spec": {"holderIdentity": "a/b"}}')
    assert "patched" in town.says(town.operator, *patch, "--as-group=system:masters")


def test_not_even_who_may_skip_brings_a_token_back(town: Town) -> None:
    """Not by an edit, and not by deleting a Lease whose token is ahead of the time at which it was written."""
    town.run("create", "-f", "-", manifest=lease("obt-global-ahead", token=2_000_000_000))

    by_hand = (
        {"spec": {"leaseTransitions": 4}},
        {"spec": {"leaseTransitions": None}},
        {"metadata": {"annotations": {f"{GROUP}/token": "1"}}},
    )
    for change in by_hand:
        assert "must not go back" in town.patch("dave", f"lease {LEASE}", change)
    assert "ahead of the clock" in town.says("dave", "delete", "lease", "obt-global-ahead", "--dry-run=server")
    assert "deleted" in town.says("dave", "delete", "lease", LEASE, "--dry-run=server")
    namespaces = "system:serviceaccount:kube-system:namespace-controller"
    assert "deleted" in town.says(namespaces, "delete", "lease", "obt-global-ahead", "--dry-run=server")


UNDO = {"rollback": {"job": {"image": "x"}}}
APPLY = {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}}}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(job_step(), id="step"),
        pytest.param({"name": "p", "parallel": [{"name": "q", **WAIT}, {"name": "r", "job": {"image": "x"}}]}, id="parallel"),
        pytest.param({"name": "p", **WAIT, **UNDO}, id="rollback"),
        pytest.param({"name": "p", "parallel": [{"name": "r", **WAIT, **UNDO}]}, id="rollback-of-parallel"),
    ],
)
def test_job_steps_need_the_right_to_create_jobs(town: Town, step: Body) -> None:
    """Wherever in the task they are."""
    said = town.tries("carol", town.task({"name": "first", **WAIT}, step))

    assert "carol" in said
    assert f"they need the verb create on jobs.batch in namespace {town.namespace}" in said
    assert "Forbidden" in said
    assert all("created" in town.tries(name, town.task({"name": "first", **WAIT}, step)) for name in ("alice", "dave"))


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"name": "p", **APPLY}, id="step"),
        pytest.param({"name": "p", "parallel": [{"name": "r", **APPLY}]}, id="parallel"),
        pytest.param({"name": "p", **WAIT, "rollback": APPLY}, id="rollback"),
    ],
)
def test_resource_steps_need_the_right_to_act_as_the_account(town: Town, step: Body) -> None:
    """Also as the namespace's default account: it, too, may be allowed what the author is not."""
    as_runner = town.task(step)
    as_runner["spec"]["serviceAccountName"] = "runner"

    for name in ("carol", "user"):
        assert "needs the verb impersonate, or use, on serviceaccounts/default" in town.tries(name, town.task(step))
    assert "on serviceaccounts/runner" in town.tries("carol", as_runner)
    assert "created" in town.tries("user", as_runner)
    assert all("created" in town.tries("alice", task) for task in (town.task(step), as_runner))


@pytest.mark.parametrize("field", ["serviceAccountName", "serviceAccount"])
def test_an_account_in_the_template_of_a_pod_counts(town: Town, field: str) -> None:
    """By either of its names; the default one needs nothing more than the Job."""
    town.allow(f"jeff-{field.lower()}", "create,get", f"obtasks.{GROUP}", "jobs.batch")
    jeff = f"jeff-{field.lower()}"

    eventually(lambda: "created" in town.tries(jeff, town.task(job_step())), "the role")
    assert "created" in town.tries(jeff, town.task(job_step(**{field: "default"})))
    assert "on serviceaccounts/boss" in town.tries(jeff, town.task(job_step(**{field: "boss"})))
    assert "created" in town.tries(jeff, town.task(job_step(**{field: None})))  # what templates make of a value that is not set
    undo = {"job": job_step(**{field: "boss"})["job"]}
    assert "on serviceaccounts/boss" in town.tries(jeff, town.task({"name": "p", **WAIT, "rollback": undo}))
    for odd in (5, ["boss"], {"a": "b"}):
        assert "created" not in town.tries(jeff, town.task(job_step(**{field: odd})))


def test_every_account_is_looked_at(town: Town) -> None:
    """The last of several as the first; more than four are refused, as each costs a look."""
    jobs = [{**job_step(serviceAccountName=f"a{number}"), "name": f"j{number}"} for number in range(6)]
    last = {"name": "p", "parallel": [{"name": "q", **APPLY}, {"name": "r", "job": jobs[1]["job"]}]}
    three = [f"--resource-name={account}" for account in ("a0", "a2", "a3")]
    town.run("create", "role", "three", "--verb=impersonate", "--resource=serviceaccounts", *three)
    town.run("create", "rolebinding", "three", "--role=three", f"--user={town.user('jill')}")
    town.allow("jill", "create,get", f"obtasks.{GROUP}", "jobs.batch")

    eventually(lambda: "created" in town.tries("jill", town.task(jobs[0], jobs[2], jobs[3], {**jobs[0], "name": "again"})), "the role")
    assert "on serviceaccounts/a1" in town.tries("jill", town.task(jobs[0], jobs[2], jobs[3], jobs[1]))
    assert "on serviceaccounts/default" in town.tries("jill", town.task(jobs[0], last))
    assert "at most 4 service accounts" in town.tries("alice", town.task(*jobs))
    assert "created" in town.tries("alice", town.task(*jobs[:4]))


def test_the_largest_task_passes(town: Town) -> None:
    """512 subtasks with rollbacks, all of them Jobs under several accounts: the policy has enough of a budget."""
    work = {"job": job_step(serviceAccountName="a0")["job"], "rollback": {"job": job_step(serviceAccount="a1")["job"]}}
    steps = [{"name": f"s{at}", "parallel": [{"name": f"t{number}", **work} for number in range(64)]} for at in range(8)]

    assert "created" in town.tries("alice", town.task(*steps))
    assert "may not create a task" in town.tries("carol", town.task(*steps))


def test_who_created_a_task_is_written_down(town: Town) -> None:
    """Whatever the manifest says; nobody changes it, and a manifest that replaces the task need not know."""
    forged = town.task(annotations={CREATOR: "boss"})
    plain = town.task()
    made = [json.loads(town.tries("carol", task, "-o", "json"))["metadata"]["annotations"] for task in (forged, plain)]
    town.says("carol", "create", "-f", "-", manifest=plain)
    name = plain["metadata"]["name"]

    assert [annotations[CREATOR] for annotations in made] == [town.user("carol")] * 2
    for change in ({CREATOR: "boss"}, {CREATOR: None}):
        said = json.loads(town.patch("dave", f"obtask {name}", {"metadata": {"annotations": change}}, "-o", "json"))
        assert said["metadata"]["annotations"][CREATOR] == town.user("carol")
    town.says("alice", "replace", "-f", "-", manifest=plain)
    assert town.user("carol") in town.run("get", "obtask", name, "-o", "json")


@pytest.mark.parametrize("how", [("--server-side", "--field-manager=kustomize-controller"), ("--server-side=false",)])
def test_the_stamp_is_no_drift(town: Town, how: tuple[str, ...]) -> None:
    """A GitOps tool that applies the same manifest again changes nothing, whichever account it uses then."""
    manifest = town.task()
    version = ("get", "obtask", manifest["metadata"]["name"], "-o", "jsonpath={.metadata.resourceVersion}")

    # Twice: the second time the API server notes who manages the fields that it has set itself, with the stamp or without.
    for _ in range(2):
        town.says("alice", "apply", *how, "-f", "-", manifest=manifest)
    before = town.run(*version)
    said = [town.says(name, "apply", *how, "-f", "-", manifest=manifest) for name in ("alice", "dave")]

    assert all(text.split()[-1] in {"serverside-applied", "configured", "unchanged"} for text in said), said
    assert town.run(*version) == before


def test_tasks_in_the_operators_own_namespace_are_refused(town: Town) -> None:
    """Whoever asks: a task there could act as the operator. Nowhere does one act as an account of its name."""
    task = town.task({"name": "p", **APPLY})
    task["spec"]["serviceAccountName"] = town.namespace

    with pytest.raises(KubectlError, match="operator's own namespace"):
        town.kubectl("create", "--dry-run=server", "-n", home(town.namespace), "-f", "-", manifest=town.task())
    assert "must not act as the operator's own service account" in town.tries("dave", task)
    assert "must not act as the operator's own" in town.tries("dave", town.task(job_step(serviceAccount=town.namespace)))


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(config_map({UID: "x"}), id="config-map"),
        pytest.param(job({UID: "x"}), id="job"),
        pytest.param(job(template={UID: "x"}), id="pods-of-a-job"),
        pytest.param({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {UID: "x"}}, "spec": pod_spec()}, id="pod"),
    ],
)
def test_nobody_makes_what_looks_like_the_operators(town: Town, manifest: Body) -> None:
    """The label that says whose an object is; without it everything passes."""
    assert all("set by the operator" in town.tries(name, manifest) for name in ("mallory", "alice", "dave"))
    bare = json.loads(json.dumps(manifest).replace(UID, "other"))
    assert "created" in town.tries("mallory", bare)


def test_the_label_is_not_put_on_later(town: Town) -> None:
    """Nor taken off, nor changed; other changes of such an object pass."""
    town.run("create", "-f", "-", manifest=config_map({}) | {"metadata": {"name": "later"}})
    as_operator = (f"--as={town.operator}", "--as-group=system:masters")
    town.run("create", *as_operator, "-f", "-", manifest=config_map({UID: "u"}) | {"metadata": {"name": "ours", "labels": {UID: "u"}}})

    assert "set by the operator" in town.says("alice", "label", "configmap", "later", f"{UID}=x")
    assert "set by the operator" in town.says("alice", "label", "configmap", "ours", f"{UID}-")
    assert "set by the operator" in town.says("alice", "label", "configmap", "ours", "--overwrite", f"{UID}=x")
    assert "labeled" in town.says("alice", "label", "configmap", "ours", "a=b")


@pytest.mark.parametrize("what", ["pods", "jobs.batch"])
def test_the_label_is_not_put_on_through_the_status(town: Town, what: str) -> None:
    """Who may write the status of an object may write its labels with it; other labels pass."""
    name, kind = f"status-of-{what[:3]}", what[:3]
    paused = job() | {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod_spec()}}}
    alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**pod_spec(), "schedulerName": "none"}}
    town.run("create", "-f", "-", manifest=alone if what == "pods" else paused)
    town.allow(name, "get,patch", what, f"{what}/status")

    def patched(key: str) -> str:
        return town.patch(name, f"{kind} {name}", {"metadata": {"labels": {key: "x"}}}, "--subresource=status")

    eventually(lambda: "patched" in patched("other"), "the role")
    assert "set by the operator" in patched(UID)


def test_the_label_is_not_put_on_the_pods_of_a_suspended_job(town: Town) -> None:
    """The template of a Job that has not begun can be changed; other labels in it pass."""
    template: Body = {"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()}
    town.run("create", "-f", "-", manifest=job() | {"metadata": {"name": "paused"}, "spec": {"suspend": True, "template": template}})

    def patched(key: str) -> str:
        return town.patch("alice", "job paused", {"spec": {"template": {"metadata": {"labels": {key: "x"}}}}})

    assert "patched" in patched("other")
    assert "set by the operator" in patched(UID)


def test_the_operator_of_another_release_makes_its_jobs(town: Town) -> None:
    """Two releases with namespaces of their own leave each other alone; within these nobody else makes such Jobs."""
    owner = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "OBTask", "name": "t", "uid": "u"}
    theirs = job({UID: "u"}, {UID: "u"}, owner)
    other = ("--dry-run=server", "--as=system:serviceaccount:other:other", "--as-group=system:masters", "-f", "-")

    assert "created" in town.kubectl("create", "-n", "default", *other, manifest=theirs)
    with pytest.raises(KubectlError, match="set by the operator"):
        town.run("create", *other, manifest=job(template={UID: "u"}))


def test_the_operator_makes_no_jobs_but_for_tasks(town: Town) -> None:
    """With its rights nobody makes a Job of his own, nor one in the cluster's namespaces or in the operator's."""
    owner = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "OBTask", "name": "t", "uid": "u"}
    of_task = job({UID: "u"}, {UID: "u"}, owner)

    assert "created" in town.tries(town.operator, of_task)
    other = owner | {"kind": "Deployment", "apiVersion": "apps/v1"}
    for stray in (job(), job({UID: "u"}), job({UID: "v"}, {}, owner), job({UID: "u"}, {}, other)):
        assert "only Jobs that belong to an OBTask" in town.tries(town.operator, stray)
    for where in ("kube-system", home(town.namespace)):
        with pytest.raises(KubectlError, match="no Jobs in the cluster's namespaces"):
            town.kubectl(
                "create", "--dry-run=server", "-n", where, f"--as={town.operator}", "--as-group=system:masters", "-f", "-", manifest=of_task
            )
