"""Reading the log of a Job while it runs, after the operator that copied it has died, and what many attempts leave. API.md section 6."""

import time

import pytest
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient
from tests.system.jobs import job_step, jobs, pods, running
from tests.system.scene import happens

from obtask.logs.store import unpacked

TICKING = "i=0; while test $i -lt {}; do i=$((i + 1)); echo tick $i at $(date +%s.%N); sleep 0.1; done"


def shown(tasks: TaskClient, name: str) -> list[str]:
    """Return the lines of the task's only log as they can be read now."""
    return [line for stored in tasks.config_maps(name) for line in (unpacked(stored) or "").splitlines()]


def ticks(lines: list[str]) -> list[int]:
    """Return the numbers of the container's lines."""
    return [int(line.split(" tick ")[1].split(" ")[0]) for line in lines if " tick " in line]


def written_at(lines: list[str]) -> list[float]:
    """Return when the container wrote its lines, by its own clock."""
    return [float(line.rsplit(" ", 1)[1]) for line in lines if " tick " in line]


@pytest.mark.usefixtures("operator", "node")
def test_a_running_jobs_log_is_young(tasks: TaskClient) -> None:
    """It can be read 3 s after the start of its container, and what can be read is at most 2 s old then."""
    tasks.create("ticking", steps=[job_step("s", TICKING.format(120))])
    running(tasks)
    happens(lambda: ticks(shown(tasks, "ticking")), "a line of the running container")
    first = time.time() - written_at(shown(tasks, "ticking"))[0]

    ages: list[float] = []
    while pods(tasks)[0]["status"]["phase"] == "Running":
        newest = written_at(shown(tasks, "ticking"))[-1]
        ages.append(time.time() - newest)

    ages.pop()  # it may have ended in between
    assert first < 3
    assert max(ages) < 2.1, f"the newest line was {max(ages):.1f} s old"
    tasks.wait_let_go("ticking", "Succeeded")
    assert ticks(shown(tasks, "ticking")) == list(range(1, 121))


@pytest.mark.usefixtures("node")
def test_the_next_operator_goes_on_with_a_jobs_log(tasks: TaskClient, operator_process: OperatorProcess) -> None:
    """What was shown stays, and nothing is copied twice: killed in the middle, the log is whole in the end."""
    operator_process.start()
    tasks.create("ticking", steps=[job_step("s", TICKING.format(100))])
    happens(lambda: ticks(shown(tasks, "ticking")), "a line of the running container")
    operator_process.kill()
    before = shown(tasks, "ticking")

    operator_process.start()

    tasks.wait_let_go("ticking", "Succeeded")
    after = shown(tasks, "ticking")
    assert ticks(after) == list(range(1, 101))
    assert after[: len(before)] == before


@pytest.mark.usefixtures("operator", "node")
def test_many_attempts_leave_few_jobs(tasks: TaskClient) -> None:
    """Of a step that fails again and again the Jobs of the first and the last two attempts stay, as their logs do."""
    tasks.create("often", steps=[job_step("s", "echo try $OBTASK_ATTEMPT; exit 3", autoRetry={"limit": 5, "backoffSeconds": 0})])
    failed = tasks.wait_phase("often", "Failed")["failedSubtask"]
    assert (failed["attempt"], failed["reason"], "try 6" in failed["logTail"]) == (6, "NonZeroExit", True)

    happens(lambda: [job["metadata"]["annotations"]["task.oceanbase.com/attempt"] for job in jobs(tasks)] == ["1", "5", "6"], "few Jobs")
    assert len(tasks.config_maps("often")) == 3
