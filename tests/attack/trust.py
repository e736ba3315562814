"""Owns attacks by objects made under names that anybody can compute, and by text that is not what it seems. S7, S14, S18, S22."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.attack.ground import ENDED, Ground, Tenant, step, until
from tests.attack.listeners import site
from tests.attack.session import Answer, Body, Session
from tests.attack.verdict import Attack, Held, Through, Verdict, all_of
from tests.support.node import Node

APPS = "apps/v1"
ROOTKIT = "attacker/rootkit:1"


def digest(*parts: str, length: int = 40) -> str:
    """Return the end of a name as everybody can compute it."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:length]


def owner(task: Body) -> Body:
    """Return the ownerReference that objects of a task have."""
    meta = task["metadata"]
    return {
        "apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "name": meta["name"], "uid": meta["uid"],
        "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def forged(task: Body, name: str, step_name: str, **more: Any) -> Body:
    """Return the beginning of an object that looks as if the operator had made it for a step."""
    meta = task["metadata"]
    labels = {"task.oceanbase.com/task": meta["name"], "task.oceanbase.com/task-uid": meta["uid"]}
    notes = {"task": meta["name"], "step": step_name, "subtask": step_name, "direction": "Forward", "attempt": "1"}
    annotations = {f"task.oceanbase.com/{key}": value for key, value in notes.items()}
    return {"metadata": {"name": name, "labels": labels, "annotations": annotations, "ownerReferences": [owner(task)]}, **more}


def forge(user: Session, path: str, body: Body) -> Answer:
    """Make an object; where its labels are refused, without them."""
    made = user.send("POST", path, body)
    return made if made.ok else user.send("POST", path, body | {"metadata": body["metadata"] | {"labels": {}}})


def deployment(image: str) -> Body:
    """Return a Deployment with this image."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"hostPID": image == ROOTKIT, "containers": [{"name": "web", "image": image}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": APPS, "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


@contextmanager
def _changing(ground: Ground, seconds: int) -> Iterator[tuple[Tenant, Body, str]]:
    """Have a task that waits, changes a Deployment and fails; yield its namespace, itself and the name of what is kept of the object."""
    with ground.tenant() as tenant:
        ground.admin.send("POST", tenant.path("deployments", group=APPS), deployment("shop/web:1"))
        patch = {"apiVersion": APPS, "kind": "Deployment", "name": "web", "patch": {"spec": {"replicas": 3}}}
        steps = [
            step("wait", wait={"seconds": seconds}),
            step("scale", resource={"patch": patch}, rollback={"resource": {"restore": True}}),
            step("fail", http={"url": "http://127.0.0.1:9/"}),
        ]
        answer = tenant.create("alice", "change", *steps, serviceAccountName="deployer")
        assert answer.ok, answer.said
        task = answer.body()
        yield tenant, task, f"obt-before-{digest(task['metadata']['uid'], 'scale', 'scale')}"


def _rolled_back(tenant: Tenant) -> Verdict:
    until(lambda: tenant.phase("change") == "Failed", 25)
    given = tenant.command("dave", "change", "rollback")
    until(lambda: tenant.phase("change") in ("RolledBack", "RollingBack") or tenant.status("change").get("direction") == "Rollback", 10)
    phase = tenant.ended("change", 15)
    live = tenant.ground.admin.get(tenant.path("deployments", "web", APPS))
    image, replicas = live["spec"]["template"]["spec"]["containers"][0]["image"], live["spec"]["replicas"]
    if image == ROOTKIT:
        return Through(f"{phase}; the Deployment now runs {ROOTKIT} as the task's service account put it there")
    said = str(tenant.status("change").get("failedSubtask", {}).get("message", ""))[:70]
    return Held(f"{phase}, image {image}, {replicas} replicas{': ' + said if said else ''}{'' if given.ok else ' ' + given.said}")


def kept_beforehand(ground: Ground) -> Verdict:
    """Make the ConfigMap with the former state of an object before the operator does; it looks like the operator's own."""
    with _changing(ground, 3) as (tenant, task, name):
        data = {"object.json": json.dumps(deployment(ROOTKIT))}
        body = forged(task, name, "scale", data=data, immutable=True)
        made = forge(tenant.as_("mallory"), tenant.path("configmaps"), body)
        verdict = _rolled_back(tenant)
        return all_of(verdict, Held("made" if made.ok else f"refused: {made.said}"))


def kept_exchanged(ground: Ground) -> Verdict:
    """Exchange what was kept, between the change and the rollback: delete it and make another of the same name."""
    with _changing(ground, 0) as (tenant, _task, _name):
        until(lambda: tenant.phase("change") == "Failed", 25)
        alice = tenant.as_("alice")
        kept = [body for body in alice.get(tenant.path("configmaps"))["items"] if body["metadata"]["name"].startswith("obt-before-")]
        for body in kept:
            path = tenant.path("configmaps", body["metadata"]["name"])
            meta = {key: value for key, value in body["metadata"].items() if key in ("name", "labels", "annotations", "ownerReferences")}
            other = {"metadata": meta, "data": {key: json.dumps(deployment(ROOTKIT)) for key in body["data"]}, "immutable": True}
            gone = alice.send("DELETE", path)
            made = forge(alice, tenant.path("configmaps"), other)
            if not (gone.ok and made.ok):
                return Held(f"refused: {gone.said if not gone.ok else made.said}")
        return _rolled_back(tenant) if kept else Through("nothing was kept, which proves nothing")


def job_beforehand(ground: Ground) -> Verdict:
    """Make the Job of a step before the operator does; it ends well, and the real one would not."""
    with ground.tenant() as tenant, Node(ground.cluster, tenant.namespace).running():
        steps = [
            step("wait", wait={"seconds": 2}),
            step("backup", job={"image": "x", "command": ["sh", "-c", "exit 3"]}, timeoutSeconds=15),
        ]
        answer = tenant.create("alice", "jt", *steps)
        assert answer.ok, answer.said
        task = answer.body()
        name = f"jt-backup-{digest(task['metadata']['uid'], 'backup', 'backup', 'Forward', '1', length=16)}"
        pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "attacker/true", "command": ["true"]}]}}
        body = forged(task, name, "backup", apiVersion="batch/v1", kind="Job", spec={"backoffLimit": 0, "template": pod})
        made = forge(tenant.as_("jeff"), tenant.path("jobs", group="batch/v1"), body)
        phase = tenant.ended("jt", 25)
        said = str(tenant.status("jt").get("message", ""))[:90]
        told = f"{phase}: {said}{'' if made.ok else '; his Job was refused'}"
        return Through(told) if phase == "Succeeded" else Held(told)


