"""Owns objects that are meant to hurt whoever reads them: everything that the API server stores."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

from tests.support.apiserver import LEASES, OBTASKS, ApiServer, Body, ServerError

GROUP = "task.oceanbase.com"
DEEPEST = 9_900  # the decoder of the API server takes 10,000 levels
KIB = 1024
ETCD_BYTES = 1536 * KIB
JOBS, PODS = "/apis/batch/v1/namespaces/{}/jobs", "/api/v1/namespaces/{}/pods"

Written = tuple[str, str]  # name, JSON text


def post(api: ApiServer, path: str, text: str) -> None:
    """Create an object from its text, which may be more than Python's own encoder can make; raises ApiError when it is refused."""
    connection = api._connect(60)
    try:
        connection.request("POST", path, text.encode(), {"Content-Type": "application/json"})
        answer: http.client.HTTPResponse = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise ServerError(answer.status, said[:300].decode(errors="replace"))


def rows(api: ApiServer, namespace: str) -> list[dict[str, str | None]]:
    """Return what kubectl would show of the tasks of a namespace, by column; nothing of what they contain is sent."""
    connection = api._connect(60)
    try:
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        connection.request("GET", f"{OBTASKS.format(namespace)}?includeObject=None", headers=accept)
        table = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    names = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


