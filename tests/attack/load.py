"""Owns attacks that use up what all namespaces share: the event loop, slots, evaluation, DNS, memory. S2, S3, S4, S11, S21."""

import json
from collections.abc import Callable
from typing import Any

from tests.attack.ground import ENDED, Ground, step, until
from tests.attack.listeners import site
from tests.attack.session import Body
from tests.attack.verdict import Attack, Held, Through, Verdict
from tests.support.node import Node

SECONDS = 20.0
NOWHERE = "http://127.0.0.1:9/"
FOREVER: Body = {"timeoutSeconds": 604800}
# What secrets look like, for whoever looks for them with regular expressions.
WORDS = (
    "PASSWORD",
    "token",
    "SECRET_",
    "ACCESS_KEY",
    "SET PASSWORD ",
    "a://b:",
    "identified by '",
    "password=",
    '"password":',
    "\\'",
    "${{",
)


def judged(ground: Ground, held: str) -> Verdict:
    """Return whether the operator fares well; the neighbour's latency is judged when it is all over."""
    harm = ground.harm(latency=False)
    return Through(harm) if harm else Held(held)


def secret_words(ground: Ground) -> Verdict:
    """Put a long word of what secrets look like into every field that is masked."""
    with ground.tenant() as tenant:
        made = 0
        for number, word in enumerate(WORDS):
            made += tenant.create("alice", f"words-{number}", *_wordy(word)).ok
        if made < len(WORDS):
            return Through(f"only {made} of {len(WORDS)} tasks were taken, which proves nothing")
        until(lambda: all(tenant.phase(f"words-{number}") in ENDED for number in range(made)), SECONDS)
        return judged(ground, f"{made} tasks with long words: no probe took longer than {_worst(ground)}")


def _worst(ground: Ground) -> str:
    return f"{ground.window.worst_probe:.1f} s" if ground.window else "?"


