"""Expressions that take long to compile hold up nobody but their own task, and leave nothing in the operator. API.md section 2.1."""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient, wait_step

# As many as fit into the spec and the sum of a task: 4 KiB each, none the same.
PIECE = "rows.exists(r, r.a == 'b') || "
MOST_MIB_MORE = 80
SOON = 20.0


def expressions(task: int, count: int) -> Iterator[str]:
    """Yield long expressions that compile."""
    for number in range(count):
        text = f"affected == {task}{number:03} || " + PIECE * 130
        yield text + "true"


def memory(pid: int) -> int:
    """Return the resident memory of a process, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // (1 << 20)


def test_expressions_are_compiled_apart_and_within_bounds(operator_process: OperatorProcess, tasks: TaskClient) -> None:
    """Forty tasks with 60 KB of expressions, and one with more than is allowed: the neighbour's is done meanwhile, and memory stays."""
    operator_process.start()
    tasks.create("warm", steps=[wait_step("s")])
    tasks.wait_phase("warm", "Succeeded", seconds=SOON)
    before = memory(operator_process.pid)

    for task in range(40):
        steps = [
            {"name": f"s{number}", "sql": {"statements": ["select 1"], "expect": text}} for number, text in enumerate(expressions(task, 15))
        ]
        tasks.create(f"greedy-{task}", steps=[wait_step("first", 600), *steps])
    over = [{"name": f"s{n}", "sql": {"statements": ["select 1"], "expect": text}} for n, text in enumerate(expressions(99, 17))]
    tasks.create("over", steps=over)
    tasks.create("neighbour", cluster="other", steps=[wait_step("s")])

    tasks.wait_phase("neighbour", "Succeeded", seconds=SOON)
    refused = tasks.wait_phase("over", "Rejected", seconds=SOON)
    assert "at most 65536" in refused["message"]
    for task in range(40):
        tasks.wait_phase(f"greedy-{task}", "Running", "Waiting", seconds=90)
    more = memory(operator_process.pid) - before
    assert more < MOST_MIB_MORE, f"{more} MiB"
