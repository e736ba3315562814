"""Owns attacks at the door: commands, deletions, Leases, names and rights that the API server has to refuse. S8, S12, S13, S20."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.attack.ground import Ground, Tenant, step, until
from tests.attack.session import Answer, Body, Session
from tests.attack.verdict import Attack, Held, Through, Verdict

COORDINATION = "coordination.k8s.io/v1"
ACTION = "task.oceanbase.com/action"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
LOCKED: Body = {"maintenance": "Global", "cluster": "prod"}
FAILS = step("a", http={"url": "http://127.0.0.1:9/"})


@contextmanager
def _locked(ground: Ground) -> Iterator[tuple[Tenant, str]]:
    """Have a failed task that holds a lock; yield its namespace and the name of its Lease."""
    with ground.tenant() as tenant:
        tenant.create("alice", "locked", FAILS, **LOCKED)
        until(lambda: tenant.phase("locked") == "Failed")
        lease = str(tenant.status("locked").get("lock", {}).get("lease", ""))
        assert lease, "the task holds no lock"
        yield tenant, lease


def _still(tenant: Tenant, lease: str, what: str) -> Verdict:
    """Return whether the task and its lock are still there, and stay."""
    uid = tenant.ground.admin.get(tenant.task_path("locked")).get("metadata", {}).get("uid", "gone")

    def freed() -> str:
        task = tenant.ground.admin.get(tenant.task_path("locked"))
        holder = tenant.ground.admin.get(tenant.path("leases", lease, COORDINATION)).get("spec", {}).get("holderIdentity", "")
        lost = not task or "lock" not in task.get("status", {}) or task["metadata"].get("deletionTimestamp")
        return "the task is gone or has lost its lock" if lost else "" if holder.endswith(uid) else f"the Lease names {holder or 'nobody'}"

    # The garbage collector and the operator need a moment to make it worse.
    found = until(freed, 3)
    return Through(f"{found} ({what})") if found else Held(what)


def orphan_bait(ground: Ground) -> Verdict:
    """Give the task an owner that is then deleted, in every form of a change, so that the garbage collector deletes the task."""
    with _locked(ground) as (tenant, lease):
        alice, path = tenant.as_("alice"), tenant.task_path("locked")
        bait = alice.send("POST", tenant.path("configmaps"), {"metadata": {"name": "bait"}}).body()
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": bait["metadata"]["uid"]}
        gone = reference | {"name": "never-there", "uid": "00000000-0000-0000-0000-000000000000"}
        head = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask"}
        answers = [
            alice.send("PATCH", path, {"metadata": {"ownerReferences": [reference]}}),
            alice.send("PATCH", path, {"metadata": {"ownerReferences": [gone]}}),
            alice.send("PATCH", path, [{"op": "add", "path": "/metadata/ownerReferences", "value": [reference]}], JSON_PATCH),
            alice.send("PATCH", path, head | {"metadata": {"name": "locked", "ownerReferences": [reference]}}, APPLY, fieldManager="x"),
            alice.send("PUT", path, _with(alice.get(path), ownerReferences=[reference])),
            alice.send("PATCH", path, {"metadata": {"ownerReferences": [reference], "annotations": {ACTION: "retry"}}}),
        ]
        alice.send("DELETE", tenant.path("configmaps", "bait"))
        return _still(tenant, lease, f"{sum(not answer.ok for answer in answers)} of {len(answers)} changes refused")


def owned_from_birth(ground: Ground) -> Verdict:
    """Create the task with an owner, and delete the owner when the task holds its lock."""
    with ground.tenant() as tenant:
        alice = tenant.as_("alice")
        bait = alice.send("POST", tenant.path("configmaps"), {"metadata": {"name": "bait"}}).body()
        manifest = tenant.manifest("locked", FAILS, **LOCKED)
        manifest["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": bait["metadata"]["uid"]}
        ]
        made = alice.send("POST", tenant.task_path(), manifest)
        if not made.ok:
            return Held(f"refused: {made.said}")
        until(lambda: tenant.phase("locked") == "Failed")
        lease = str(tenant.status("locked")["lock"]["lease"])
        alice.send("DELETE", tenant.path("configmaps", "bait"))
        return _still(tenant, lease, "the garbage collector may not delete it either")


def _with(body: Body, **metadata: Any) -> Body:
    return body | {"metadata": body["metadata"] | metadata}


def deletions(ground: Ground) -> Verdict:
    """Delete the task, or all of them, in every way, or take its finalizer off."""
    with _locked(ground) as (tenant, lease):
        path, many = tenant.task_path("locked"), tenant.task_path()
        tries: list[Callable[[Session], Answer]] = [
            lambda user: user.send("DELETE", path),
            lambda user: user.send("DELETE", path, {"propagationPolicy": "Orphan", "gracePeriodSeconds": 0}),
            lambda user: user.send("DELETE", path, {"propagationPolicy": "Foreground"}),
            lambda user: user.send("DELETE", many),
            lambda user: user.send("DELETE", many, fieldSelector="status.phase%3DFailed"),
            lambda user: user.send("DELETE", many, labelSelector="!x"),
            lambda user: user.send("PATCH", path, {"metadata": {"finalizers": []}}),
            lambda user: user.send("PATCH", path, {"metadata": {"finalizers": None}}),
            lambda user: user.send("PATCH", path, [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH),
            lambda user: user.send("PATCH", f"{path}/status", {"status": {"lock": None}}),
            lambda user: user.send("PATCH", f"{path}/status", {"status": {"phase": "Skipped"}}),
        ]
        answers = [attempt(tenant.as_(user)) for user in ("alice", "bob", "carol") for attempt in tries]
        return _still(tenant, lease, f"{sum(not answer.ok for answer in answers)} of {len(answers)} requests refused")


def lease_edits(ground: Ground) -> Verdict:
    """Change, empty, relabel, replace or delete the Lease of the lock by hand."""
    with _locked(ground) as (tenant, lease):
        path, many = tenant.path("leases", lease, COORDINATION), tenant.path("leases", group=COORDINATION)
        alice = tenant.as_("alice")
        live = alice.get(path)
        head = {"apiVersion": COORDINATION, "kind": "Lease", "metadata": {"name": lease}}
        answers = [
            alice.send("PATCH", path, {"metadata": {"labels": None}}),
            alice.send("PATCH", path, {"metadata": {"labels": {"task.oceanbase.com/lock": None}}, "spec": {"holderIdentity": "evil/x"}}),
            alice.send("PATCH", path, {"spec": {"holderIdentity": "evil/x"}}),
            alice.send("PATCH", path, {"spec": {"holderIdentity": None}}),
            alice.send("PATCH", path, [{"op": "replace", "path": "/spec/holderIdentity", "value": ""}], JSON_PATCH),
            alice.send("PATCH", path, head | {"spec": {"holderIdentity": "evil/x"}}, APPLY, fieldManager="x", force="true"),
            alice.send("PUT", path, live | {"spec": live.get("spec", {}) | {"holderIdentity": "evil/x"}}),
            alice.send("PATCH", path, {"spec": {"leaseTransitions": 2147483647}}),
            alice.send("PATCH", path, {"metadata": {"finalizers": ["x.example/stay"]}}),
            alice.send("DELETE", path),
            alice.send("DELETE", many),
            alice.send("DELETE", many, labelSelector="task.oceanbase.com/lock"),
        ]
        return _still(tenant, lease, f"{sum(not answer.ok for answer in answers)} of {len(answers)} requests refused")


def tokens(ground: Ground) -> Verdict:
    """Let tokens go back, or use them up: delete a free Lease, count it up to the end, make the Lease of a lock beforehand."""
    with ground.tenant() as tenant:
        tenant.create("alice", "first", step("a", wait={"seconds": 600}), **LOCKED)
        until(lambda: tenant.phase("first") == "Running")
        lock = tenant.status("first")["lock"]
        tenant.command("alice", "first", "cancel")
        until(lambda: tenant.phase("first") == "Failed")
        tenant.command("dave", "first", "skip")
        until(lambda: tenant.phase("first") == "Skipped")
        alice, path = tenant.as_("alice"), tenant.path("leases", lock["lease"], COORDINATION)
        until(lambda: not alice.get(path).get("spec", {}).get("holderIdentity"), 5)
        over = [alice.send("PATCH", path, {"spec": {"leaseTransitions": number}}) for number in (2147483647, 0)]
        gone = alice.send("DELETE", path)
        tenant.create("alice", "second", step("a", wait={"seconds": 600}), **LOCKED)
        until(lambda: tenant.phase("second") == "Running", 15)
        token = tenant.status("second").get("lock", {}).get("token")
        refused = sum(not answer.ok for answer in (*over, gone))
        told = f"token {lock['token']}, then {token or 'none: ' + tenant.phase('second')}; {refused} of 3 requests refused"
        return Held(told) if token and token > lock["token"] else Through(told)


SPELLINGS = (
    "skip", " skip", "skip ", "skip\n", "\tskip", "\u00a0skip", "\x1fskip", "s\u200bkip", "SKIP", "Skip", "skip-step", "skip,retry",
)  # fmt: skip


def commands(ground: Ground) -> Verdict:
    """Give commands without the right to, or in somebody else's name, in every spelling."""
    with _locked(ground) as (tenant, lease):
        path, carol = tenant.task_path("locked"), tenant.as_("carol")
        spelled = [{key: text} for key in ("action", ACTION) for text in SPELLINGS]
        answers = [carol.send("PATCH", path, {"metadata": {"annotations": annotations}}) for annotations in spelled]
        stamp, note = "task.oceanbase.com/requested-by", "task.oceanbase.com/accepted-command"
        head = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask"}
        more = [
            {"action": "retry", ACTION: "skip"},
            {ACTION: "skip", stamp: "dave"},
            {note: json.dumps({"verb": "skip", "requestedBy": "dave"})},
            {stamp: "dave"},
        ]
        answers += [carol.send("PATCH", path, {"metadata": {"annotations": annotations}}) for annotations in more]
        answers += [
            carol.send("PATCH", path, [{"op": "add", "path": "/metadata/annotations", "value": {ACTION: "skip"}}], JSON_PATCH),
            carol.send("PATCH", path, head | {"metadata": {"name": "locked", "annotations": {ACTION: "skip"}}}, APPLY, fieldManager="x"),
            carol.send("PATCH", f"{path}/status", {"metadata": {"annotations": {ACTION: "skip"}}, "status": {"phase": "Skipped"}}),
            carol.send("POST", tenant.task_path(), _born_with(tenant, {ACTION: "skip"})),
            carol.send("POST", tenant.task_path(), _born_with(tenant, {note: "{}"})),
        ]
        action = tenant.status("locked").get("lastAction", {})
        if action.get("requestedBy") not in (None, "carol"):
            return Through(f"the command is signed {action['requestedBy']}")
        return _still(tenant, lease, f"{sum(not answer.ok for answer in answers)} of {len(answers)} refused, the others without effect")


