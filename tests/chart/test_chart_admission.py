"""Who may do what with tasks: the admission policies of the chart on the real API server, asked by several users."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from tests.support.chart.installed import eventually, home, release, small
from tests.support.chart.rendering import Body
from tests.support.kubectl import Kubectl, KubectlError

from devcluster.controlplane import ControlPlane
from obtask.rules.unreadable import UNREADABLE

ALL = ["retry", "rollback", "skip", "skip-step"]
ACTION, REASON = "task.oceanbase.com/action", "task.oceanbase.com/action-reason"
TRACKED, HOOK = "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/hook"
CREATOR = "task.oceanbase.com/created-by"
MARK, FINALIZER = "task.oceanbase.com/adopted", "task.oceanbase.com/finalizer"
STAMP, NOTE = "task.oceanbase.com/requested-by", "task.oceanbase.com/accepted-command"
WRITE = ["get", "list", "create", "update", "patch", "delete"]


LOCK = {"lease": "obt-x", "scope": "Global", "acquiredAt": "2026-01-01T00:00:00Z", "token": 1}


@dataclass(frozen=True)
class People:
    """Users of one namespace, and its tasks; no operator runs, so that what a request leaves behind stays."""

    kubectl: Kubectl
    namespace: str
    numbers: Iterator[int]

    @property
    def operator(self) -> str:
        """The operator's own user."""
        return f"system:serviceaccount:{home(self.namespace)}:{self.namespace}"

    def allow(self, user: str, *verbs: str) -> None:
        """Give a user a role with these verbs on tasks, beside those that everybody needs."""
        self._run("create", "role", user, f"--verb={','.join([*WRITE, *verbs])}", "--resource=obtasks.task.oceanbase.com")
        self._run("create", "rolebinding", user, f"--role={user}", f"--user={user}")

    def bind(self, user: str, cluster_role: str) -> None:
        """Give a user one of the cluster's own roles."""
        self._run("create", "rolebinding", user, f"--clusterrole={cluster_role}", f"--user={user}")

    def task(self, *allowed: str, **status: Any) -> str:
        """Make a task with this status; return its name."""
        name = f"task-{next(self.numbers)}"
        self.kubectl("create", "-n", self.namespace, "-f", "-", manifest=self.manifest(name, {}))
        change = {"status": {"phase": "Failed", "allowedActions": list(allowed), **status}}
        self._run("patch", "obtask", name, "--subresource=status", "--type=merge", "-p", json.dumps(change))
        return name

    def manifest(self, name: str, metadata: Body, **spec: Any) -> Body:
        """Return a task to be created."""
        full = {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", "steps": [{"name": "a", "wait": {"seconds": 0}}], **spec}
        return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name, **metadata}, "spec": full}

    def creates(self, manifest: Body) -> str:
        """Try to create a task; return what kubectl says, or why it is refused."""
        try:
            return self.kubectl("create", "-n", self.namespace, "--dry-run=server", "-f", "-", manifest=manifest)
        except KubectlError as refusal:
            return str(refusal)

    def annotate(self, user: str, task: str, *words: str) -> dict[str, str]:
        """Annotate a task as a user; return the task's annotations after that."""
        return self.annotations(self._run("annotate", "obtask", task, *words, f"--as={user}", "-o", "json"))

    def refused(self, user: str, *words: str) -> str:
        """Run kubectl as a user; return what it says when it is refused."""
        with pytest.raises(KubectlError) as refusal:
            self._run(*words, f"--as={user}")
        return str(refusal.value)

    def says(self, user: str, *words: str) -> str:
        """Run kubectl as a user; return what it says, or why it is refused."""
        try:
            return self._run(*words, f"--as={user}")
        except KubectlError as refusal:
            return str(refusal)

    def annotations(self, text: str) -> dict[str, str]:
        """Return the annotations of a task as JSON, but for those that are always there: who created it, and that it is new."""
        found: dict[str, str] = json.loads(text)["metadata"].get("annotations", {})
        return {key: value for key, value in found.items() if key not in {CREATOR, MARK}}

    def _run(self, *words: str) -> str:
        return self.kubectl("-n", self.namespace, *words)


