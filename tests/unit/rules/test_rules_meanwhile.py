"""What is stored of a task whose next step asks something that takes long to evaluate. API.md section 2."""

from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.attempt import Succeeded
from obtask.model.contract import SubtaskPhase
from obtask.rules.decision import Evaluate


def test_what_is_shown_meanwhile_is_whole() -> None:
    """The end of the step before is stored with its progress and conditions, and the step that asks has not begun."""
    world = World(a_task().step("a").with_steps({"name": "b", "when": "1 + 1 == 2", "wait": {"seconds": 5}}))
    world.run()
    world.answers_at_once = False

    world.executors.end("a", Succeeded())
    asked = world.decide()
    assert isinstance(asked, Evaluate)
    world.reconcile()

    assert (world.status.progress, world.status.step_summary, world.status.current_step) == ("1/2", "b", "b")
    assert (world.step("b").phase, world.step("b").started_at) == (SubtaskPhase.PENDING, None)
    assert world.status.message == 'step 2/2 "b"'
    world.run()
    assert world.live == ["b"]