def _wordy(word: str) -> list[Body]:
    text = word * (16_000 // len(word))
    long = word * (90_000 // len(word))
    missing = {"connection": {"secretName": "missing"}}
    return [
        step(
            "a",
            obshell={"path": "/api/v1/ob/stop", "body": {"x": long}, **missing},
            timeoutSeconds=5,
            autoRetry={"limit": 1, "backoffSeconds": 1},
        ),
        step("b", http={"url": NOWHERE, "method": "POST", "body": long, "headers": {"x": word * (8000 // len(word))}}),
        step("c", sql={"statements": [text] * 2, "args": {"x": text}, **missing}),
        step("d", resource={"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"x": text}}}),
    ]


def rerun_after_kill(ground: Ground) -> Verdict:
    """Let such a task run again after every restart of the operator, as a liveness probe would bring about."""
    with ground.tenant() as tenant:
        body = {"x": "PASSWORD" * 10_000}
        missing = {"connection": {"secretName": "missing"}}
        loop = step("a", interrupted="Rerun", obshell={"path": "/api/v1/ob/stop", "body": body, **missing}, timeoutSeconds=30)
        tenant.make("carol", "loop", loop)
        with ground.interruption():
            ground.operator.kill()
            ready = ground.operator.start()
        until(lambda: tenant.phase("loop") in ENDED)
        if not ready:
            return Through("the operator does not start again")
        harm = ground.harm(latency=False)
        return Through(harm) if harm else Held(f"it starts, answers within {_worst(ground)}, and the task is {tenant.phase('loop')}")


def slots(ground: Ground) -> Verdict:
    """Start 256 attempts that wait for a week, as one author, in four small tasks."""
    with ground.tenant() as tenant, site() as page:
        for number in range(4):
            wait = {"url": page.url, "until": {"url": page.url, "expect": "status == 404", "intervalSeconds": 3600}}
            tenant.make("carol", f"greedy-{number}", step("a", **FOREVER, parallel=[{"name": f"x{i}", "http": wait} for i in range(64)]))
        until(lambda: page.count >= 200, SECONDS)
        return _neighbour_goes_on(ground, f"256 attempts poll, {page.count} requests so far")


def many_tasks(count: int) -> Callable[[Ground], Verdict]:
    """Return an attack by so many tasks that fail and try again every second."""

    def attack(ground: Ground) -> Verdict:
        with ground.tenant() as tenant:
            again = {"limit": 100, "backoffSeconds": 1, "maxBackoffSeconds": 1}
            for number in range(count):
                tenant.create(
                    "carol", f"greedy-{number}", step("a", autoRetry=again, http={"url": NOWHERE}), step("b", wait={"seconds": 0})
                )
            return _neighbour_goes_on(ground, f"{count} tasks fail and try again each second")

    return attack


def many_waiting(count: int) -> Callable[[Ground], Verdict]:
    """Return an attack by so many tasks that wait for one lock, which is then handed on from one to the next."""

    def attack(ground: Ground) -> Verdict:
        with ground.tenant() as tenant:
            for number in range(count):
                tenant.make("carol", f"greedy-{number}", step("a", wait={"seconds": 0}), cluster="one", maintenance="Global")
            return _neighbour_goes_on(ground, f"{count} tasks hand a lock on")

    return attack


def sql_slots(ground: Ground) -> Verdict:
    """Hold 192 slots by sql steps that wait for what never comes, in a database that answers."""
    with ground.tenant() as tenant:
        sql = ground.seekdb
        tenant.secret("db", host=sql.host, port=str(sql.port), user=sql.user, password=sql.password, database=sql.database)
        wait = {"statements": ["select 1"], "until": {"query": "select 1", "expect": "size(rows) == 9", "intervalSeconds": 60}}
        for number in range(3):
            subtasks = [{"name": f"x{i}", "sql": wait} for i in range(64)]
            tenant.make("carol", f"greedy-{number}", step("a", **FOREVER, parallel=subtasks), connection={"secretName": "db"})
        return _neighbour_goes_on(ground, "192 sql attempts poll")


def _neighbour_goes_on(ground: Ground, what: str) -> Verdict:
    """Wait until the neighbour has run some tasks meanwhile, or has waited too long."""
    before = len(ground.neighbour.took)
    until(lambda: len(ground.neighbour.took) >= before + 15 or ground.hopeless, SECONDS)
    return judged(ground, what)


def expressions(ground: Ground) -> Verdict:
    """Send as many and as large expressions as are accepted, all of them different."""
    with ground.tenant() as tenant:
        before, accepted = ground.operator.memory_mib(), {}
        for count, size in ((312, 4000), (64, 4000), (15, 4000), (200, 250)):
            answers = [tenant.create("carol", f"cel-{count}-{number}", *_expressive(count, size, number)) for number in range(4)]
            accepted[f"{count}x{size}"] = sum(answer.ok for answer in answers)
        names = [f"cel-{key.split('x')[0]}-{number}" for key, ok in accepted.items() if ok for number in range(4)]
        until(lambda: all(tenant.phase(name) in ENDED for name in names), SECONDS)
        grown = ground.operator.memory_mib() - before
        told = f"accepted {accepted}, +{grown:.0f} MiB"
        return Through(told) if grown > 250 else judged(ground, told)


def _expressive(count: int, size: int, seed: int) -> list[Body]:
    def expression(number: int) -> str:
        terms = " && ".join(f"headers['k{seed}-{number}-{i}'] != 'x'" for i in range(size // 32))
        return terms[:size].rpartition(" && ")[0] or terms

    subtasks = [{"name": f"x{number}", "http": {"url": NOWHERE, "expect": expression(number)}} for number in range(count)]
    groups = [subtasks[at : at + 64] for at in range(0, count, 64)]
    return [step(f"s{index}", parallel=group) for index, group in enumerate(groups)]


def costly_evaluation(ground: Ground) -> Verdict:
    """Evaluate expressions of the greatest cost over a large answer, again and again."""
    rows: Any = [list(range(60)) for _ in range(60)]
    cost = "body.all(a, body.all(b, a.all(c, b.all(d, c + d >= 0))))"
    with ground.tenant() as tenant, site(json.dumps(rows)) as page:
        again = {"limit": 20, "backoffSeconds": 1, "maxBackoffSeconds": 1}
        subtasks = [{"name": f"x{number}", "http": {"url": page.url, "expect": cost}} for number in range(32)]
        tenant.make("carol", "costly", step("a", autoRetry=again, parallel=subtasks))
        return _neighbour_goes_on(ground, "32 costly evaluations at a time")


def slow_names(ground: Ground) -> Verdict:
    """Ask for many names that no resolver answers, again and again."""
    with ground.tenant() as tenant:
        if not ground.resolver:
            return Held("NOT TRIED: this machine lets us have no resolver of our own")
        again = {"limit": 100, "backoffSeconds": 0}
        for number in range(2):
            names = [{"name": f"x{i}", "http": {"url": f"http://h{i}-{number}.attacker.test/"}} for i in range(64)]
            tenant.make("carol", f"slow-{number}", step("a", autoRetry=again, timeoutSeconds=60, parallel=names))
        until(lambda: tenant.phase("slow-1") == "Running", SECONDS)
        return _neighbour_goes_on(ground, "128 names are asked for")


def many_secrets(ground: Ground) -> Verdict:
    """End a Job whose pod has two Secrets with as many keys as they can hold as files, and a third as variables."""
    with ground.tenant() as tenant, Node(ground.cluster, tenant.namespace).running():
        for number, count in enumerate((48_000, 48_000, 16_000)):
            keys = {f"k{number}{key:05d}": f"v{key * 7919 % 99991:05d}{number}" for key in range(count)}
            tenant.secret(f"keys-{number}", "Opaque", **keys)
        script = "for i in $(seq 200); do echo line $i of a log that is masked v0791$i; done; exit 3"
        mounts = [{"name": f"keys-{number}", "mountPath": f"/keys-{number}"} for number in range(2)]
        volumes = [{"name": f"keys-{number}", "secret": {"secretName": f"keys-{number}"}} for number in range(2)]
        pod = {"spec": {"volumes": volumes, "containers": [{"volumeMounts": mounts}]}}
        sources = [{"secretRef": {"name": "keys-2"}}]
        job = {"image": "x", "command": ["sh", "-c", script], "envFrom": sources, "podTemplate": pod}
        tenant.make("alice", "keys", step("a", job=job, timeoutSeconds=60))
        phase = tenant.ended("keys", 30)
        return (
            judged(ground, f"{phase}; no probe took longer than {_worst(ground)}") if phase == "Failed" else Through(f"the task is {phase}")
        )


def event_flood(ground: Ground) -> Verdict:
    """Make more Events than one operator posts; the neighbour's must not be dropped."""
    with ground.tenant() as tenant:
        for number in range(6):
            subtasks = [{"name": f"x{i}", "http": {"url": NOWHERE}} for i in range(64)]
            tenant.make("carol", f"noisy-{number}", step("a", autoRetry={"limit": 3, "backoffSeconds": 0}, parallel=subtasks))
        tasks = ground.neighbour.tasks
        tasks.create("heard", connection={"secretName": "seekdb"}, steps=[step("a", sql={"statements": ["select 1"]})])
        said = until(lambda: [event["reason"] for event in tasks.events("heard")], SECONDS)
        tasks.delete("heard")
        return Held(f"Events of the neighbour: {', '.join(said)}") if said else Through("the neighbour has no Event")


BLOCKED = "/healthz silent for 46 s, neighbours Pending"
ATTACKS = (
    Attack("S2", "long words that look like secrets", BLOCKED, secret_words, judged=True),
    Attack("S2", "the same again after a kill", "endless crash loop", rerun_after_kill, full=True),
    Attack("S3", "256 attempts that wait for a week", "sql and http of everybody stand still", slots, judged=True),
    Attack("S3", "192 sql attempts that wait", "sql and http of everybody stand still", sql_slots, judged=True),
    Attack("S3", "40 tasks that fail and try again", "not tried", many_tasks(40), judged=True),
    Attack("S3", "400 tasks that fail and try again", "not tried", many_tasks(400), judged=True, full=True),
    Attack("S3", "100 tasks that want one lock", "not tried", many_waiting(100), judged=True),
    Attack("S3", "1000 tasks that want one lock", "not tried", many_waiting(1000), judged=True, full=True),
    Attack("S4", "thousands of expressions", "loop blocked > 5 min, 641 MiB", expressions, judged=True),
    Attack("S4", "costly evaluation again and again", "suspected", costly_evaluation, judged=True),
    Attack("S11", "names that no resolver answers", "no connection for anybody", slow_names, judged=True),
    Attack("S21", "Secrets with 112,000 values", "/healthz 6 to 8 s at the end of a step", many_secrets, judged=True),
    Attack("S3", "a flood of Events", "suspected: the oldest of all are dropped", event_flood),
)
