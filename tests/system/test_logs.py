"""Where the log of an attempt is kept: short in the status, long in a ConfigMap that goes with the task. API.md section 6."""

import hashlib
import re

import pytest
from tests.support.apiserver import Body
from tests.support.tasks import FAILING, TaskClient, sql_step
from tests.system.scene import Scene, happens

from obtask.logs.store import unpacked

pytestmark = pytest.mark.usefixtures("operator")

TIMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z ")
MANY = [f"select {number} as n" for number in range(60)]
WIDE = [f"select '{'x' * 700}' as wide"] * 4


def whole_log(tasks: TaskClient, reference: Body) -> list[str]:
    """Return the lines of the log that a logRef points to."""
    return tasks.log({"logRef": reference}).splitlines()


def test_a_short_log_stays_in_the_status(scene: Scene) -> None:
    """Statements, row counts, times and errors, each line with its time; only that of the failed attempt is in a ConfigMap, too."""
    scene.create("brief", sql_step("good", "select 1 as one"), sql_step("bad", "select 2", FAILING))

    status = scene.tasks.wait_phase("brief", "Failed")

    good, bad = (step["subtasks"][0] for step in status["steps"])
    assert all(TIMED.match(line) for line in [*good["logTail"].splitlines(), *bad["logTail"].splitlines()])
    assert re.search(r"statement 1 of 1: select 1 as one\n.*1 row, \d+ ms", good["logTail"])
    assert re.search(r"statement 2 of 2: failed after \d+ ms: error 1146", bad["logTail"])
    assert status["failedSubtask"]["logTail"] == bad["logTail"]
    [stored] = scene.tasks.config_maps("brief")
    assert (unpacked(stored) or "").strip() == bad["logTail"]
    notes = stored["metadata"]["annotations"]
    prefix = "task.oceanbase.com"
    assert [notes[f"{prefix}/{key}"] for key in ("step", "attempt", "reason", "code")] == ["bad", "1", "SqlError", "1146"]


@pytest.mark.parametrize("statements", [MANY, WIDE], ids=["many-lines", "wide-lines"])
def test_a_long_log_goes_to_a_config_map(scene: Scene, statements: list[str]) -> None:
    """The ConfigMap belongs to the task and holds every line; of a failed attempt the status keeps the last 20 lines, 2048 bytes."""
    scene.create("long", sql_step("good", *statements), sql_step("bad", *statements, FAILING))

    status = scene.tasks.wait_phase("long", "Failed")

    body = scene.tasks.get("long")
    good, bad = (step["subtasks"][0] for step in status["steps"])
    assert "logTail" not in good
    assert bad["logRef"] == status["failedSubtask"]["logRef"] != good["logRef"]
    for subtask in (good, bad):
        lines = whole_log(scene.tasks, subtask["logRef"])
        assert all(TIMED.match(line) for line in lines)
        assert sum(": select " in line for line in lines) >= len(statements)
    tail = status["failedSubtask"]["logTail"]
    assert len(tail.splitlines()) <= 20
    assert len(tail.encode()) <= 2048
    assert tail.splitlines()[-1] == lines[-1]
    assert "1146" in tail
    for stored in scene.tasks.config_maps("long"):
        [owner] = stored["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("OBTask", "long", body["metadata"]["uid"])
        assert stored["metadata"]["labels"]["task.oceanbase.com/task-uid"] == body["metadata"]["uid"]
    assert len(scene.tasks.config_maps("long")) == 2


def test_every_attempt_keeps_its_log_until_the_task_goes(scene: Scene) -> None:
    """A retry leaves the log of the attempt before; the status points to the newest; deleting the task removes them all."""
    scene.create("twice", sql_step("s", *MANY, FAILING))
    first = scene.tasks.wait_phase("twice", "Failed")["failedSubtask"]["logRef"]
    scene.tasks.command("twice", "retry")
    second = scene.tasks.wait("twice", lambda task: task["status"].get("failedSubtask", {}).get("attempt") == 2)
    newest = second["status"]["failedSubtask"]["logRef"]
    assert newest != first
    assert len(whole_log(scene.tasks, first)) > 60
    scene.tasks.command("twice", "skip")
    scene.tasks.wait_let_go("twice", "Skipped")
    assert len(whole_log(scene.tasks, newest)) > 60

    scene.tasks.delete("twice")

    scene.tasks.wait_gone("twice")
    happens(lambda: not scene.tasks.config_maps("twice"), "the garbage collection of the logs")


def test_a_failed_attempt_outlives_those_after_it(scene: Scene) -> None:
    """Its log is where API.md section 1 says, whatever the status shows by then; many retries leave the first and the last two."""
    scene.create("often", sql_step("s", FAILING, autoRetry={"limit": 5, "backoffSeconds": 0}))
    scene.tasks.wait_phase("often", "Failed")
    uid = scene.tasks.get("often")["metadata"]["uid"]

    found = {stored["metadata"]["name"]: stored for stored in scene.tasks.config_maps("often")}

    names = [hashlib.sha256(f"{uid}/s/s/Forward/{number}".encode()).hexdigest()[:40] for number in (1, 5, 6)]
    assert found.keys() == {f"obt-log-{name}" for name in names}
    assert all("error 1146" in (unpacked(stored) or "") for stored in found.values())


def test_the_log_of_a_cancelled_or_late_attempt_is_kept(scene: Scene) -> None:
    """What was cut by a person or by the clock leaves its log, with how it ended."""
    scene.create("late", sql_step("s", *MANY, "select sleep(300)", timeoutSeconds=2), cluster="late")
    scene.create("cancelled", sql_step("s", *MANY, scene.journal.note, "select sleep(300)"), cluster="cancelled")
    scene.written()
    scene.tasks.command("cancelled", "cancel")

    for name, end in (("late", "did not end within 2 s"), ("cancelled", "cancelled")):
        failed = scene.tasks.wait_phase(name, "Failed")["failedSubtask"]
        lines = whole_log(scene.tasks, failed["logRef"])
        assert len(lines) > 60
        assert end in lines[-1]
        assert "KILL QUERY" in "\n".join(lines[-4:])
        assert lines[-1] in failed["logTail"]


def test_a_task_with_the_longest_name(scene: Scene) -> None:
    """Names up to what the API server allows work everywhere: Lease, Event, log; labels hold a hash, an annotation the name."""
    name = "n." * 100 + "n" * 53
    scene.create(name, sql_step("s", *MANY, FAILING))

    reference = scene.tasks.wait_phase(name, "Failed")["failedSubtask"]["logRef"]

    stored = scene.tasks.api.get(f"/api/v1/namespaces/{scene.tasks.namespace}/configmaps/{reference['configMap']}")["metadata"]
    assert len(stored["labels"]["task.oceanbase.com/task"]) <= 63
    assert stored["annotations"]["task.oceanbase.com/task-name"] == name
    assert scene.tasks.holders() == {name}
    scene.tasks.wait_events(name, "SubtaskFailed")
    scene.tasks.command(name, "skip")
    scene.tasks.wait_let_go(name, "Skipped")
    assert not scene.tasks.holders()