@pytest.fixture(scope="module")
def people(control_plane: ControlPlane, kubectl: Kubectl, module_namespace: str) -> Iterator[People]:
    """Install the chart, make users, and wait until every policy is at work."""
    with release(control_plane, module_namespace, small(module_namespace)):
        found = People(kubectl, module_namespace, count())
        found.allow("rita", "retry")
        found.allow("alice", *ALL, "cancel")
        found.allow("nobody")
        for role in ("view", "edit", "admin"):
            found.bind(f"{role}or", role)
        task = found.task(*ALL, lock=LOCK)
        dry = ("--dry-run=server", "-o", "json")
        eventually(lambda: "unknown command" in found.says("alice", "annotate", "obtask", task, "action=x", *dry), "the policy of commands")
        kept = found.manifest("kept", {"annotations": {TRACKED: "x"}}, ttlSecondsAfterFinished=1)
        eventually(lambda: "leave the field out" in found.creates(kept), "the policy of what is kept in git")
        eventually(lambda: "holds the lock" in found.says("rita", "delete", "obtask", task, "--dry-run=server"), "the policy of deletions")
        eventually(lambda: STAMP in found.says("alice", "annotate", "obtask", task, "action=retry", *dry), "the stamp")
        eventually(lambda: found.says("editor", "auth", "can-i", "retry", "obtasks").strip() == "yes", "the aggregated role")
        eventually(lambda: found.says("adminor", "auth", "can-i", "skip", "obtasks").strip() == "yes", "the aggregated role")
        yield found


@pytest.mark.parametrize("key", ["action", ACTION])
def test_an_allowed_command_passes_and_is_signed(people: People, key: str) -> None:
    """Either key; the annotation says who asked."""
    task = people.task("retry", "skip")

    assert people.annotate("rita", task, f"{key}=retry", f"{REASON}=fixed") == {key: "retry", REASON: "fixed", STAMP: "rita"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["action=rollback"], "rollback is not allowed while Failed; allowed now: retry, skip", id="not-now"),
        pytest.param(["action=restart"], "unknown command restart: use one of retry, rollback, skip, skip-step, cancel", id="unknown"),
        pytest.param(["action="], "unknown command : use one of", id="empty"),
        pytest.param(["action=Retry"], "unknown command Retry", id="case-matters"),
        pytest.param(["action=retry", f"{ACTION}=skip"], "two different commands at once: retry and skip", id="two"),
    ],
)
def test_a_command_that_cannot_be_accepted_is_refused_at_once(people: People, words: list[str], said: str) -> None:
    """The message says what is allowed; nothing is stored."""
    task = people.task("retry", "skip")

    assert said in people.refused("alice", "annotate", "obtask", task, *words)
    assert people.annotations(people.kubectl("-n", people.namespace, "get", "obtask", task, "-o", "json")) == {}


def test_a_finished_task_takes_no_command(people: People) -> None:
    """Where nothing is allowed, the message says so."""
    task = people.task(phase="Succeeded")

    assert "retry is not allowed while Succeeded; allowed now: nothing" in people.refused(
        "alice", "annotate", "obtask", task, "action=retry"
    )


def test_a_task_that_cannot_be_read_can_be_skipped(people: People) -> None:
    """What the operator tells people to type is not refused for what a newer operator has allowed; it needs the verb all the same."""
    task = people.task("cancel", phase="Running", message=f"{UNREADABLE} (steps[0].phase: Baking): ... action=skip")

    assert "needs the verb skip" in people.refused("rita", "annotate", "obtask", task, "action=skip")
    assert "retry is not allowed while Running" in people.refused("alice", "annotate", "obtask", task, "action=retry")
    assert people.annotate("alice", task, "action=skip")["action"] == "skip"


def test_every_command_has_a_verb_of_its_own(people: People) -> None:
    """A role that may retry may not skip, even if it may change tasks."""
    task = people.task(*ALL)

    said = [people.refused("rita", "annotate", "obtask", task, f"action={verb}") for verb in ALL[1:]]

    assert [
        f"rita may not give the command {verb}: it needs the verb {verb}" in text for verb, text in zip(ALL[1:], said, strict=True)
    ] == [True] * 3
    assert all("Forbidden" in text for text in said)
    assert "may not give the command retry" in people.refused("nobody", "annotate", "obtask", task, "action=retry")


def test_roles_of_the_cluster_get_their_part(people: People) -> None:
    """Editors retry, roll back and cancel; skipping needs admin; viewers look."""
    may = {
        user: {verb for verb in ("list", "create", *ALL, "cancel") if people.says(user, "auth", "can-i", verb, "obtasks").strip() == "yes"}
        for user in ("viewor", "editor", "adminor")
    }

    assert may == {
        "viewor": {"list"},
        "editor": {"list", "create", "retry", "rollback", "cancel"},
        "adminor": {"list", "create", *ALL, "cancel"},
    }


