"""Who gave a command: from the user's own credentials, through the chart's policy and the operator, into status and Event."""

import pytest
from tests.support.chart.installed import eventually, release, small
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError

STAMP = "task.oceanbase.com/requested-by"


@pytest.mark.usefixtures("operator")
def test_the_status_and_the_event_name_who_asked(control_plane: ControlPlane, tasks: TaskClient) -> None:
    """Whatever name the user writes down; the annotation is taken off with the command, and the next one names the next user."""
    tasks.kubectl("create", "role", "people", "--verb=get,patch,retry,skip", "--resource=obtasks.task.oceanbase.com")
    tasks.kubectl("create", "rolebinding", "people", "--role=people", "--user=alice", "--user=bob")
    tasks.create("broken", connection={"secretName": "missing"}, steps=[sql_step("a", FAILING), wait_step("b")])
    tasks.wait_phase("broken", "Failed")
    operator = {"enabled": True, "exemptUsers": ["obtask-operator"]}

    def says(*words: str) -> str:
        try:
            return tasks.kubectl("annotate", "obtask", "broken", "--as=alice", "--dry-run=server", "-o", "yaml", *words)
        except DevClusterError as refusal:
            return str(refusal)

    with release(control_plane, tasks.namespace, small(tasks.namespace, admission=operator)):
        eventually(lambda: f"{STAMP}: alice" in says("action=retry"), "the stamp")
        eventually(lambda: "unknown command" in says("action=x"), "the policy of commands")
        tasks.annotate("broken", "action=retry", f"{STAMP}=boss", "--as=alice")
        first = tasks.answer("broken")
        tasks.wait_phase("broken", "Failed")
        tasks.annotate("broken", "action=skip", "--as=bob")
        second = tasks.answer("broken", first["id"])
        event = tasks.wait_events("broken", "SkippedByUser")["ActionAccepted"]

    assert (first["verb"], first["result"], first["requestedBy"]) == ("retry", "Accepted", "alice")
    assert (second["verb"], second["result"], second["requestedBy"]) == ("skip", "Accepted", "bob")
    assert event["message"] == "skip by bob: task skipped"
    assert STAMP not in tasks.get("broken")["metadata"].get("annotations", {})