def forged_pod(ground: Ground) -> Verdict:
    """Put a pod with the labels of a running step's pod beside it; it says other things and ends well."""
    with ground.tenant() as tenant, Node(ground.cluster, tenant.namespace).running():
        job = {"image": "x", "command": ["sh", "-c", "echo real; sleep 4; exit 3"]}
        answer = tenant.create("alice", "pods", step("backup", job=job, timeoutSeconds=20))
        assert answer.ok, answer.said
        pods = until(lambda: tenant.ground.admin.get(tenant.path("pods"))["items"])
        if not pods:
            return Through("the step has no pod, which proves nothing")
        # With the Job's own uid on it, Kubernetes itself would adopt it: whoever may read Jobs and create pods can do that to any Job.
        own = ("controller-uid", "task-uid")
        labels = {key: value for key, value in pods[0]["metadata"]["labels"].items() if not key.endswith(own)}
        meta = {"name": "forged", "labels": labels, "annotations": pods[0]["metadata"].get("annotations", {})}
        container = {"name": "main", "image": "x", "command": ["sh", "-c", "echo forged-line; echo 0 > /dev/termination-log; exit 0"]}
        made = tenant.as_("alice").send(
            "POST", tenant.path("pods"), {"metadata": meta, "spec": {"restartPolicy": "Never", "containers": [container]}}
        )
        phase = tenant.ended("pods", 25)
        forged_log = "forged-line" in _whole_log(tenant, "pods")
        told = f"{phase}, the log is {'forged' if forged_log else 'the real one'}{'' if made.ok else '; the pod was refused'}"
        return Through(told) if forged_log or phase == "Succeeded" else Held(told)


def _whole_log(tenant: Tenant, task: str) -> str:
    status = tenant.status(task)
    bodies = tenant.ground.admin.get(tenant.path("configmaps"))["items"]
    packed = [octets for body in bodies for octets in (body.get("binaryData") or {}).values()]
    return "\n".join([json.dumps(status), *(gzip.decompress(base64.b64decode(octets)).decode(errors="replace") for octets in packed)])


def log_beforehand(ground: Ground) -> Verdict:
    """Make the ConfigMap of a log before the operator does, so that it cannot be written."""
    with ground.tenant() as tenant:
        sql = ground.seekdb
        tenant.secret("db", host=sql.host, port=str(sql.port), user=sql.user, password=sql.password, database=sql.database)
        statements = [f"select '{digest('a', str(number)) * 20}'" for number in range(60)]
        steps = [step("wait", wait={"seconds": 2}), step("a", sql={"statements": [*statements, "select * from no_such_table"]})]
        task = tenant.create("alice", "logged", *steps, connection={"secretName": "db"}).body()
        name = f"obt-log-{digest(task['metadata']['uid'], 'a', 'a', 'Forward', '1')}"
        body = forged(task, name, "a", immutable=True, binaryData={"log.gz": base64.b64encode(gzip.compress(b"forged")).decode()})
        made = forge(tenant.as_("mallory"), tenant.path("configmaps"), body)
        tenant.ended("logged", 20)
        reference = until(lambda: tenant.status("logged").get("failedSubtask", {}).get("logRef"), 5)
        stored = ground.admin.get(tenant.path("configmaps", (reference or {}).get("configMap", "none")))
        packed = (stored.get("binaryData") or {}).get("log.gz", "")
        text = gzip.decompress(base64.b64decode(packed)).decode() if packed else ""
        if "no_such_table" in text:
            return Held("the real log is kept elsewhere" if made.ok else f"refused: {made.said}")
        told = _whole_log(tenant, "logged")
        named = name in told or "somebody else" in told or "ConfigMap" in told
        return (
            Held("the status says that the log could not be kept") if named and text != "forged" else Through("the log is lost or forged")
        )