def test_other_changes_pass_while_a_command_waits(people: People) -> None:
    """A label, a repeated annotation or taking the command back needs no verb; the signature stays as long as the command does."""
    task = people.task(*ALL)
    people.annotate("alice", task, "action=skip")

    assert people.annotate("nobody", task, "note=x") == {"action": "skip", STAMP: "alice", "note": "x"}
    assert people.annotate("nobody", task, "action=skip", "--overwrite")[STAMP] == "alice"
    assert people.annotate("nobody", task, "action-", "note-") == {}


def test_a_signature_cannot_be_forged(people: People) -> None:
    """Another name in the same request is replaced; a change of the name alone is put back, whether it was there or not."""
    task = people.task(*ALL)

    assert people.annotate("nobody", task, f"{STAMP}=boss") == {}
    assert people.annotate("rita", task, "action=retry", f"{STAMP}=boss") == {"action": "retry", STAMP: "rita"}
    assert people.annotate("nobody", task, f"{STAMP}=boss", "--overwrite")[STAMP] == "rita"
    assert people.annotate("nobody", task, f"{STAMP}-")[STAMP] == "rita"
    assert people.annotate("alice", task, "action=skip", "--overwrite")[STAMP] == "alice"


def test_the_reason_of_a_waiting_command_belongs_to_whoever_gave_it(people: People) -> None:
    """Who changes the reason gives the command: with the right to do so, and in the own name."""
    task = people.task(*ALL)
    people.annotate("alice", task, "action=skip", f"{REASON}=mine")

    assert "rita may not give the command skip" in people.refused("rita", "annotate", "obtask", task, f"{REASON}=hers", "--overwrite")
    assert people.annotate("adminor", task, f"{REASON}=ours", "--overwrite")[STAMP] == "adminor"


def test_an_option_is_for_those_who_may_retry(people: People) -> None:
    """Written beforehand, it would change what somebody else's retry does."""
    option = "task.oceanbase.com/action-option=fresh"
    people.allow("patcher")
    people.allow("retrier", "retry")
    task = people.task(*ALL)

    said = people.refused("patcher", "annotate", "obtask", task, option)

    assert "patcher may not set task.oceanbase.com/action-option: it needs the verb retry" in said
    assert option.split("=", maxsplit=1)[0] in people.annotate("retrier", task, option)
    assert option.split("=", maxsplit=1)[0] in people.annotate("patcher", task, "example.com/note=x"), (
        "other changes pass while it is there"
    )


def test_nobody_but_the_operator_notes_a_command(people: People) -> None:
    """The note is the command as the operator took it: who could write it would need no verb."""
    task = people.task("retry")

    assert "only the operator may change" in people.refused("alice", "annotate", "obtask", task, f"{NOTE}={{}}")
    people.kubectl(
        "-n", people.namespace, "annotate", "obtask", task, f"{NOTE}={{}}", f"--as={people.operator}", "--as-group=system:masters"
    )
    assert "only the operator may change" in people.refused("alice", "annotate", "obtask", task, f"{NOTE}-")


def test_nobody_makes_a_task_look_like_a_copy(people: People) -> None:
    """What the operator noted of an object is not for others to change; a copy may bring it along, and a replacement leave it out."""
    task, adopted = people.task("retry"), "task.oceanbase.com/adopted"

    assert "only the operator may change" in people.refused("alice", "annotate", "obtask", task, f"{adopted}=another", "--overwrite")
    people.kubectl(
        "-n",
        people.namespace,
        "annotate",
        "obtask",
        task,
        "--overwrite",
        f"{adopted}=uid",
        f"--as={people.operator}",
        "--as-group=system:masters",
    )
    assert "only the operator may change" in people.refused("alice", "annotate", "obtask", task, f"{adopted}=x", "--overwrite")
    assert "annotated" in people.says("alice", "annotate", "obtask", task, f"{adopted}-")
    assert "created" in people.creates(people.manifest("copy", {"annotations": {adopted: "uid"}}))