def approvals(ground: Ground) -> Verdict:
    """Approve without being in the group: with forged stamps and notes, somebody else's, an old one, twice, and for a later step."""
    first, second = (step(name, approve={"groups": [group]}) for name, group in (("first", "dba"), ("second", "sre")))
    stamp, note = "task.oceanbase.com/approver-group", "task.oceanbase.com/accepted-command"
    head = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask"}
    with ground.tenant() as tenant:
        tenant.make("alice", "asked", first, second, maintenance="None", cluster="prod")
        until(lambda: tenant.status("asked").get("reason") == "AwaitingApproval")
        path, dba = tenant.task_path("asked"), replace(tenant.as_("alice"), group="dba")
        outsiders = [replace(tenant.as_(user), group=group) for user, group in (("alice", "dev"), ("dave", "first/dba"), ("carol", "dba"))]
        forged = json.dumps({"id": "1", "verb": "approve", "approverGroup": "first/dba", "requestedAt": "2026-01-01T00:00:00Z"})
        forms: list[Body] = [
            {"action": "approve"},
            {ACTION: "approve", stamp: "first/dba"},
            {stamp: "first/dba"},
            {"action": "approve", stamp: "first/dba", "task.oceanbase.com/requested-by": "dave"},
            {"action": "approve", ACTION: "approve", "task.oceanbase.com/groups-stamped": "true"},
            {note: forged, "task.oceanbase.com/groups-stamped": "true"},
        ]
        answers = [who.send("PATCH", path, {"metadata": {"annotations": form}}) for who in outsiders for form in forms]
        for who in outsiders:
            signed = head | {"metadata": {"name": "asked", "annotations": {ACTION: "approve", stamp: "first/dba"}}}
            answers += [
                who.send("PATCH", path, [{"op": "add", "path": "/metadata/annotations", "value": {ACTION: "approve"}}], JSON_PATCH),
                who.send("PATCH", path, signed, APPLY, fieldManager="x"),
                who.send("PATCH", f"{path}/status", {"metadata": {"annotations": {ACTION: "approve"}}, "status": {"currentStep": "x"}}),
                who.send("POST", tenant.task_path(), _born_with(tenant, {ACTION: "approve", stamp: "first/dba"})),
            ]
        if until(lambda: tenant.status("asked").get("currentStep") != "first", 2):
            return Through("somebody in none of the groups approved")
        given = dba.send("PATCH", path, {"metadata": {"annotations": {"action": "approve"}}})
        until(lambda: tenant.status("asked").get("currentStep") == "second", 10)
        again = [
            dba.send("PATCH", path, {"metadata": {"annotations": {"action": "approve", **form}}}) for form in ({}, {stamp: "first/dba"})
        ]
        until(lambda: tenant.phase("asked") != "Running", 2)
        status = tenant.status("asked")
        if not given.ok or status["currentStep"] != "second" or status["reason"] != "AwaitingApproval":
            return Through(f"at step {status['currentStep']}, {status['reason']}; the approval of a member: {given.said}")
        refused = sum(not answer.ok for answer in (*answers, *again))
        return Held(f"{refused} of {len(answers) + len(again)} refused, the others without effect; a member approved once")


def _born_with(tenant: Tenant, annotations: Body) -> Body:
    manifest = tenant.manifest("born", step("a", wait={"seconds": 1}))
    manifest["metadata"]["annotations"] = annotations
    return manifest


ATTACKS = (
    Attack("S8", "an owner that is then deleted", "the task is gone after 1 s, the lock free", orphan_bait),
    Attack("S8", "an owner from birth", "not tried", owned_from_birth),
    Attack("S8", "deletions and finalizers", "held", deletions),
    Attack("S8", "edits of the lock's Lease", "LockLost, then anybody deletes the task", lease_edits),
    Attack("S8", "commands without the right", "held, in 22 forms", commands),
    Attack("S8", "approvals without the group", "not there", approvals),
    Attack("S20", "fencing tokens", "501, then 1; or Pending for ever", tokens),
)
