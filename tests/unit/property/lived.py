"""Owns tasks that have lived for a while: in any state that the rules can bring them to."""

from hypothesis import strategies as st
from tests.support.world import World
from tests.unit.property.strategies import outcomes, tasks

MOST_MOVES = 12


def in_a_random_state(data: st.DataObject) -> World:
    """Return a task that has lived for a while."""
    world = World(data.draw(tasks()))
    world.run()
    for _ in range(data.draw(st.integers(0, MOST_MOVES))):
        if world.api.gone:
            return world
        names = [attempt.id.subtask for attempt in world.executors.running]
        if names and data.draw(st.integers(0, 1)) == 1:
            world.executors.end(data.draw(st.sampled_from(names)), data.draw(outcomes()))
            world.run()
        elif world.status.allowed_actions:
            world.command(data.draw(st.sampled_from(world.status.allowed_actions)).value)
    return world
