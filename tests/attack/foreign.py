"""Owns attacks by objects that are hard to read: deep, broad, from other versions. S1, S10."""

import json
from collections.abc import Iterator

from tests.attack.ground import PATIENCE, Ground, Tenant, until
from tests.attack.session import Answer, Body
from tests.attack.verdict import Attack, Held, Through, Verdict, all_of

HOLE = '"@"'
CONFIG_MAP = '"apiVersion": "v1", "kind": "ConfigMap"'
# Where an author may write what he likes: the steps of a task with a hole in each.
FREE = {
    "http.body": '{"name": "a", "http": {"url": "http://127.0.0.1:9/", "body": "@"}}',
    "job.podTemplate": '{"name": "a", "job": {"image": "x", "podTemplate": {"spec": {"x": "@"}}}}',
    "job.envFrom": '{"name": "a", "job": {"image": "x", "envFrom": [{"x": "@"}]}}',
    "job.resources": '{"name": "a", "job": {"image": "x", "resources": {"x": "@"}}}',
    "resource.apply": '{"name": "a", "resource": {"apply": {' + CONFIG_MAP + ', "metadata": {"name": "a"}, "x": "@"}}}',
    "resource.patch": '{"name": "a", "resource": {"patch": {' + CONFIG_MAP + ', "name": "a", "patch": {"x": "@"}}}}',
    "obshell.body": '{"name": "a", "obshell": {"path": "/api/v1/ob/stop", "body": {"x": "@"}}}',
    "parallel": '{"name": "a", "parallel": [{"name": "b", "http": {"url": "http://127.0.0.1:9/", "body": "@"}}]}',
    "rollback": '{"name": "a", "wait": {"seconds": 0}, "rollback": {"http": {"url": "http://127.0.0.1:9/", "body": "@"}}}',
}


def nested(depth: int, kind: str) -> str:
    """Return JSON of that depth: lists, objects or both in turn."""
    opening = {"list": ("[", "]"), "object": ('{"x":', "}"), "both": ('[{"x":', "}]")}[kind]
    times = depth // 2 if kind == "both" else depth
    return opening[0] * times + "0" + opening[1] * times


def raw(tenant: Tenant, name: str, field: str, inner: str) -> Answer:
    """Create a task, as alice, whose free field holds this JSON."""
    text = filled(tenant.manifest(name, {"name": "hole"}, connection={"secretName": "x"}), field, inner)
    return tenant.as_("alice").send("POST", tenant.task_path(), text, fieldValidation="Ignore")


def filled(manifest: Body, field: str, inner: str) -> str:
    """Return a task whose only step has this JSON in its free field."""
    return json.dumps(manifest).replace('{"name": "hole"}', FREE[field].replace(HOLE, inner))


def _outcome(tenant: Tenant, names: list[str], refused: int) -> Verdict:
    """Wait for the end of every poisonous task."""
    ended = until(lambda: all(tenant.phase(name) in ("Rejected", "Failed") for name in names), PATIENCE)
    harm = tenant.ground.harm(latency=False)
    if harm:
        return Through(harm)
    if not ended:
        return Through(f"tasks stay {sorted({tenant.phase(name) for name in names})}")
    return Held(f"{refused} refused by the API server, {len(names)} {'/'.join(sorted({tenant.phase(name) for name in names}))}")


def deep_tasks(ground: Ground) -> Verdict:
    """Nest every free field to just below, at and far beyond what Python reads, as a list, an object and a mixture."""
    with ground.tenant() as tenant:
        made, refused = [], 0
        for index, (field, depth, kind) in enumerate(_depths()):
            answer = raw(tenant, f"deep-{index}", field, nested(depth, kind))
            refused += not answer.ok
            made += [f"deep-{index}"] if answer.ok else []
        return _outcome(tenant, made, refused)


def _depths() -> Iterator[tuple[str, int, str]]:
    for field in FREE:
        yield field, 2000, "object"
    for depth in (70, 500, 960, 1100, 9900):
        yield "http.body", depth, "list"
        yield "obshell.body", depth, "both"


def deep_restart(ground: Ground) -> Verdict:
    """Leave a poisonous task behind while no operator runs, and start one."""
    with ground.tenant() as tenant:
        with ground.interruption():
            ground.operator.kill()
            answers = [raw(tenant, f"deep-{depth}", "http.body", nested(depth, "list")) for depth in (960, 2000, 9900)]
            ready = ground.operator.start()
        if not ready:
            return Through(f"the operator does not start again: {ground.operator.logged().strip().splitlines()[-1][-120:]}")
        made = [f"deep-{depth}" for depth, answer in zip((960, 2000, 9900), answers, strict=True) if answer.ok]
        return all_of(_outcome(tenant, made, len(answers) - len(made)), Held("started beside them"))


def broad_tasks(ground: Ground) -> Verdict:
    """Fill free fields with a megabyte of empty lists, keys, numbers or text."""
    shapes = {
        "lists": "[" + ",".join(["[]"] * 400_000) + "]",
        "keys": json.dumps({f"k{number}": 0 for number in range(80_000)}),
        "digits": "[" + "9" * 1_000_000 + "]",
        "text": json.dumps("\x00\u202e\ud800 " * 50_000),
        "floats": "[" + ",".join(["1e308", "-0.0", "1e-320"] * 30_000) + "]",
    }
    with ground.tenant() as tenant:
        answers = {name: raw(tenant, name, "http.body", inner) for name, inner in shapes.items()}
        made = [name for name, answer in answers.items() if answer.ok]
        return _outcome(tenant, made, len(answers) - len(made))


