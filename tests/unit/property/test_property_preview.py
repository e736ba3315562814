"""What a preview says is what then happens, for every state that a task can reach. API.md section 9."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.world import World
from tests.unit.property.lived import in_a_random_state

from obtask.model.attempt import AttemptId, Succeeded
from obtask.model.contract import Direction, Verb
from obtask.model.reasons import FailureReason
from obtask.rules.preview import Part, Preview, preview


def carried_to_its_end(world: World, verb: Verb) -> list[AttemptId]:
    """Give the command, let everything that it leads to succeed, and return the attempts that were started."""
    before = len(world.executors.started)
    world.command(verb.value)
    while not world.api.gone and world.executors.running and not world.status.cancelling:
        attempt = world.executors.running[0]
        if world.status.allowed_actions[:1] == (Verb.APPROVE,):
            world.command(Verb.APPROVE.value)
            continue
        world.executors.end(attempt.id.subtask, Succeeded("done"))
        world.run()
    return [attempt.id for attempt in world.executors.started[before:]]


def told(parts: tuple[Part, ...]) -> list[tuple[str, str]]:
    """Return the subtasks that are named, and do not depend on what nobody can know."""
    return [(part.step, part.subtask) for part in parts if part.subtask is not None and not part.depends]


def happened(started: list[AttemptId], direction: Direction, seen: Preview) -> list[tuple[str, str]]:
    """Return what was started, without what the preview could not name."""
    unsure = {part.step for part in (*seen.runs, *seen.undoes) if part.subtask is None or part.depends}
    found = [(name.step, name.subtask) for name in started if name.direction is direction and name.step not in unsure]
    return list(dict.fromkeys(found))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=150)
@given(data=st.data())
def test_what_is_foretold_happens(data: st.DataObject) -> None:
    """What runs, what is undone, what is stopped and how it ends: as the preview of the command said, and in its order."""
    world = in_a_random_state(data)
    if world.api.gone or not world.status.allowed_actions:
        return
    verb = data.draw(st.sampled_from(world.status.allowed_actions))
    seen = preview(world.task.plan, world.status, verb)
    running = [(attempt.id.step, attempt.id.subtask) for attempt in world.executors.running]
    in_line = world.status.phase.in_line

    started = carried_to_its_end(world, verb)

    if world.stored[-1].failed_subtask is not None and verb not in {Verb.CANCEL, Verb.SKIP}:
        assert world.stored[-1].failed_subtask.reason is FailureReason.INVALID_EXPRESSION
        return  # what depends on it cannot be known
    assert happened(started, Direction.FORWARD, seen) == told(seen.runs)
    if seen.undoes:
        assert sorted(happened(started, Direction.ROLLBACK, seen)) == sorted(told(seen.undoes))
    assert sorted(told(seen.stops)) == ([] if verb is not Verb.CANCEL or in_line else sorted(running))
    assert world.stored[-1].phase is seen.ends