def task(name: str, body: str = '""', *, metadata: Body | None = None, **spec: Any) -> Written:
    """Return a task with a step whose free-form body is this JSON text."""
    meta = {"name": name, **(metadata or {})}
    full = {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", **spec}
    step = '[{"name":"s","http":{"url":"http://127.0.0.1:9/","body":' + body + "}}]"
    text = json.dumps({"apiVersion": f"{GROUP}/v1alpha1", "kind": "OBTask", "metadata": meta, "spec": full})
    return name, text[:-2] + ',"steps":' + step + "}}"


def nested_list(depth: int) -> str:
    """Return lists in lists."""
    return "[" * depth + "]" * depth


def nested_map(depth: int) -> str:
    """Return maps in maps."""
    return '{"a":' * depth + "1" + "}" * depth


def too_much() -> Iterator[Written]:
    """Yield tasks whose spec is beyond the limits: they end Rejected."""
    for depth in (70, 200, 500, 990, 2_000, DEEPEST):
        yield task(f"list-{depth}", nested_list(depth))
    for depth in (70, 990, 4_000):
        yield task(f"map-{depth}", nested_map(depth))
    yield task("mixed", ('[{"a":' * 600) + "1" + ("}]" * 600))
    yield task("wide-list", "[" + ",".join(["[]"] * 330_000) + "]")
    yield task("wide-map", "{" + ",".join(f'"k{number}":0' for number in range(40_000)) + "}")
    yield task("wide-and-deep", "[" + ",".join([nested_list(900)] * 300) + "]")
    yield task("long-string", json.dumps("x" * 1200 * KIB))
    yield task("long-escapes", json.dumps('"\\' * 150 * KIB))
    yield task("long-markup", json.dumps("<&>" * 80 * KIB))
    yield task("long-key", "{" + json.dumps("k" * 1000 * KIB) + ":1}")
    yield task("brackets", json.dumps("[{" * 400 * KIB))
    yield task("status-inside", '{"x":{"a":[' + ",".join(["1"] * 150 * KIB) + ']},"status":{"phase":"Succeeded"}}')
    yield task("spec-inside", '{"spec":{"a":[' + ",".join(["1"] * 150 * KIB) + ']},"status":{"x":{}}}')
    yield task("holding-deep", nested_list(3_000), maintenance="Global")


def harmless() -> Iterator[Written]:
    """Yield tasks that are odd and within the limits: they run, and their step fails, since nobody listens."""
    yield task("n" * 253)
    yield task("a.b-c.0")
    yield task("just-right", nested_list(50))
    yield task("nearly-large", "[" + ",".join(["[]"] * 80_000) + "]")
    yield task("annotated", metadata={"annotations": {"a/b": "[" * 200 * KIB, "c": '"managedFields":['}})
    yield task("noted", metadata={"annotations": {f"{GROUP}/accepted-command": nested_list(5_000)}})
    yield task("noted-large", metadata={"annotations": {f"{GROUP}/accepted-command": json.dumps({"id": "x" * 200 * KIB})}})
    yield task(
        "noted-odd", metadata={"annotations": {f"{GROUP}/accepted-command": '{"id":1,"verb":[],"requestedAt":"9999-12-31T23:59:59"}'}}
    )
    yield task("finalized", metadata={"finalizers": [f"example.com/{number}" for number in range(500)]})
    yield task("labelled", metadata={"labels": {f"example.com/{number}": "x" * 63 for number in range(2_000)}})


# Statuses that no operator of this version writes, but a newer or a broken one may.
STATUSES: dict[str, Body] = {
    "phase-unknown": {"phase": "Hibernating", "message": "asleep"},
    "reason-unknown": {"phase": "Running", "reason": "AwaitingMoon", "message": "step 1/1"},
    "failed-unknown": {
        "phase": "Failed",
        "reason": "Bewitched",
        "lock": {"lease": "obt-x", "scope": "Moon", "acquiredAt": "x", "token": "1"},
    },
    "verb-unknown": {"phase": "Waiting", "allowedActions": ["levitate"]},
    "types": {"phase": "Running", "steps": "none", "blockedBy": {"a": 1}, "startedAt": 5},
    "lock-list": {"phase": "Failed", "lock": [["x"]]},
    "times": {"phase": "Running", "startedAt": "10000-01-01T00:00:00Z"},
    "times-naive": {"phase": "Failed", "startedAt": "2026-01-01T00:00:00", "finishedAt": "0000-00-00"},
    "numbers": {"phase": "Running", "lockAttempts": 1e300, "observedGeneration": -(2**62)},
    "steps-odd": {"phase": "Failed", "currentStep": "ghost", "steps": [{"name": "x", "subtasks": [None]}, 3]},
    "deep": {"phase": "Running", "lock": json.loads(nested_map(900))},
}


def leases(namespace: str) -> Iterator[Body]:
    """Yield Leases with the label of a lock and with what no operator writes."""
    holders = ["x/y/z", "/", "../obtasks/x/1", "a%2fb/1", "ghost/1", "\u202e/\n", "h" * 100_000, "."]
    for number, holder in enumerate(holders):
        yield lease(f"holder-{number}", {"holderIdentity": holder}, namespace)
    yield lease("year-0", {"holderIdentity": "ghost/2", "acquireTime": "0000-01-01T00:00:00.000000Z"}, namespace)
    yield lease("year-9999", {"holderIdentity": "ghost/3", "acquireTime": "9999-12-31T23:59:59.999999Z"}, namespace)
    yield lease("most", {"holderIdentity": "ghost/4", "leaseTransitions": 2**31 - 1}, namespace)
    yield lease("none", {"holderIdentity": "ghost/5", "leaseTransitions": 0}, namespace)
    yield lease("empty", {}, namespace)
    yield lease(
        "annotated", {"holderIdentity": "ghost/6"}, namespace, annotations={f"{GROUP}/cluster": "x" * 200 * KIB, f"{GROUP}/type": "[["}
    )


def lease(name: str, spec: Body, namespace: str, annotations: dict[str, str] | None = None) -> Body:
    """Return a Lease that is a lock by its label."""
    labels = {f"{GROUP}/lock": "global", f"{GROUP}/domain": "0" * 40}
    meta = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations or {}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def jobs_and_pods() -> Iterator[tuple[str, Body]]:
    """Yield Jobs and pods that bear our labels and are none of ours, as (collection, object)."""
    container = {"name": "c", "image": "x"}
    for number, uid in enumerate(["none", "0" * 63, "a.b_c"]):
        labels = {f"{GROUP}/task": "ghost", f"{GROUP}/task-uid": uid, "batch.kubernetes.io/job-name": "ghost"}
        notes = {f"{GROUP}/step": "[" * 100 * KIB, f"{GROUP}/attempt": "NaN", f"{GROUP}/direction": "Up"}
        meta = {"name": f"odd-{number}", "labels": labels, "annotations": notes}
        env = [{"name": f"E{each}", "value": "x" * 100} for each in range(3_000)]
        pod = {"containers": [container | {"env": env}], "restartPolicy": "Never"}
        yield PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod | {"nodeName": "nowhere"}}
        template = {"metadata": {"labels": {"x": "y"}}, "spec": pod}
        yield JOBS, {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"suspend": True, "template": template}}


def poison(api: ApiServer, namespace: str) -> None:
    """Create all of it in a namespace."""
    for name, text in (*too_much(), *harmless()):
        try:
            post(api, OBTASKS.format(namespace), text)
        except ServerError as error:
            raise AssertionError(f"{name} was not stored, so it shows nothing: {error}") from error
    for name, status in STATUSES.items():
        post(api, OBTASKS.format(namespace), task(name)[1])
        api.send("PATCH", f"{OBTASKS.format(namespace)}/{name}/status", {"status": status})
    for body in leases(namespace):
        api.send("POST", LEASES.format(namespace), body)
    for path, body in jobs_and_pods():
        api.send("POST", path.format(namespace), body)
