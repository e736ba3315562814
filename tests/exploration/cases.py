"""Owns what is explored: tasks, operators, and how much may go wrong."""

from dataclasses import dataclass, field
from datetime import timedelta

from tests.exploration.catalogue import Json
from tests.exploration.operators import NAMESPACE, NOW, Parts

from obtask import names
from obtask.model.spec import TaskSpec
from obtask.rules.lock_keys import lock_key


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person does by hand: ``create``, ``delete``, ``delete-lease``, or a command such as ``retry``.

    ``approve`` is given by a member of a group, ``forge`` is the same by somebody else.
    """

    verb: str
    name: str
    body: Json | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """What is explored: the tasks, the operators, and how much may go wrong.

    ``late``: tasks that were created after the operators had read everything; each hears of them at any time.
    ``faults``: how often an operator crashes, or a request or its answer gets lost.
    ``lags``: how often the watches of an operator fall silent, for any time; None: they tell something at any time, or never.
    ``acts``: what a person may do, at most ``most_acts`` times. ``policies``: those of the chart are at work.
    """

    tasks: tuple[Json, ...]
    late: tuple[str, ...] = ()
    operators: tuple[str, ...] = ("one", "two")
    faults: int = 0
    lags: int | None = 0
    acts: tuple[Act, ...] = ()
    most_acts: int = 0
    policies: bool = True
    turns_at_once: int = 1
    parts: Parts = field(default_factory=Parts)


# An attempt that ends in the write that begins it would hold its lock in no state that can be seen.
ACTIONS: dict[str, Json] = {"succeeds": {"http": {"url": "http://x"}}, "fails": {"sql": {"statements": ["ALTER SYSTEM"]}}}
ASK: Json = {"name": "ask", "approve": {"groups": ["dba"]}}
FIND: Json = {"name": "find", "http": {"url": "http://x", "outputs": {"found": "body"}}}
UNDO: Json = {"rollback": {"http": {"url": "http://x/${{ item }}/${{ steps.find.outputs.found }}"}}}
FAILS: Json = {"name": "last"} | ACTIONS["fails"]
TARGETS: dict[str, Json] = {
    "None": {"type": "Cluster", "cluster": "c", "maintenance": "None"},
    "Global": {"type": "Cluster", "cluster": "c", "maintenance": "Global"},
    "Tenant a": {"type": "Cluster", "cluster": "c", "maintenance": "Tenant", "tenant": "a"},
    "Tenant b": {"type": "Cluster", "cluster": "c", "maintenance": "Tenant", "tenant": "b"},
    "Local Global": {"type": "Local", "agent": "h", "maintenance": "Global"},
    "OBProxy": {"type": "Local", "agent": "h", "maintenance": "OBProxy"},
}


def loop(action: Json) -> Json:
    """Return a step that does this for each of what was found, one after the other, and can undo it."""
    each = {"items": "[steps.find.outputs.found, 1].filter(one, true)", "maxParallel": 1, "subtask": action | UNDO}
    return {"name": "each", "forEach": each}


LOOP = loop({"http": {"url": "http://x/${{ item }}"}})
FIRST_LOOP: Json = {"name": "each", "forEach": {"items": "[1].filter(one, true)", "subtask": {"http": {"url": "http://x/${{ item }}"}}}}
BROKEN_LOOP = loop({"sql": {"statements": ["ALTER SYSTEM"], "args": {"item": "${{ item }}"}}})


def lease(target: str) -> str:
    """Return the name of the Lease that a task for this target locks."""
    key = lock_key(NAMESPACE, TaskSpec.model_validate(TARGETS[target] | {"steps": [{"name": "s"} | ACTIONS["succeeds"]]}))
    return key.lease_name if key else ""


def task(
    name: str,
    target: str,
    *,
    place: int = 0,
    action: str = "succeeds",
    steps: tuple[Json, ...] = (),
    life: int = 1,
    adopted: bool = True,
    held: tuple[str, ...] = (),
    more: Json | None = None,
) -> Json:
    """Return a task as a person creates it, at a place in the order of creation; ``life`` tells namesakes apart.

    ``held``: finalizers of others, who never take them off. Without ``steps`` it has one, with the action. ``more`` is of its spec.
    """
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"{name}{life}",
        "generation": 1,
        "creationTimestamp": (NOW + timedelta(seconds=place - 60)).isoformat(),
        "finalizers": [*held, *([names.FINALIZER] if adopted else [])],
        "annotations": {names.ADOPTED_ANNOTATION: f"{name}{life}"} if adopted else {},
    }
    return {"metadata": metadata, "spec": TARGETS[target] | {"steps": list(steps) or [{"name": "s"} | ACTIONS[action]]} | (more or {})}


def tasks(
    *targets: str, action: str = "succeeds", steps: tuple[Json, ...] = (), adopted: bool = True, held: tuple[str, ...] = ()
) -> tuple[Json, ...]:
    """Return tasks for these targets, named x, y and z in the order of their creation."""
    named = enumerate(zip("xyz", targets, strict=False))
    return tuple(task(name, target, place=place, action=action, steps=steps, adopted=adopted, held=held) for place, (name, target) in named)


def recreated(name: str, target: str) -> tuple[Act, ...]:
    """Return what makes a namesake: the task is deleted, and created again with another uid."""
    return (Act("delete", name), Act("create", name, task(name, target, place=9, life=2)))


FAILING = tasks("OBProxy", "OBProxy", action="fails")
COMMANDS = (Act("delete", "x"), Act("retry", "x"), Act("skip", "x"))
DELETES = (Act("delete", "x"), Act("delete", "y"))
HELD = ("argocd.argoproj.io/hook-finalizer",)
APPROVE = Act("approve", "x")
LEASE_DELETES = (Act("delete-lease", lease("Global")), Act("delete-lease", lease("Tenant a")))

QUICK = {
    "one Global, one crash or lost answer, watches silent once": Case(tasks("Global"), faults=1, lags=1),
    "Global and Tenant a, one crash or lost answer": Case(tasks("Global", "Tenant a"), faults=1),
    "Local Global and OBProxy": Case(tasks("Local Global", "OBProxy")),
    "a failing OBProxy that others hold, deleted, one crash or lost answer": Case(
        tasks("OBProxy", action="fails", held=HELD), faults=1, acts=COMMANDS[:1], most_acts=1
    ),
    "an approval by a member of a group, one crash or lost answer": Case(
        tasks("None", steps=(ASK,)), faults=1, acts=(APPROVE,), most_acts=1
    ),
    "a loop over what was found, undone, one crash or lost answer": Case(
        tasks("None", steps=(FIND, BROKEN_LOOP)), faults=1, acts=(Act("rollback", "x"),), most_acts=1
    ),
}
DEEP = QUICK | {
    "two approvals in a Global before a Tenant a, approved, cancelled, retried or deleted": Case(
        (task("x", "Global", steps=(ASK, ASK | {"name": "sure"})), task("y", "Tenant a", place=1)),
        acts=(APPROVE, Act("cancel", "x"), *COMMANDS[:2]),
        most_acts=2,
    ),
    "a loop that begins a Global before a Tenant a, one crash or lost answer": Case(
        (task("x", "Global", steps=(FIRST_LOOP,)), task("y", "Tenant a", place=1)), faults=1
    ),
    "an approval and a loop in a Global, one crash or lost answer, one act of people": Case(
        tasks("Global", steps=(FIND, ASK, LOOP, FAILS)), faults=1, acts=(APPROVE, Act("rollback", "x"), *COMMANDS), most_acts=1
    ),
    "an approval and a loop in a Global, two acts of people": Case(
        tasks("Global", steps=(FIND, ASK, LOOP, FAILS)), acts=(APPROVE, Act("rollback", "x"), *COMMANDS), most_acts=2
    ),
    "Global and Tenant a, nobody has seen them yet": Case(tasks("Global", "Tenant a", adopted=False)),
    "Global and Tenant a, two crashes or lost answers": Case(tasks("Global", "Tenant a"), faults=2),
    "Global and Tenant a, one crash or lost answer, watches silent once": Case(tasks("Global", "Tenant a"), faults=1, lags=1),
    "Global (heard of late) and Tenant a": Case(tasks("Global", "Tenant a"), late=("x",)),
    "Global deleted and created again, watches silent once": Case(tasks("Global"), lags=1, acts=recreated("x", "Global"), most_acts=2),
    "Global and Tenant a, one of them deleted": Case(tasks("Global", "Tenant a"), acts=DELETES, most_acts=1),
    "Global and Tenant a that others hold, one of them deleted": Case(tasks("Global", "Tenant a", held=HELD), acts=DELETES, most_acts=1),
    "two failing OBProxy that others hold, deleted or skipped or retried": Case(
        tasks("OBProxy", "OBProxy", action="fails", held=HELD), acts=COMMANDS, most_acts=1
    ),
    "Global and Tenant a, nobody has seen them yet, one of them deleted, watches silent once": Case(
        tasks("Global", "Tenant a", adopted=False), lags=1, acts=DELETES, most_acts=1
    ),
    "Global and Tenant a, a Lease deleted by hand": Case(tasks("Global", "Tenant a"), acts=LEASE_DELETES, most_acts=1),
    "Global, Lease deleted by hand, one crash or lost answer, watches silent once": Case(
        tasks("Global"), faults=1, lags=1, acts=LEASE_DELETES, most_acts=1
    ),
    "two failing OBProxy, deleted or skipped or retried": Case(FAILING, acts=COMMANDS, most_acts=1),
    "two failing OBProxy, deleted or skipped or retried, operators see each other": Case(
        FAILING, acts=COMMANDS, most_acts=1, parts=Parts(sees_others=True)
    ),
    "Global, and Tenant a that does not wait, one crash or lost answer": Case(
        (task("x", "Global"), task("y", "Tenant a", place=1, more={"onConflict": "Reject"})), faults=1
    ),
    "Local Global and OBProxy, one crash or lost answer": Case(tasks("Local Global", "OBProxy"), faults=1),
    "Global, Tenant a and Tenant b": Case(tasks("Global", "Tenant a", "Tenant b")),
    "Tenant a, Global and Tenant b": Case(tasks("Tenant a", "Global", "Tenant b")),
    "Tenant a, Global and Tenant b, one crash or lost answer": Case(tasks("Tenant a", "Global", "Tenant b"), faults=1),
}
