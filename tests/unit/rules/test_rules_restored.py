"""A task that was created again from a backup or a dump does not run, unless somebody says so on purpose."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from tests.support.builders import START, TaskBuilder, a_blocker, a_task
from tests.support.world import Crash, World

from obtask import names
from obtask.model.command import Command
from obtask.model.contract import Phase
from obtask.model.reasons import Reason
from obtask.model.status import LockStatus
from obtask.rules.decision import TakeLock

OLD = "uid-of-old"
NOTE = Command(id="7", verb="cancel", requested_at=START).model_dump_json(by_alias=True, exclude_none=True)
APPLIED = json.dumps({"metadata": {}, "spec": {}, "status": {"phase": "Succeeded"}}, separators=(",", ":"))
PLAIN = json.dumps({"metadata": {}, "spec": {"steps": [{"resource": {"apply": {"status": {"phase": "x"}}}}]}}, separators=(",", ":"))


def copy(
    labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None, *, guarded: bool = False, uid: str = "second"
) -> World:
    """Return a task as it is created again, with what is left of the one that was dumped."""
    marked = a_task().named("x", uid).marked(labels=labels or {}, annotations=annotations or {})
    return World(TaskBuilder(marked.metadata | {"finalizers": [names.FINALIZER] if guarded else []}))


COPIES: dict[str, tuple[Callable[[], World], str, str]] = {
    "Velero's label": (lambda: copy({"velero.io/restore-name": "nightly"}), "velero.io/restore-name=nightly", "nightly"),
    "Velero's other label": (lambda: copy({"velero.io/backup-name": "b"}), "velero.io/backup-name=b", "b"),
    "our note of another object": (lambda: copy(annotations={names.ADOPTED_ANNOTATION: OLD}), OLD, OLD),
    "that, and our finalizer": (lambda: copy(annotations={names.ADOPTED_ANNOTATION: OLD}, guarded=True), OLD, OLD),
    "our finalizer, of an older operator": (lambda: copy(guarded=True), names.FINALIZER, "true"),
    "a note of a command": (lambda: copy(annotations={names.ACCEPTED_COMMAND_ANNOTATION: NOTE}), "accepted-command", "true"),
    "applied with a status": (lambda: copy(annotations={names.LAST_APPLIED_ANNOTATION: APPLIED}), "had a status", "true"),
}


@pytest.mark.parametrize("which", COPIES)
def test_a_copy_does_not_run(which: str) -> None:
    """It ends Rejected, names the sign and what to type, and leaves neither lock nor finalizer."""
    made, sign, word = COPIES[which]
    world = made()

    world.run()

    assert (world.phase, world.status.reason, world.executors.started) == (Phase.REJECTED, Reason.INVALID_SPEC, [])
    assert sign in (world.status.message or "")
    assert f"{names.RUN_RESTORED_ANNOTATION}={word}" in (world.status.message or "")
    assert (world.lease.holder, world.task.metadata.finalizers) == ("", ())


@pytest.mark.parametrize("which", [which for which in COPIES if which != "a note of a command"])
def test_a_copy_runs_on_purpose_and_its_own_copy_does_not(which: str) -> None:
    """The word that has to be written names this copy: a backup of it does not run again by that."""
    made, _, word = COPIES[which]
    world = made()
    world.api.annotate(_run_restored=word)

    world.run()

    assert world.phase is Phase.RUNNING
    again = copy(annotations=world.task.metadata.annotations, uid="third")
    again.run()
    assert again.phase is Phase.REJECTED


def test_what_the_operator_writes_itself_is_no_sign() -> None:
    """Killed after its first write, it goes on with the same object."""
    world = World(a_task())
    world.reconcile(Crash.AFTER_WRITE)
    assert world.task.metadata.annotations == {names.ADOPTED_ANNOTATION: world.task.metadata.uid}

    assert isinstance(world.decide(), TakeLock)
    world.run()
    assert world.phase is Phase.RUNNING


def test_a_command_to_a_new_task_is_no_sign() -> None:
    """The note of a command notes the object, too."""
    world = World(a_task())
    world.api.annotate(action="cancel")
    world.reconcile(Crash.AFTER_WRITE)

    world.run()

    assert (world.phase, world.status.last_action is not None) == (Phase.CANCELLED, True)


@pytest.mark.parametrize("text", [PLAIN, "no JSON", '{"status":{', "[]", '"status":{' + "[" * 100_000, '["status":{"a":1}]'])
def test_what_kubectl_applied_without_a_status_is_no_sign(text: str) -> None:
    """Whatever a person wrote into the annotation, or a step into an object, nothing breaks."""
    world = copy(annotations={names.LAST_APPLIED_ANNOTATION: text})

    world.run()

    assert world.phase is Phase.RUNNING


def test_labels_of_a_backup_do_not_stop_what_has_begun() -> None:
    """Whoever may label a task must not be able to free its lock by that."""
    world = World(a_task())
    world.run()
    world.api.body["metadata"]["labels"] = {"velero.io/restore-name": "nightly"}
    world.api.annotate()

    world.run()

    assert (world.phase, world.holds_lease) == (Phase.RUNNING, True)


def test_a_copy_that_was_restored_with_its_status_does_not_go_on() -> None:
    """Velero can restore a status, too: the attempts in it are another object's, and so is the lock."""
    world = copy(annotations={names.ADOPTED_ANNOTATION: OLD}, guarded=True)
    original = World(a_task())
    original.run()
    lock = LockStatus(lease="obt-x", scope="Global", acquired_at=START, token=3)
    world.api.write_status(original.status.model_copy(update={"lock": lock}))

    world.run()

    assert (world.phase, world.status.lock, world.executors.started) == (Phase.REJECTED, None, [])