def log_flood(ground: Ground) -> Verdict:
    """Fail again and again with the largest log, as somebody who may not create ConfigMaps."""
    with ground.tenant() as tenant:
        sql = ground.seekdb
        tenant.secret("db", host=sql.host, port=str(sql.port), user=sql.user, password=sql.password, database=sql.database)
        statements = [f"select '{''.join(digest(str(number), str(part), length=64) for part in range(60))}'" for number in range(50)]
        sql_action = {"statements": [*statements, "select * from no_such_table"]}
        again = {"limit": 8, "backoffSeconds": 0}
        tenant.make("carol", "noisy", step("a", autoRetry=again, sql=sql_action), connection={"secretName": "db"})
        tenant.ended("noisy", 40)
        attempts = tenant.status("noisy")["steps"][0]["subtasks"][0]["attempts"]
        kept = [body for body in ground.admin.get(tenant.path("configmaps"))["items"] if body["metadata"]["name"].startswith("obt-")]
        size = sum(len(json.dumps(body)) for body in kept) // 1024
        told = f"{attempts} attempts left {len(kept)} ConfigMaps, {size} KiB"
        return Held(told) if attempts >= 9 and len(kept) <= 4 else Through(told)


CONTROLS = ("\x1b", "\x07", "\u202e", "\u2066", "\u009b", "\x7f")
EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\u2066\u009b31m\x00\x7f"


def escape_sequences(ground: Ground) -> Verdict:
    """Put terminal controls and bidirectional overrides wherever an author, a server or a holder may write."""
    with ground.tenant() as tenant, site(json.dumps({"said": EVIL})) as page:
        since = ground.operator.position()
        unsaid = EVIL.replace("\x00", "")
        names = []
        for number, action in enumerate(_evil_actions(page.url, unsaid)):
            if tenant.create("alice", f"evil-{number}", step("a", **action), displayName=unsaid).ok:
                names.append(f"evil-{number}")
        _evil_holder(tenant, f"{unsaid}/x")
        until(lambda: all(tenant.phase(name) in ENDED for name in names) and tenant.phase("behind") != "Pending", 15)
        shown = [tenant.status(name) for name in [*names, "locked", "behind"]]
        events = [event.get("message") for event in ground.admin.get(tenant.path("events"))["items"]]
        places = {"a status": shown, "an Event": events, "the operator's log": ground.operator.logged(since)}
        found = [place for place, value in places.items() if any(mark in text for text in _texts(value) for mark in CONTROLS)]
        if found:
            return Through(f"controls in {' and '.join(found)}")
        return Held(f"{len(names)} tasks and a Lease: no control in status, Events and log")


def _evil_actions(url: str, text: str) -> list[Body]:
    missing = {"connection": {"secretName": "none"}}
    return [
        {"http": {"url": url, "expect": "body.said == '\\n2026-01-01T00:00:00Z forged'"}},
        {"http": {"url": url, "expect": f"body.nothing == '{text}'"}},
        {"sql": {"statements": [f"select '{text}'"], "args": {text: "x"}, **missing}},
        {"resource": {"apply": {"apiVersion": "v1", "kind": f"K{text}", "metadata": {"name": "x"}}}},
        {"obshell": {"path": f"/api/v1/{text}", "body": {text: text}, **missing}},
        {"http": {"url": url, "headers": {text: "x"}}},
    ]


def _evil_holder(tenant: Tenant, holder: str) -> None:
    """Let a stranger of this name hold the Lease of a running task, and another task wait for it."""
    lock: Body = {"cluster": "l", "maintenance": "Global"}
    tenant.create("alice", "locked", step("a", wait={"seconds": 600}), **lock)
    until(lambda: tenant.phase("locked") == "Running")
    lease = tenant.path("leases", tenant.status("locked").get("lock", {}).get("lease", "none"), "coordination.k8s.io/v1")
    tenant.ground.admin.send("PATCH", lease, {"spec": {"holderIdentity": holder}})
    tenant.create("alice", "behind", step("a", wait={"seconds": 0}), **lock)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, keys included."""
    match value:
        case str():
            yield value
        case dict():
            yield from value
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            pass


ATTACKS = (
    Attack("S7", "a kept object made beforehand", "attacker/rootkit:1 put back as the deployer", kept_beforehand),
    Attack("S7", "a kept object exchanged", "put back likewise", kept_exchanged),
    Attack("S14", "logs of many attempts", "21 ConfigMaps, 13 MiB in 96 s", log_flood),
    Attack("S18", "a Job made beforehand", "Succeeded; the backup never ran", job_beforehand),
    Attack("S18", "a pod with the step's labels", "its status and log are believed", forged_pod),
    Attack("S18", "a log made beforehand", "the log is lost", log_beforehand),
    Attack("S22", "escape sequences", "5 raw ESC in the message and in the log", escape_sequences),
)