def large_waiting_tasks(ground: Ground) -> Verdict:
    """Let many tasks wait that are as large as the operator takes them, and some that are larger; also after a restart."""
    with ground.tenant() as tenant:
        # The first holds the lock for as long as the attack lasts.
        tenant.make("alice", "holder", {"name": "a", "wait": {"seconds": 600}}, cluster="x", maintenance="Global")
        before = ground.operator.own_mib()
        taken = [f"larger-{number}" for number in range(4) if _waiting(tenant, f"larger-{number}", number, 900_000)]
        made = [f"large-{number}" for number in range(30) if _waiting(tenant, f"large-{number}", number, 120_000)]
        until(lambda: all(tenant.phase(name) in ("Waiting", "Rejected") for name in [*taken, *made]))
        phases = {name: tenant.phase(name) for name in [*taken, *made]}
        grown = ground.operator.own_mib() - before
        with ground.interruption():
            ready = ground.operator.restart()
        after = ground.operator.own_mib()
        waiting = sum(phase == "Waiting" for phase in phases.values())
        told = f"{waiting} tasks of 120 KB wait, larger ones do not: +{grown:.0f} MiB, {after:.0f} MiB after a restart"
        larger = [name for name in taken if phases[name] != "Rejected"]
        if larger:
            return Through(f"tasks of 900 KB are {phases[larger[0]]}")
        return Held(told) if ready and waiting == len(made) == 30 and grown < 60 and after < 200 else Through(told)


# What takes much more than its text, or long to look at.
DENSE = ("[]", "{}", "[" * 50 + "]" * 50, '{"a":[{}]}', '""', '"\\""', "1", '"${{ task.name }}"')


def _body(number: int, size: int) -> str:
    one = DENSE[number % len(DENSE)]
    # A task has 64 KiB of expressions at most.
    ones = [one] * (200 if "$" in one else size // (len(one) + 1))
    return "[" + ",".join([*ones, '"' + "x" * (size - sum(map(len, ones)) - len(ones)) + '"']) + "]"


def _waiting(tenant: Tenant, name: str, number: int, size: int) -> bool:
    text = filled(tenant.manifest(name, {"name": "hole"}, cluster="x", maintenance="Global"), "http.body", _body(number, size))
    return tenant.as_("alice").send("POST", tenant.task_path(), text).ok


def strange_metadata(ground: Ground) -> Verdict:
    """Write statuses, annotations, labels and Leases of another version, or of nobody's."""
    with ground.tenant() as tenant:
        names = [f"odd-{number}" for number in range(4)]
        for name in names:
            tenant.create("alice", name, {"name": "a", "wait": {"seconds": 600}})
        until(lambda: all(tenant.phase(name) == "Running" for name in names))
        _poison(tenant, names)
        tenant.create("alice", "after")
        phase = tenant.ended("after")
        harm = ground.harm(latency=False)
        ok = phase == "Succeeded" and not harm
        return Held("the operator goes on; a new task there Succeeded") if ok else Through(harm or f"a new task there is {phase}")


def _poison(tenant: Tenant, names: list[str]) -> None:
    admin = tenant.ground.admin
    huge = {f"x.example/{number}": "\u202e\x1b[31m" * 2000 for number in range(10)}
    admin.send("PATCH", tenant.task_path(names[0]), {"metadata": {"annotations": huge, "labels": {"task.oceanbase.com/task-uid": "x"}}})
    broken = [
        {"steps": [{"name": "?", "phase": "Running", "subtasks": [{"name": "?", "phase": "Running", "attempts": 10**9}]}]},
        {"observedGeneration": 2**60, "currentStep": "no-such-step", "phase": "Running", "steps": []},
        {"lock": {"lease": "../../x", "scope": "Global", "acquiredAt": "0001-01-01T00:00:00Z", "token": 2**53}, "phase": "Running"},
    ]
    for name, status in zip(names[1:], broken, strict=True):
        admin.send("PATCH", f"{tenant.task_path(name)}/status", {"status": status})
    for number, holder in enumerate(("/", "a/b/c/d", "x" * 60_000, "\x1b]0;x\x07/\u202e")):
        meta = {"name": f"obt-global-{number}", "labels": {"task.oceanbase.com/lock": "global", "task.oceanbase.com/domain": "x"}}
        lease = {"metadata": meta, "spec": {"holderIdentity": holder, "leaseTransitions": 2**31 - 1}}
        admin.send("POST", tenant.path("leases", group="coordination.k8s.io/v1"), lease)


KILLED = "RecursionError ends the operator for all"
ATTACKS = (
    Attack("S1", "deep JSON in every free field", KILLED, deep_tasks, judged=True),
    Attack("S1", "deep JSON before the start", "RecursionError, exit 1, at every start", deep_restart),
    Attack("S1", "broad JSON", "held, 24 MB of memory for each", broad_tasks),
    Attack("S1", "statuses, labels and Leases of nobody", "not tried", strange_metadata),
    Attack("S10", "large tasks that wait", "10 of them: 117 -> 362 MB, again after a restart", large_waiting_tasks),
)