@pytest.mark.parametrize("broken", [False, True], ids=["Running", "Failed"])
@pytest.mark.parametrize("locks", [True, False])
def test_a_mark_of_another_object_does_not_end_what_has_begun(*, locks: bool, broken: bool) -> None:
    """Whoever may annotate a task must not be able to free its lock while its work goes on."""
    task = a_task() if locks else a_task().none()
    world = World(task.step("a").step("b"))
    world.run()
    if broken:
        world.fail("a")
    before = world.phase

    world.api.annotate(_adopted=OLD)
    world.run()

    assert (world.phase, world.holds_lease) == (before, locks)
    assert world.live == ([] if broken else ["a"])


def test_a_restored_status_without_a_lock_is_known_by_its_start() -> None:
    """It began before this object was created."""
    marked = a_task().none().named("x", "second").marked(annotations={names.ADOPTED_ANNOTATION: OLD})
    original, world = World(a_task().none()), World(marked)
    original.run()
    world.api.write_status(original.status.model_copy(update={"started_at": START - timedelta(days=1)}))

    world.run()

    assert (world.phase, world.executors.started) == (Phase.REJECTED, [])


def marked(world: World) -> World:
    """Return the task before an operator whose policies mark at its creation what is new."""
    world.marked_at_creation = True
    return world


def test_what_a_policy_has_marked_needs_no_note() -> None:
    """The lock is taken at once; the finalizer that came with the creation is no sign of a copy."""
    world = marked(copy(annotations={names.ADOPTED_ANNOTATION: names.MARKED_NEW}, guarded=True))

    assert isinstance(world.decide(), TakeLock)
    world.run()

    assert (world.phase, len(world.stored)) == (Phase.RUNNING, 1)


def test_a_copy_of_what_a_policy_has_marked_does_not_run() -> None:
    """The policy turns the mark of a task that comes with one into another."""
    world = marked(copy(annotations={names.ADOPTED_ANNOTATION: "copy"}))

    world.run()

    assert world.phase is Phase.REJECTED
    assert f"{names.RUN_RESTORED_ANNOTATION}=copy" in (world.status.message or "")


def test_a_copy_that_runs_on_purpose_under_such_a_policy_is_noted_by_its_uid() -> None:
    """Its own copies would have the word that lets it run, too."""
    purpose = {names.ADOPTED_ANNOTATION: "copy", names.RUN_RESTORED_ANNOTATION: "copy"}
    world = marked(copy(annotations=purpose))
    world.run()

    assert world.phase is Phase.RUNNING
    assert world.task.metadata.annotations[names.ADOPTED_ANNOTATION] == "second"
    again = marked(copy(annotations=world.task.metadata.annotations, uid="third"))
    again.run()
    assert again.phase is Phase.REJECTED


def test_the_mark_is_a_sign_of_a_copy_where_no_policy_marks() -> None:
    """It was brought from elsewhere; what an operator has seen before is no copy, also if the policy went since then."""
    world = copy(annotations={names.ADOPTED_ANNOTATION: names.MARKED_NEW})
    world.marked_at_creation = False
    waiting = marked(copy(annotations={names.ADOPTED_ANNOTATION: names.MARKED_NEW}, guarded=True))
    waiting.in_the_way = (a_blocker("a"),)
    waiting.run()
    waiting.marked_at_creation, waiting.in_the_way = False, ()

    world.run()
    waiting.run()

    assert (world.phase, waiting.phase) == (Phase.REJECTED, Phase.RUNNING)


def test_the_mark_says_nothing_to_an_operator_that_does_not_know_of_policies() -> None:
    """It runs the task, and writes down itself which object it is."""
    world = copy(annotations={names.ADOPTED_ANNOTATION: names.MARKED_NEW}, guarded=True)

    world.run()

    assert (world.phase, world.task.metadata.annotations[names.ADOPTED_ANNOTATION]) == (Phase.RUNNING, "second")


def test_a_backup_tool_s_label_counts_beside_the_mark() -> None:
    """The policy of another release, or of none, may have marked what Velero restores."""
    world = marked(copy({"velero.io/restore-name": "nightly"}, {names.ADOPTED_ANNOTATION: names.MARKED_NEW}))

    world.run()

    assert world.phase is Phase.REJECTED


@pytest.mark.parametrize("task", [a_task().none(), a_task()], ids=["no lock", "a lock"])
@pytest.mark.parametrize("broken", [False, True], ids=["Running", "Failed"])
def test_a_task_that_is_replaced_is_marked_again(task: TaskBuilder, broken: bool) -> None:
    """`kubectl replace` takes off what the manifest does not have; a copy made later must still be known for one."""
    world = World(task.step("s"))
    world.run()
    if broken:
        world.fail("s")
        world.run()
    before, started = world.task.metadata, list(world.executors.started)

    world.api.replace()
    world.run()

    assert (world.task.metadata.annotations, world.task.metadata.finalizers) == (before.annotations, before.finalizers)
    assert (world.phase, world.executors.started) == (Phase.FAILED if broken else Phase.RUNNING, started)
