"""Deletion of tasks by people, and by their time to live."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.builders import START, a_blocker, a_task, failed
from tests.support.phases import broken, resizing
from tests.support.world import World

from obtask.model.attempt import Succeeded
from obtask.model.contract import ActionResult, Phase, SubtaskPhase
from obtask.model.reasons import FailureReason, Reason
from obtask.rules.decision import Delete, Finish, Record, RemoveFinalizer, Rest, Stop


def pending() -> World:
    """Return a task that nobody has looked at but to put the finalizer on."""
    world = World(a_task())
    world.reconcile()
    return world


def waiting() -> World:
    """Return a task that somebody got ahead of when it was about to take its lock."""
    world = World(a_task())
    world.reconcile()
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    return world


def rolling_back() -> World:
    """Return a task that is being undone."""
    world = broken()
    world.command("rollback")
    return world


def awaiting_retry() -> World:
    """Return a task that awaits an automatic retry."""
    world = World(a_task().step("load", auto_retry={"limit": 1}))
    world.run()
    world.fail("load")
    return world


def ended() -> World:
    """Return a task whose end is stored, but whose lock and finalizer are still there."""
    world = World(a_task())
    world.run()
    world.executors.end("only", Succeeded())
    world.reconcile()
    return world


@pytest.mark.parametrize("made", [pending, waiting, resizing, broken, rolling_back, awaiting_retry, ended])
def test_deleted_task_is_let_go(made: Callable[[], World]) -> None:
    """In every phase: running subtasks are stopped, the lock is freed, nothing is undone or recorded, and the task goes."""
    world = made()
    started, stored = len(world.executors.started), len(world.stored)
    world.delete()

    world.run()

    assert world.api.gone
    assert (world.live, world.lease.holder) == ([], "")
    assert (len(world.executors.started), len(world.stored)) == (started, stored)


def test_task_that_nobody_has_seen_just_goes() -> None:
    """Without the finalizer nobody holds it."""
    world = World(a_task())

    world.delete()

    assert world.api.gone


def test_a_task_in_line_just_goes() -> None:
    """It holds nothing: no finalizer makes its deletion wait for the operator."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    assert world.task.metadata.finalizers == ()

    world.delete()

    assert world.api.gone


def test_lock_is_not_freed_before_the_subtasks_have_stopped() -> None:
    """As long as a subtask runs its task keeps the lock and stays."""
    world = resizing()
    world.executors.stops_at_once = False
    world.delete()

    world.run()
    assert (world.executors.asked_to_stop, world.holds_lease) == (["zone1", "zone2"], True)

    world.executors.end("zone1", Succeeded())
    world.run()
    assert (world.executors.asked_to_stop, world.holds_lease) == (["zone2"], True)

    world.executors.end("zone2", Succeeded())
    world.run()
    assert world.api.gone


def test_stop_then_finish() -> None:
    """The order: stop the subtasks, then give the lock back and take the finalizer off."""
    world = resizing()
    world.delete()

    world.run()

    assert [type(intent) for intent in world.intents[-2:]] == [Stop, RemoveFinalizer]


def test_deletion_after_a_crash() -> None:
    """Attempts that nobody knows of any more hold nobody up."""
    world = resizing()
    world.crash()
    world.delete()

    world.run()

    assert world.api.gone


def test_command_on_a_task_that_is_being_deleted_is_ignored() -> None:
    """Nothing is started or recorded for a task that is leaving."""
    world = broken()
    started = len(world.executors.started)
    world.api.annotate(action="retry")
    world.delete()

    world.run()

    assert (world.api.gone, len(world.executors.started)) == (True, started)


HOOK = "argocd.argoproj.io/hook-finalizer"


def hold(world: World) -> World:
    """Have somebody else's finalizer on the task."""
    world.api.body["metadata"]["finalizers"].append(HOOK)
    world.api.annotate()
    return world


@pytest.mark.parametrize(
    ("made", "phase", "reason"),
    [
        (pending, Phase.CANCELLED, Reason.CANCELLED_BY_USER),
        (waiting, Phase.CANCELLED, Reason.CANCELLED_BY_USER),
        (resizing, Phase.SKIPPED, Reason.SKIPPED_BY_USER),
        (broken, Phase.SKIPPED, Reason.SKIPPED_BY_USER),
        (rolling_back, Phase.SKIPPED, Reason.SKIPPED_BY_USER),
        (awaiting_retry, Phase.SKIPPED, Reason.SKIPPED_BY_USER),
    ],
)
def test_what_is_owed_does_not_wait_for_the_finalizers_of_others(made: Callable[[], World], phase: Phase, reason: Reason) -> None:
    """The work is stopped, the end stored, the lock freed and our finalizer off, although the object stays."""
    world = hold(made())
    world.delete()

    world.run()

    assert (world.phase, world.status.reason, world.status.allowed_actions) == (phase, reason, ())
    assert "deleted" in (world.status.message or "")
    assert HOOK in (world.status.message or "")
    assert (world.live, world.lease.holder, world.status.lock) == ([], "", None)
    assert world.task.metadata.finalizers == (HOOK,)
    assert not any(sub.phase in {SubtaskPhase.RUNNING, SubtaskPhase.ROLLING_BACK} for step in world.status.steps for sub in step.subtasks)


def test_a_task_in_line_that_others_hold_is_ended_without_a_finalizer_of_ours() -> None:
    """Nobody would look at it again otherwise, and its waiting would never end."""
    world = hold(World(a_task()))
    world.in_the_way = (a_blocker("freeze"),)
    world.run()

    world.delete()
    world.run()

    assert (world.phase, world.task.metadata.finalizers) == (Phase.CANCELLED, (HOOK,))


