"""Every verb, in a pipe and on a terminal, with the context that is asked for and no other. API.md section 10."""

import json
from collections.abc import Sequence
from typing import Final

import pytest
from tests.support.plugin import ELSEWHERE, HERE, Plugin, Ran
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

TTY, PIPE = "terminal", "pipe"
# What each command that changes a task aims at, and what becomes of a task whose second step fails again.
ACTIONS: Final = {
    "retry": (3, "Failed"),
    "rollback": (0, "RolledBack"),
    "skip": (0, "Skipped"),
    "skip-step": (0, "Succeeded"),
    "cancel": (0, "Failed"),
    "approve": (0, "Succeeded"),
}
READING: Final = {
    "list": (0, "Failed"),
    "tree broken": (0, "SqlError 1146"),
    "logs broken": (0, "error 1146"),
    "logs broken --all": (0, "==> first #1 <=="),
    "why broken": (0, "kubectl obtask retry broken"),
    "tree broken -o json": (0, '"code": "1146"'),
    "why broken -o yaml": (0, 'line: "kubectl obtask retry broken'),
    "locks": (0, "cluster broken"),
    "wait broken": (3, "waits for a person"),
    "wait broken --for failed": (0, ""),
}


@pytest.fixture(scope="module", autouse=True)
def states(module_operator: None, module_tasks: TaskClient) -> None:  # noqa: ARG001 - it has to run
    """Have one task for each way of using each verb, in the state that it needs, each in a cluster of its own."""
    failed = [f"{verb}-{way}" for verb in ACTIONS if verb not in {"cancel", "approve"} for way in (TTY, PIPE)] + ["broken"]
    steps = [wait_step("first", rollback={"wait": {"seconds": 0}}), sql_step("second", FAILING), wait_step("third")]
    for name in failed:
        module_tasks.create(name, cluster=name, maintenance="Global", connection={"secretName": "seekdb"}, steps=steps)
    for way in (TTY, PIPE):
        module_tasks.create(f"cancel-{way}", cluster=f"cancel-{way}", maintenance="Global", steps=[wait_step("long", 600)])
        module_tasks.create(f"approve-{way}", steps=[{"name": "ask", "approve": {"message": "Sure?"}}, wait_step("then")])
    for name in failed:
        module_tasks.wait_phase(name, "Failed")
    for way in (TTY, PIPE):
        module_tasks.wait_phase(f"cancel-{way}", "Running")
        module_tasks.wait(f"approve-{way}", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")


def used(obtask: Plugin, way: str, words: Sequence[str], answer: str = "") -> Ran:
    """Run a command in one of the two ways."""
    return obtask.on_terminal(*words, answer=answer) if way == TTY else obtask.run(*words)


@pytest.mark.parametrize("way", [TTY, PIPE])
@pytest.mark.parametrize("line", READING)
def test_what_only_reads(obtask: Plugin, line: str, way: str) -> None:
    """It says what it is asked for; with the context of another cluster nothing of this one is shown."""
    code, expected = READING[line]

    here = used(obtask, way, [*line.split(), "--context", HERE])
    elsewhere = used(
        obtask,
        way,
        [f"--context={ELSEWHERE}", *line.split(), "--timeout", "1s"] if "wait" in line else [f"--context={ELSEWHERE}", *line.split()],
    )

    assert (here.code, expected in here.said) == (code, True), here
    assert elsewhere.code == (124 if "wait" in line else 1), elsewhere
    assert "refused" in elsewhere.said
    assert expected == "" or expected not in elsewhere.said
    assert ("\x1b[" in here.out) == (way == TTY and line in {"list", "tree broken", "locks"})


@pytest.mark.parametrize("way", [TTY, PIPE])
@pytest.mark.parametrize("verb", ACTIONS)
def test_what_changes_a_task(obtask: Plugin, module_tasks: TaskClient, verb: str, way: str) -> None:
    """On a terminal it asks, in a pipe it wants -y; the answer and the rest are waited for; the other context is left alone."""
    code, phase = ACTIONS[verb]
    name = f"{verb}-{way}"
    before = module_tasks.get(name)["metadata"]["resourceVersion"]

    elsewhere = used(obtask, way, [verb, name, "--context", ELSEWHERE, "-y"])
    unsure = used(obtask, way, [verb, name], answer="n")
    untouched = module_tasks.get(name)["metadata"]["resourceVersion"]
    done = used(obtask, way, [verb, name, "--reason", "a test", *([] if way == TTY else ["-y"])], answer="y")

    assert (elsewhere.code, unsure.code) == (1, 1)
    assert "refused" in elsewhere.said
    assert ("nothing was done" if way == TTY else "add -y") in unsure.said
    assert before == untouched or verb in {"cancel", "approve"}
    assert (done.code, f"{verb} accepted" in done.said) == (code, True), done
    status = module_tasks.status(name)
    assert status["phase"] == phase
    assert (status["lastAction"]["verb"], status["lastAction"]["reason"]) == (verb, "a test")
    assert len(status["history"]) == 1


def test_a_list_for_machines(obtask: Plugin, module_tasks: TaskClient) -> None:
    """JSON, YAML and names are those that kubectl itself prints."""
    listed = json.loads(obtask.run("list", "-o", "json").out)
    names = obtask.run("list", "--phase", "Failed", "-o", "name").out.split()
    by_kubectl = module_tasks.kubectl("get", "obtasks", "-o", "yaml")

    assert {task["metadata"]["name"] for task in listed["items"]} >= {"broken", "cancel-pipe"}
    assert "obtasks.task.oceanbase.com/broken" in names
    assert obtask.run("list", "-o", "yaml").out.splitlines()[:5] == by_kubectl.splitlines()[:5]


def test_the_first_screen(obtask: Plugin) -> None:
    """Without a command there is the list, and what to type next."""
    shown = obtask.run()

    assert shown.code == 0
    assert [line.split()[:4] for line in shown.out.splitlines()] == [line.split()[:4] for line in obtask.run("list").out.splitlines()]
    assert shown.lines_to_type[0][0] == "why"


def test_versions_and_help_need_no_cluster(obtask: Plugin) -> None:
    """Neither asks the API server; a command line that is wrong is told so by its own exit code."""
    nowhere = obtask.on(obtask.folder / "missing")

    assert nowhere.run("version").out.startswith("kubectl obtask 0.")
    assert "124  timeout" in nowhere.run("--help").out
    assert [nowhere.run(*words).code for words in (["nonsense"], ["tree"], ["list", "--phase", "x"], ["wait", "a", "--timeout", "x"])] == [
        2
    ] * 4
