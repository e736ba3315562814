"""The conditions of a task, as kubectl wait, Flux, Helm and Argo CD read them. API.md section 3.3."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.builders import START, a_blocker, a_task
from tests.support.phases import IN_PHASE, cancelled, failed_one, running, succeeded
from tests.support.world import World

from obtask.model.contract import Phase
from obtask.model.status import Condition
from obtask.rules.conditions import in_the_way_since


def conditions(world: World) -> dict[str, Condition]:
    """Return the conditions by type."""
    return {condition.type: condition for condition in world.status.conditions}


TYPES = ("Finished", "Ready", "Reconciling", "Stalled", "LockHeld")

TABLE = {
    Phase.PENDING: (False, False, True, False, False),
    Phase.WAITING: (False, False, True, False, False),
    Phase.RUNNING: (False, False, True, False, True),
    Phase.FAILED: (False, False, False, True, True),
    Phase.ROLLING_BACK: (False, False, True, False, True),
    Phase.SUCCEEDED: (True, True, False, False, False),
    Phase.ROLLED_BACK: (True, False, False, True, False),
    Phase.SKIPPED: (True, True, False, False, False),
    Phase.CANCELLED: (True, False, False, True, False),
    Phase.REJECTED: (True, False, False, True, False),
}


@pytest.mark.parametrize("phase", Phase)
def test_conditions_of_each_phase(phase: Phase) -> None:
    """Every phase has the conditions of the table, with the generation they were set for, and the phase as reason."""
    world = IN_PHASE[phase]()

    assert world.phase is phase
    assert [(condition.type, condition.status.value) for condition in world.status.conditions] == [
        (type_, str(holds)) for type_, holds in zip(TYPES, TABLE[phase], strict=True)
    ]
    assert {(condition.reason, condition.observed_generation) for condition in world.status.conditions} == {(phase.value, 1)}


def test_transition_time_changes_only_with_the_status() -> None:
    """A condition that stays as it is keeps its time, however often the task is written; one that turns gets a new one."""
    world = running()
    world.later(60)
    world.succeed("check")
    world.later(60)
    world.fail("zone1")
    world.later(60)
    world.fail("zone2")
    at = {type_: condition.last_transition_time for type_, condition in conditions(world).items()}

    turned = START + timedelta(seconds=180)
    assert at == {"Finished": START, "Ready": START, "Reconciling": turned, "Stalled": turned, "LockHeld": START}


def test_transition_back_and_forth() -> None:
    """A condition that turns back gets the time of that."""
    world = failed_one()
    world.later(60)
    world.command("retry")

    at = conditions(world)["Stalled"].last_transition_time
    assert at == START + timedelta(seconds=60)
    assert conditions(world)["Finished"].last_transition_time == START


def test_messages_are_those_of_the_task() -> None:
    """The conditions say what the task says."""
    world = failed_one()

    said = {condition.message for type_, condition in conditions(world).items() if type_ != "LockHeld"}
    assert said == {'step 1/3 "check": subtask "check" failed: exit code 3'}


def test_lock_held_names_the_lease() -> None:
    """While the lock is held the condition says since when, and which Lease."""
    world = running()

    assert world.status.lock is not None
    assert conditions(world)["LockHeld"].message == f"Global lock held since 2026-11-23T08:00:00Z (Lease {world.status.lock.lease})"


def test_since_when_others_meet_a_task() -> None:
    """Since it failed, since a retry of it runs, since it rolls back, and before all that since it has its lock, or waits for it."""
    world = World(a_task().step("load", undo=True).step("next"))

    def since() -> float:
        return (in_the_way_since(world.status, START - timedelta(hours=1)) - START).total_seconds()

    assert since() == -3600
    world.run()
    assert since() == 0
    world.later(60)
    world.succeed("load")
    assert since() == 0
    world.later(60)
    world.fail("next")
    assert since() == 120
    assert world.status.failed_subtask is not None
    assert world.status.failed_subtask.failed_at == START + timedelta(seconds=120)
    world.later(60)
    assert since() == 120
    world.command("retry")
    assert since() == 180
    world.later(60)
    world.fail("next")
    assert since() == 240
    world.later(60)
    world.command("rollback")
    assert (world.phase, since()) == (Phase.ROLLING_BACK, 300)


def test_lock_held_names_every_blocker() -> None:
    """While the task waits the condition names each blocker, its phase, since when, and what to type."""
    world = World(a_task())
    world.in_the_way = (
        *(a_blocker(f"t{number}", scope="Tenant") for number in range(9)),
        a_blocker("broken", Phase.FAILED, "Tenant"),
        a_blocker("eleventh"),
    )

    world.run()

    message = conditions(world)["LockHeld"].message
    assert message == "waiting for " + "; ".join(
        [
            *(f"t{number} (Tenant, Running since 2026-11-23T08:00:00Z)" for number in range(9)),
            "broken (Tenant, Failed since 2026-11-23T08:00:00Z): kubectl annotate obtask broken -n prod action=retry (or rollback, skip)",
            "and 1 more",
        ]
    )


@pytest.mark.parametrize("made", [succeeded, cancelled])
def test_no_lock_held(made: Callable[[], World]) -> None:
    """A finished task holds none."""
    assert conditions(made())["LockHeld"].message == "no lock held"


def test_long_messages_fit() -> None:
    """Ten blockers with the longest names are cut to what the API server takes."""
    world = World(a_task())
    world.in_the_way = tuple(a_blocker("b" * 253, Phase.FAILED) for _ in range(10))

    world.run()

    assert len(conditions(world)["LockHeld"].message) == 4096
