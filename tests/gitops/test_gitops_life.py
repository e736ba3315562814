"""Real tasks from their creation to their end, as GitOps tools see every version of them, and steered from Argo CD."""

from tests.gitops.judging import Judges
from tests.gitops.test_gitops_actions import chosen
from tests.gitops.test_gitops_health import argo, flux, kstatus
from tests.support.apiserver import OBTASKS
from tests.support.history import History
from tests.support.operators import operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

from obtask.settings import Settings


def press(judges: Judges, tasks: TaskClient, name: str, verb: str) -> None:
    """Choose an action in Argo CD, which sends what differs."""
    before = tasks.get(name)
    after = chosen(judges, before, verb)
    change = {"metadata": {"annotations": after["metadata"]["annotations"]}}
    assert after == before | {"metadata": before["metadata"] | change["metadata"]}
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/{name}", change)


def verdicts(judges: Judges, history: History, name: str) -> list[tuple[str, str, str]]:
    """Return what Argo CD, kstatus and Flux made of a task one after the other."""
    found: list[tuple[str, str, str]] = []
    for change in history.changes():
        if change.kind == "obtask" and change.name == name and change.body is not None:
            verdict = (argo(judges, change.body)[0], kstatus(judges, change.body), flux(judges, change.body))
            found += [verdict] if verdict not in found[-1:] else []
    return found


def test_a_task_is_done_when_it_is_done_and_not_before(judges: Judges, tasks: TaskClient, settings: Settings) -> None:
    """One that fails, is retried and skipped from Argo CD, and one that waits for it: no version of either is taken for done too early."""
    under_way = ("Progressing", "InProgress", "InProgress")
    wrong = ("Degraded", "Failed", "Failed")
    done = ("Healthy", "Current", "Current")
    with History(tasks.api, tasks.namespace).running() as history:
        tasks.create("x", maintenance="Global", connection={"secretName": "missing"}, steps=[sql_step("a", FAILING)])
        with operator_thread(settings):
            tasks.wait_phase("x", "Failed")
            tasks.create("y", maintenance="Global", steps=[wait_step("b")])
            tasks.wait_phase("y", "Waiting")
            press(judges, tasks, "x", "retry")
            tasks.wait("x", lambda body: body["status"].get("failedSubtask", {}).get("attempt") == 2, "the second attempt")
            press(judges, tasks, "x", "skip")
            tasks.wait_let_go("x", "Skipped")
            tasks.wait_let_go("y", "Succeeded")

        assert verdicts(judges, history, "x") == [under_way, wrong, under_way, wrong, done]
        assert verdicts(judges, history, "y") == [under_way, done]
