"""Reading a log while its step still runs, and after the operator that wrote it has died. API.md section 6."""

from tests.support.operators import OperatorProcess
from tests.support.tasks import sql_step
from tests.system.scene import Scene, happens

from obtask.logs.store import unpacked


def test_a_log_can_be_read_while_its_step_runs(scene: Scene, operator_process: OperatorProcess) -> None:
    """After some seconds what was written is in the ConfigMap of the attempt; it is still there when the operator dies."""
    tasks = scene.tasks
    operator_process.start()
    scene.create("slow", sql_step("s", "select 'early'", "select sleep(300)"))
    happens(lambda: tasks.config_maps("slow"), "a log of the running step")
    [shown] = tasks.config_maps("slow")
    assert "statement 1 of 2: select 'early'" in (unpacked(shown) or "")

    operator_process.kill()
    operator_process.start()

    failed = tasks.wait_phase("slow", "Failed")["failedSubtask"]
    assert failed["reason"] == "Interrupted"
    assert failed["logRef"] == {"configMap": shown["metadata"]["name"], "key": "log.gz"}
    assert failed["logTail"] == (unpacked(shown) or "").strip()


def test_a_log_that_was_shown_is_whole_in_the_end(scene: Scene, operator_process: OperatorProcess) -> None:
    """What was stored while the step ran is replaced by the whole log when it ends, however it ends."""
    tasks = scene.tasks
    operator_process.start()
    scene.create("slow", sql_step("s", "select sleep(300)"))
    happens(lambda: tasks.config_maps("slow"), "a log of the running step")

    tasks.command("slow", "cancel")

    failed = tasks.wait_phase("slow", "Failed")["failedSubtask"]
    [whole] = tasks.config_maps("slow")
    assert failed["logRef"]["configMap"] == whole["metadata"]["name"]
    assert (unpacked(whole) or "").splitlines()[-1].endswith("cancelled: statement 1 of 1 is running: select sleep(300)")
