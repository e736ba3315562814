"""Mutual exclusion, as a person with kubectl sees it, of tasks whose steps are Jobs."""

from tests.e2e.steps import GATED, Steps, jobs, open_gate
from tests.support.tasks import Tasks


def blocked_by(tasks: Tasks, name: str) -> str:
    """Return what kubectl shows in the column BLOCKED-BY."""
    header, row = tasks.kubectl("get", "obtask", name).splitlines()
    return row[header.index("BLOCKED-BY") : header.index("AGE")].strip()


def test_a_second_global_task_waits_until_the_first_is_given_up(tasks: Tasks, steps: Steps) -> None:
    """BLOCKED-BY names who is in the way; a failed task keeps its lock; skip hands it over, and only then the second one begins."""
    tasks.create("first", cluster="locked", maintenance="Global", steps=[steps.job("s", f"{GATED}; exit 3")])
    tasks.wait_phase("first", "Running")
    tasks.create("second", cluster="locked", maintenance="Global", steps=[steps.job("s", "true")])
    tasks.wait_phase("second", "Waiting")
    seen = [blocked_by(tasks, "second")]
    open_gate(tasks, "first")
    tasks.wait_phase("first", "Failed")
    waiting = tasks.wait("second", lambda task: task["status"]["blockedBy"][0]["phase"] == "Failed", "the blocker's phase")
    seen.append(blocked_by(tasks, "second"))
    none_yet = jobs(tasks, "second")

    answer = tasks.command("first", "skip", **{"action-reason": "tested"})
    tasks.wait_let_go("second", "Succeeded")

    assert seen == ["first (Running)", "first (Failed)"]
    assert waiting["status"]["blockedBy"][0]["name"] == "first"
    assert none_yet == []
    assert answer["result"] == "Accepted"
    assert tasks.status("first")["phase"] == "Skipped"