def test_a_new_task_can_only_be_cancelled(people: People) -> None:
    """Commands in a manifest obey the same rules."""
    words = ("create", "-n", people.namespace, "--as=alice", "--dry-run=server", "-o", "json", "-f", "-")

    def create(**annotations: str) -> str:
        return people.kubectl(*words, manifest=people.manifest("new", {"annotations": annotations}))

    assert people.annotations(create(action="cancel"))[STAMP] == "alice"
    assert people.annotations(create(**{STAMP: "boss"})) == {}
    with pytest.raises(KubectlError, match="retry is not allowed while Pending; allowed now: cancel"):
        create(action="retry")
    with pytest.raises(KubectlError, match="only the operator may change"):
        create(**{NOTE: "{}"})


def test_deleting_a_task_that_holds_a_lock_needs_skip(people: People) -> None:
    """The message names the lock; a task without one is deleted by anybody who may delete."""
    holder, free = people.task(*ALL, lock=LOCK), people.task(*ALL)

    said = people.refused("rita", "delete", "obtask", holder)
    assert f"task {holder} holds the lock obt-x" in said
    assert "needs the verb skip" in said
    assert "holds the lock" in people.refused("rita", "delete", "obtask", "--all", "--dry-run=server")
    assert "deleted" in people.says("rita", "delete", "obtask", free)
    assert "deleted" in people.says("alice", "delete", "obtask", holder)


@pytest.mark.parametrize(
    ("mark", "where"),
    [
        (TRACKED, "annotations"),
        ("meta.helm.sh/release-name", "annotations"),
        ("kustomize.toolkit.fluxcd.io/name", "labels"),
        ("helm.toolkit.fluxcd.io/name", "labels"),
        ("argocd.argoproj.io/instance", "labels"),
    ],
)
def test_a_task_that_is_made_again_must_not_delete_itself(people: People, mark: str, where: str) -> None:
    """It would run again after its time to live; the message names the mark of the tool. Without the field it passes."""
    metadata = {where: {mark: "x"}}

    assert f"would delete task x after its end, and whoever keeps it ({mark})" in people.creates(
        people.manifest("x", metadata, ttlSecondsAfterFinished=60)
    )
    assert "created" in people.creates(people.manifest("x", metadata))


def test_a_time_to_live_is_for_tasks_that_are_made_once(people: People) -> None:
    """By a person or a program, or as a hook of Argo CD, which is made once per sync."""
    hook = {"annotations": {TRACKED: "x", HOOK: "PreSync"}}
    labelled_hook = {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {HOOK: "PreSync"}}

    for metadata in ({}, {"labels": {"app.kubernetes.io/instance": "x"}}, hook, labelled_hook):
        assert "created" in people.creates(people.manifest("x", metadata, ttlSecondsAfterFinished=60))


