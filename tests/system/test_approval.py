"""Approvals of a task by members of a group: from the user's own credentials, through the chart's policies, to the operator."""

import pytest
from tests.support.chart.installed import eventually, release, small
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError
from obtask.logs.store import unpacked

APPROVER = "task.oceanbase.com/approver-group"
ASKING = [{"name": "ask", "approve": {"message": "Drop it?", "groups": ["dba", "sre"]}}, wait_step("go")]


def awaiting(tasks: TaskClient, name: str, **spec: object) -> None:
    """Create a task and wait until it awaits approval."""
    tasks.create(name, **({"steps": ASKING} | spec))
    tasks.wait(name, lambda body: body.get("status", {}).get("reason") == "AwaitingApproval", "to await approval")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("stamp", [None, "ask/dba"])
def test_where_nothing_stamps_nobody_approves(tasks: TaskClient, stamp: str | None) -> None:
    """Without policies anybody may write anything into annotations: the operator believes no stamp, and says what is missing."""
    awaiting(tasks, "sure")
    # What the policy would have added to the operator's note does not help either: the operator takes it off before it looks.
    forged = [f"{APPROVER}={stamp}", "task.oceanbase.com/groups-stamped=true"] if stamp else []

    tasks.annotate("sure", "action=approve", *forged)
    answer = tasks.answer("sure")

    assert (answer["verb"], answer["result"]) == ("approve", "Rejected")
    assert answer["message"].startswith('approving step "ask" needs one of the groups dba, sre')
    assert tasks.status("sure")["reason"] == "AwaitingApproval"
    assert APPROVER not in tasks.get("sure")["metadata"].get("annotations", {})


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("shown", [True, False], ids=["its-log-was-shown", "at-once"])
def test_the_log_of_an_approved_attempt_ends(tasks: TaskClient, shown: bool) -> None:
    """Whoever reads it sees that it was approved; if it was shown while it waited, it says that it has ended."""
    awaiting(tasks, "sure", steps=[{"name": "ask", "approve": {"message": "Drop it?"}}, wait_step("go")])
    if shown:
        eventually(lambda: tasks.config_maps("sure"), "the live log")

    tasks.command("sure", "approve")

    subtask = tasks.wait_let_go("sure", "Succeeded")["steps"][0]["subtasks"][0]
    assert subtask["logTail"].endswith("Z approved")
    for config_map in tasks.config_maps("sure"):
        notes = config_map["metadata"]["annotations"]
        assert (notes["task.oceanbase.com/reason"], bool(notes["task.oceanbase.com/finished-at"])) == ("Succeeded", True)
        said = unpacked(config_map)
        assert said is not None
        assert [line.partition(" ")[2] for line in said.splitlines()] == ["awaiting approval: Drop it?", "approved"]
    assert bool(tasks.config_maps("sure")) or not shown


@pytest.mark.usefixtures("operator")
def test_a_member_of_a_group_approves(control_plane: ControlPlane, tasks: TaskClient) -> None:
    """Others are refused by the API server; the task goes on once, and the status says who approved."""
    tasks.kubectl("create", "role", "people", "--verb=get,patch,approve", "--resource=obtasks.task.oceanbase.com")
    tasks.kubectl("create", "rolebinding", "people", "--role=people", "--user=alice", "--user=mallory")
    awaiting(tasks, "sure")
    awaiting(tasks, "probe")

    def says(*words: str) -> str:
        try:
            return tasks.kubectl("annotate", "obtask", *words)
        except DevClusterError as refusal:
            return str(refusal)

    def proven() -> bool:
        return "accepted" in says("probe", "action=approve", "--as=alice", "--as-group=dba", "--overwrite").lower() or (
            tasks.status("probe").get("lastAction", {}).get("result") == "Accepted"
        )

    with release(control_plane, tasks.namespace, small(tasks.namespace, admission={"enabled": True, "exemptUsers": ["obtask-operator"]})):
        dry = ("--dry-run=server", "-o", "yaml")
        eventually(lambda: "ask/dba" in says("sure", "action=approve", "--as=alice", "--as-group=dba", *dry), "the stamp")
        eventually(lambda: "may not approve" in says("sure", "action=approve", "--as=mallory", "--as-group=dev", *dry), "the refusal")
        eventually(proven, "the proof")
        refused = says("sure", "action=approve", f"{APPROVER}=ask/dba", "--as=mallory", "--as-group=dev")
        tasks.annotate("sure", "action=approve", "--as=alice", "--as-group=sre")
        answer = tasks.answer("sure")
        tasks.wait_phase("sure", "Succeeded")
        again = says("sure", "action=approve", "--as=alice", "--as-group=sre")

    assert "mallory may not approve step ask: it needs one of the groups dba, sre" in refused
    assert (answer["result"], answer["requestedBy"]) == ("Accepted", "alice")
    assert "approve is not allowed while Succeeded" in again