def test_the_end_is_stored_before_the_lock_is_freed() -> None:
    """As at every end: who waits for the lock must not see it free while the task still holds it by its status."""
    world = hold(broken())
    world.delete()

    world.run()

    assert [type(intent) for intent in world.intents[-3:]] == [Record, Finish, Rest]


def test_what_an_operator_that_died_left_behind_is_ended() -> None:
    """An older one took its finalizer off and nothing else: the lock was held for ever."""
    world = hold(broken())
    world.delete()
    world.api.touch(RemoveFinalizer())

    world.run()

    assert world.phase is Phase.SKIPPED
    assert world.task.metadata.finalizers == (HOOK,)


@pytest.mark.parametrize("made", [resizing, broken, pending])
def test_a_command_on_a_task_that_others_hold_is_answered(made: Callable[[], World]) -> None:
    """Given before or after the end, it is refused, and taken off."""
    world = hold(made())
    world.api.annotate(action="skip")
    world.delete()
    world.run()
    first = world.status.last_action

    world.command("retry")

    assert first is not None
    assert world.status.last_action is not None
    assert (first.verb, first.result) == ("skip", ActionResult.REJECTED)
    assert (world.status.last_action.verb, world.status.last_action.result) == ("retry", ActionResult.REJECTED)
    assert "action" not in world.task.metadata.annotations
    assert world.phase.finished


def test_a_command_is_answered_while_a_deleted_task_is_being_stopped() -> None:
    """A stop may take long, and whoever asks meanwhile wants to know; the stop comes first."""
    world = resizing()
    world.executors.stops_at_once = False
    world.delete()

    world.command("skip")

    assert world.executors.asked_to_stop == ["zone1", "zone2"]
    assert world.status.last_action is not None
    assert (world.status.last_action.result, world.phase) == (ActionResult.REJECTED, Phase.RUNNING)
    assert "being deleted" in world.status.last_action.message


def test_the_end_of_a_stopped_attempt_keeps_its_log_where_others_hold_the_task() -> None:
    """What was done until then is worth knowing."""
    world = hold(resizing())
    world.executors.stops_at_once = False
    world.delete()
    world.run()

    world.executors.end("zone1", failed("cancelled", FailureReason.CANCELLED), "last words")
    world.run()
    assert (world.phase, world.holds_lease) == (Phase.RUNNING, True)
    world.executors.end("zone2", Succeeded())
    world.run()

    assert (world.phase, world.subtask("zone1").log_tail) == (Phase.SKIPPED, "last words")
    assert world.subtask("zone2").phase is SubtaskPhase.SUCCEEDED


def finished(seconds: int | None) -> World:
    """Return a task that succeeded, with a time to live."""
    builder = a_task()
    world = World(builder.ttl(seconds) if seconds is not None else builder)
    world.run()
    world.succeed("only")
    return world


def test_time_to_live_counts_from_the_end() -> None:
    """The task is deleted when its time after the end is over, and not before."""
    world = finished(3600)
    assert world.intents[-1] == Rest(START + timedelta(hours=1))

    world.wait(3599)
    assert not world.api.gone

    world.wait(1)
    assert world.api.gone


@pytest.mark.parametrize(
    "marks",
    [
        {"labels": {"argocd.argoproj.io/instance": "x"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": "x"}},
        {"annotations": {"meta.helm.sh/release-name": "x"}},
        {"annotations": {"meta.helm.sh/release-name": "x", "argocd.argoproj.io/hook": "PreSync"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}},
        {"labels": {"helm.toolkit.fluxcd.io/name": "x"}},
    ],
)
def test_time_to_live_of_a_task_that_is_made_again_does_not_count(marks: dict[str, dict[str, str]]) -> None:
    """The GitOps tool that has adopted it would make it again, and it would run again."""
    world = World(a_task().ttl(3600).marked(**marks))
    world.run()
    world.succeed("only")

    world.wait(3600)

    assert not world.api.gone
    assert world.intents[-1] == Rest()


@pytest.mark.parametrize(
    "marks",
    [
        {"labels": {"app.kubernetes.io/instance": "x"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": "x", "argocd.argoproj.io/hook": "PreSync"}},
    ],
)
def test_time_to_live_counts_where_nobody_surely_makes_the_task_again(marks: dict[str, dict[str, str]]) -> None:
    """A label that others use, too, proves nothing; a hook of Argo CD is made once per sync."""
    world = World(a_task().ttl(3600).marked(**marks))
    world.run()
    world.succeed("only")

    world.wait(3600)

    assert world.api.gone


def test_no_time_to_live_at_all() -> None:
    """With 0 seconds the task is deleted right after its end, which is stored before."""
    world = finished(0)

    assert world.api.gone
    assert [type(intent) for intent in world.intents[-3:]] == [Record, Finish, Delete]


def test_task_without_a_time_to_live_stays() -> None:
    """By default nobody deletes a finished task."""
    world = finished(None)

    world.wait(10 * 365 * 86400)

    assert world.intents[-1] == Rest()
    assert not world.api.gone


def test_failed_task_is_not_deleted_by_its_time_to_live() -> None:
    """A failed task is not finished: its time does not run."""
    world = World(a_task().ttl(0))
    world.run()
    world.fail("only")

    world.wait(86400)

    assert not world.api.gone