@pytest.mark.parametrize(
    ("mark", "metadata"),
    [
        ("meta.helm.sh/release-name", {"annotations": {HOOK: "PreSync", "meta.helm.sh/release-name": "x"}}),
        ("kustomize.toolkit.fluxcd.io/name", {"annotations": {HOOK: "PreSync"}, "labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}),
        ("helm.toolkit.fluxcd.io/name", {"annotations": {HOOK: "PreSync"}, "labels": {"helm.toolkit.fluxcd.io/name": "x"}}),
    ],
)
def test_a_hook_of_argo_cd_means_nothing_to_other_tools(people: People, mark: str, metadata: Body) -> None:
    """Flux and Helm make it again whatever Argo CD's annotation says."""
    assert f"whoever keeps it ({mark})" in people.creates(people.manifest("x", metadata, ttlSecondsAfterFinished=60))


def test_a_namespace_with_a_failed_task_can_be_cleaned_up(people: People) -> None:
    """Those who clean up after a deleted namespace or owner are not asked for skip."""
    task = people.task(*ALL, lock=LOCK)

    assert "deleted" in people.says("system:serviceaccount:kube-system:namespace-controller", "delete", "obtask", task, "--dry-run=server")


def test_the_operator_is_not_in_its_own_way(people: People) -> None:
    """It takes commands off and may keep annotations as it likes."""
    task = people.task("retry")
    people.annotate("rita", task, "action=retry")
    words = ["annotate", "obtask", task, "action-", f"{STAMP}-", f"{NOTE}={{}}", "-o", "json"]

    left = people.kubectl("-n", people.namespace, *words, f"--as={people.operator}", "--as-group=system:masters")

    assert people.annotations(left) == {NOTE: "{}"}


def test_without_the_stamp_nobody_speaks_in_anothers_name(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """On API servers without MutatingAdmissionPolicy a command may be signed with the own name, or not at all."""
    with release(control_plane, namespace, small(namespace, admission={"requestedBy": False})):
        found = People(kubectl, namespace, count())
        found.allow("alice", "retry")
        task = found.task("retry")
        eventually(
            lambda: "unknown command" in found.says("alice", "annotate", "obtask", task, "action=x", "--dry-run=server"), "the policy"
        )

        assert "names whoever gives a command" in found.refused("alice", "annotate", "obtask", task, "action=retry", f"{STAMP}=boss")
        assert "names whoever gives a command" in found.refused("alice", "annotate", "obtask", task, f"{STAMP}=alice")
        assert found.annotate("alice", task, "action=retry") == {"action": "retry"}
        assert found.annotate("alice", task, "action-") == {}
        assert found.annotate("alice", task, "action=retry", f"{STAMP}=alice") == {"action": "retry", STAMP: "alice"}
        assert "names whoever gives a command" in found.refused("alice", "annotate", "obtask", task, f"{STAMP}-")


def test_without_required_rights_nobody_acts_as_the_operator(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """As many accounts as there may be in a task, the operator's is found among them; and who created it is not forged."""
    with release(control_plane, namespace, small(namespace, admission={"requestedBy": False, "requireRights": False})):
        found = People(kubectl, namespace, count())
        accounts = [*(f"a{number}" for number in range(8)), namespace]
        steps = [{"name": account, "job": {"image": "x", "podTemplate": {"spec": {"serviceAccountName": account}}}} for account in accounts]
        forged = found.manifest("forged", {"annotations": {CREATOR: "boss"}})

        eventually(lambda: "names whoever created the task" in found.creates(forged), "the policy")
        eventually(lambda: "operator's own" in found.creates(found.manifest("short", {}, steps=steps[-1:])), "the policy of creation")
        assert "must not act as the operator's own service account" in found.creates(found.manifest("long", {}, steps=steps))
        assert "created" in found.creates(found.manifest("others", {}, steps=steps[:-1]))


def test_what_is_new_is_marked_at_its_creation(people: People) -> None:
    """With the finalizer if it has a lock; a task that comes with a mark is a copy, whoever creates it."""

    def made(metadata: Body, **spec: Any) -> tuple[str | None, list[str]]:
        manifest = people.manifest(f"new-{next(people.numbers)}", metadata, **spec)
        text = people.kubectl("create", "-n", people.namespace, "-f", "-", "-o", "json", manifest=manifest)
        meta = json.loads(text)["metadata"]
        return meta["annotations"].get(MARK), meta.get("finalizers", [])

    marked = {"annotations": {MARK: "new", "a": "b"}}

    assert made({}) == ("new", [])
    assert made({"annotations": {"a": "b"}}, maintenance="Global") == ("new", [FINALIZER])
    assert made({"finalizers": ["a.example/b"]}, maintenance="Global") == ("new", ["a.example/b", FINALIZER])
    assert made(marked, maintenance="Global") == ("copy", [])
    assert made({"annotations": {MARK: "a-uid"}}, maintenance="Global") == ("a-uid", [])
    assert made({"finalizers": [FINALIZER]}, maintenance="Global") == (None, [FINALIZER])


def test_other_namespaces_are_left_alone(people: People, kubectl: Kubectl, namespace: str) -> None:
    """With a list of namespaces the policies say nothing about tasks elsewhere."""
    elsewhere = People(kubectl, namespace, count())
    elsewhere.allow(f"alice-{namespace}")
    task = elsewhere.task()

    assert elsewhere.annotate(f"alice-{namespace}", task, "action=x", f"{NOTE}=y") == {"action": "x", NOTE: "y"}
    assert people.namespace != namespace


ASKING = {"steps": [{"name": "sure", "approve": {"groups": ["dba", "team/sre"]}}, {"name": "a", "wait": {"seconds": 0}}]}
APPROVER = "task.oceanbase.com/approver-group"


def awaiting(people: People, step: str = "sure", **spec: Any) -> str:
    """Make a task that awaits approval at a step; return its name."""
    name = f"task-{next(people.numbers)}"
    people.kubectl("create", "-n", people.namespace, "-f", "-", manifest=people.manifest(name, {}, **(ASKING | spec)))
    change = {"status": {"phase": "Running", "allowedActions": ["approve", "cancel"], "currentStep": step}}
    people._run("patch", "obtask", name, "--subresource=status", "--type=merge", "-p", json.dumps(change))
    return name


@pytest.fixture(scope="module")
def approvers(people: People) -> People:
    """Give alice and mallory the right to approve, and to cancel."""
    people._run("create", "role", "approvers", "--verb=approve,cancel,get,patch", "--resource=obtasks.task.oceanbase.com")
    people._run("create", "rolebinding", "approvers", "--role=approvers", "--user=alice", "--user=mallory")
    return people


def test_a_member_of_a_group_approves_and_is_stamped(approvers: People) -> None:
    """The stamp has the step, and one of its groups that the user is in."""
    task = awaiting(approvers)

    found = json.loads(
        approvers._run("annotate", "obtask", task, "action=approve", "--as=alice", "--as-group=all", "--as-group=team/sre", "-o", "json")
    )

    assert found["metadata"]["annotations"][APPROVER] == "sure/team/sre"
    assert found["metadata"]["annotations"][STAMP] == "alice"


@pytest.mark.parametrize("stamp", [None, "sure/dba", "sure/all", ""])
def test_nobody_else_approves(approvers: People, stamp: str | None) -> None:
    """A user in other groups is refused with the groups that it needs, whatever he writes himself."""
    task = awaiting(approvers)
    words = ["action=approve", *([f"{APPROVER}={stamp}"] if stamp is not None else [])]

    said = approvers.says("mallory", "annotate", "obtask", task, *words, "--as-group=all", "--as-group=dba2")

    assert "mallory may not approve step sure: it needs one of the groups dba, team/sre" in said


def test_a_stamp_is_of_one_command(approvers: People) -> None:
    """It cannot be written beforehand, is not left to the next one, who signs for himself, and goes with its command."""
    task = awaiting(approvers)
    dba = ("--as-group=dba",)

    assert APPROVER not in approvers.annotate("alice", task, f"{APPROVER}=sure/dba", *dba)
    assert approvers.annotate("alice", task, "action=approve", f"{APPROVER}=sure/team/sre", *dba)[APPROVER] == "sure/dba"
    for words in (f"{APPROVER}=sure/team/sre", f"{REASON}=x", "task.oceanbase.com/action=approve"):
        said = approvers.says("mallory", "annotate", "obtask", task, words, "--overwrite")
        assert "may not approve" in said or approvers.annotations(said_of(approvers, task))[APPROVER] == "sure/dba"
    cancelled = approvers.annotate("mallory", task, "action=cancel", "--overwrite")
    assert (cancelled[STAMP], APPROVER in cancelled) == ("mallory", False)
    assert "may not approve" in approvers.says("mallory", "annotate", "obtask", task, "action=approve", "--overwrite")
    assert APPROVER not in approvers.annotate("mallory", task, "action-", *dba)


def said_of(people: People, task: str) -> str:
    """Return a task as JSON."""
    return people._run("get", "obtask", task, "-o", "json")


def test_the_groups_are_those_of_the_current_step(approvers: People) -> None:
    """Another step's groups do not count, and a step without groups asks for none."""
    steps = [
        {"name": "one", "approve": {"groups": ["dba"]}},
        {"name": "two", "approve": {"groups": ["sre"]}},
        {"name": "any", "approve": {}},
    ]

    def says(step: str) -> str:
        task = awaiting(approvers, step, steps=steps)
        return approvers.says("mallory", "annotate", "obtask", task, "action=approve", "--as-group=dba", "-o", "json")

    assert approvers.annotations(says("one"))[APPROVER] == "one/dba"
    assert "may not approve step two: it needs one of the groups sre" in says("two")
    assert APPROVER not in approvers.annotations(says("any"))


def test_only_the_operators_note_of_an_approval_gets_the_proof(approvers: People) -> None:
    """It is there after the operator has taken all stamps off, and only then: so the operator knows that the policies are at work."""
    proof = "task.oceanbase.com/groups-stamped"

    def noted(user: str, verb: str) -> dict[str, str]:
        note = json.dumps({"id": "1", "verb": verb, "requestedAt": "2026-01-01T00:00:00Z"}, separators=(",", ":"))
        words = ("--type=merge", "-p", json.dumps({"metadata": {"annotations": {NOTE: note, proof: None}}}), "-o", "json")
        return approvers.annotations(approvers._run("patch", "obtask", awaiting(approvers), *words, f"--as={user}"))

    operator = approvers.operator
    eventually(lambda: proof in noted(operator, "approve"), "the proof")
    assert proof not in noted(operator, "cancel")
    assert "only the operator" in approvers.says("mallory", "annotate", "obtask", awaiting(approvers), f"{NOTE}={{}}")
