"""Each of the promises that every suite is judged by can be broken, and is then said."""

import pytest
from tests.support.builders import Json
from tests.support.memory_api import merged
from tests.support.promises import broken, conflict, lease_changed, task_changed

LOCK: Json = {"lease": "l", "token": 7}
STEPS: Json = {"steps": [{"name": "s", "subtasks": [{"name": "s", "attempts": 2}]}]}
STATUS: Json = {"phase": "Running", "reason": "Executing", "lock": LOCK, "startedAt": "1"} | STEPS
ONE: Json = {"metadata": {"name": "x", "uid": "1"}, "spec": {"type": "Cluster", "cluster": "c", "maintenance": "Global"}, "status": STATUS}
LEASE: Json = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "x/1", "leaseTransitions": 7}}


def test_what_is_as_it_should_be() -> None:
    """Nothing is said of a task that holds its lock, or one that has lost it, and nothing of changes that may be."""
    lost = merged(ONE, {"status": {"reason": "LockLost", "lock": None}})

    assert list(broken([ONE], {"l": LEASE})) == []
    assert list(broken([lost, merged(ONE, {"metadata": {"uid": "2"}, "status": {"lock": {"token": 8}}})], None)) == []
    assert list(task_changed(ONE, merged(ONE, {"status": {"finishedAt": "2"}}))) == []
    assert list(lease_changed(LEASE, merged(LEASE, {"spec": {"holderIdentity": "y/1", "leaseTransitions": 8}}))) == []


@pytest.mark.parametrize(
    ("change", "lease", "fault"),
    [
        ({"status": {"lock": None}}, {}, "holds without a lock"),
        ({"status": {"reason": None}}, {}, "has no reason"),
        ({}, {"holderIdentity": None}, "names nobody"),
        ({}, {"holderIdentity": "x/0"}, "names x/0"),
        ({}, {"leaseTransitions": 8}, "that of its Lease is 8"),
        ({"status": {"lock": {"lease": "gone"}}}, {}, "it is gone"),
    ],
)
def test_a_state_that_breaks_a_promise(change: Json, lease: Json, fault: str) -> None:
    """A task that works has a reason, and its lock in its own Lease."""
    found = list(broken([merged(ONE, change)], {"l": merged(LEASE, {"spec": lease})}))

    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ({"finishedAt": "2"}, {"finishedAt": "2", "phase": "Failed"}, "changed after its end"),
        ({}, {"startedAt": "2"}, "startedAt changed"),
        ({}, {"steps": []}, "fell from 2 to 0"),
    ],
)
def test_a_change_that_breaks_a_promise(before: Json, after: Json, fault: str) -> None:
    """What has ended, begun or been tried stays so."""
    found = list(task_changed(merged(ONE, {"status": before}), merged(ONE, {"status": after})))

    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"leaseTransitions": 6}, "went back"), ({"holderIdentity": "y/1"}, "without a new fencing token")],
)
def test_a_lease_that_breaks_a_promise(change: Json, fault: str) -> None:
    """A token falls for nobody, and every holder has one of its own."""
    assert [fault in text for text in lease_changed(LEASE, merged(LEASE, {"spec": change}))] == [True]


def test_two_holders_are_noticed() -> None:
    """Two tasks that exclude each other by the table of the contract may not both hold; two that do not may."""
    tenants = [merged(ONE, {"metadata": {"name": name}, "spec": {"maintenance": "Tenant", "tenant": name}}) for name in "ab"]

    assert [conflict(ONE, tenant) for tenant in tenants] == [True, True]
    assert list(broken(tenants, None)) == []
    assert len([text for text in broken([*tenants, ONE], None) if "two conflicting holders" in text]) == 2
