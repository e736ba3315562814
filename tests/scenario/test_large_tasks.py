"""Tasks that wait cost the operator little, however large they are: what is kept of them is packed. API.md section 2.2."""

import re
import time
from pathlib import Path

from tests.scenario.apiserver import OBTASKS
from tests.scenario.operators import OperatorProcess
from tests.scenario.poison import post, task
from tests.scenario.tasks import FAILING, TaskClient, sql_step, wait_step

LARGE = 40
# A list of empty lists takes twenty times the memory of its text: 5 MiB for each of these.
DENSE = "[" + ",".join(["[]"] * 83_000) + "]"
MOST_MIB = 230


def resident_mib(pid: int) -> int:
    """Return how much memory a process has now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def test_large_tasks_that_wait_cost_little(tasks: TaskClient, operator_process: OperatorProcess, connection: str) -> None:
    """Forty tasks of 245 KiB wait behind a failed one; the operator stays small, also after a restart, and still carries them out."""
    operator_process.start()
    tasks.create("first", maintenance="Global", connection={"secretName": connection}, steps=[sql_step("s", FAILING)])
    tasks.wait_phase("first", "Failed")
    for number in range(LARGE):
        post(tasks.api, OBTASKS.format(tasks.namespace), task(f"large-{number:02}", DENSE, maintenance="Global")[1])
    deadline = time.monotonic() + 60
    while sum(each["status"].get("phase") == "Waiting" for each in tasks.api.get(OBTASKS.format(tasks.namespace))["items"]) < LARGE:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    print("RSS", resident_mib(operator_process.pid))
    assert resident_mib(operator_process.pid) < MOST_MIB

    operator_process.kill()
    operator_process.start()
    tasks.create("small", steps=[wait_step("s")])
    tasks.wait_phase("small", "Succeeded")
    print("RSS", resident_mib(operator_process.pid))
    assert resident_mib(operator_process.pid) < MOST_MIB

    tasks.command("first", "skip")
    tasks.wait_phase("large-00", "Failed")
