"""What is remembered of finished tasks, also over lists that come again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from obtask import names
from obtask.cache.finished import LISTING_PAUSE_SECONDS, FinishedTasks
from obtask.rules.retention import Retention, surplus


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds that have passed."""
        return self.now

    def later(self) -> None:
        """Let the lists be over."""
        self.now += LISTING_PAUSE_SECONDS


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def finished(clock: Clock) -> FinishedTasks:
    """Return a memory with nothing in it."""
    return FinishedTasks(clock, wanted=True)


def task(name: str, version: int = 1, *, namespace: str = "a", **change: Any) -> dict[str, Any]:
    """Return a task that has succeeded."""
    meta = {"namespace": namespace, "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    status = {"phase": "Succeeded", "finishedAt": "2026-11-23T07:00:00Z"}
    return {"metadata": meta | change.get("metadata", {}), "spec": change.get("spec", {}), "status": status | change.get("status", {})}


def known(finished: FinishedTasks) -> set[str] | None:
    """Return the names of what is certain to be there."""
    found = finished.certain()
    return None if found is None else {one.name for one in found}


@pytest.mark.parametrize(
    ("marks", "hooks"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, {"hook"}),
        ({"labels": {"argocd.argoproj.io/instance": "x"}}, {"hook"}),
        ({"labels": {"app.kubernetes.io/instance": "x"}}, {"hook"}),
        ({"annotations": {"meta.helm.sh/release-name": "x"}}, set()),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, set()),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "x"}}, set()),
    ],
)
def test_what_gitops_tools_keep_is_not_ours_to_delete(finished: FinishedTasks, marks: dict[str, Any], hooks: set[str]) -> None:
    """They would make it again, and it would run again; a hook of Argo CD is made once per sync, and other marks mean nothing."""
    hook = {"annotations": marks.get("annotations", {}) | {names.HOOK_ANNOTATION: "PreSync"}}
    finished.see(task("kept", metadata=marks), listed=False)
    finished.see(task("hook", metadata=marks | hook), listed=False)
    finished.see(task("labelled", metadata={"labels": {"app.kubernetes.io/name": "x"}}), listed=False)

    assert known(finished) == hooks | {"labelled"}


def test_only_tasks_that_nothing_waits_for_are_known(finished: FinishedTasks) -> None:
    """Not those with the operator's finalizer, on their way out, without a time, or unfinished: Failed ones keep their lock."""
    finished.see(task("done"), listed=False)
    finished.see(task("held", metadata={"finalizers": ["task.oceanbase.com/finalizer"]}), listed=False)
    finished.see(task("leaving", metadata={"deletionTimestamp": "2026-11-23T07:30:00Z"}), listed=False)
    finished.see(task("odd", status={"finishedAt": "yesterday"}), listed=False)
    finished.see(task("failed", status={"phase": "Failed"}), listed=False)
    finished.see(task("timeless", status={"finishedAt": None}), listed=False)

    assert known(finished) == {"done"}


@pytest.mark.parametrize("wanted", [True, False])
def test_a_time_of_its_own_is_remembered_whatever_else_is_kept(clock: Clock, wanted: bool) -> None:
    """In a few words, not as a whole task; a label that others use, too, does not count against it, and spares it from everything else."""
    finished, own = FinishedTasks(clock, wanted=wanted), {"ttlSecondsAfterFinished": 60}
    finished.see(task("own", spec=own), listed=False)
    finished.see(task("shared", metadata={"labels": {"app.kubernetes.io/instance": "x"}}, spec=own), listed=False)
    finished.see(task("helm", metadata={"annotations": {"meta.helm.sh/release-name": "x"}}, spec=own), listed=False)
    finished.see(task("none"), listed=False)

    assert known(finished) == {"own", "shared"} | ({"none"} if wanted else set())
    found = finished.certain()
    assert found is not None
    assert {one.name for one in found if one.spared} == {"shared"}
    gone = surplus(found, Retention(), datetime(2026, 11, 23, 7, 1, tzinfo=UTC))
    assert {one.name for one, _ in gone} == {"own", "shared"}


def test_a_list_that_comes_again_tells_what_is_gone(finished: FinishedTasks, clock: Clock) -> None:
    """While it comes nothing is certain; after it, what it did not name is forgotten, in the namespaces it was about."""
    for name, namespace in (("kept", "a"), ("gone", "a"), ("elsewhere", "b")):
        finished.see(task(name, namespace=namespace), listed=True)
    assert known(finished) is None
    clock.later()
    assert known(finished) == {"kept", "gone", "elsewhere"}

    finished.see(task("kept"), listed=True)
    finished.see(task("new"), listed=True)

    assert known(finished) is None
    clock.later()
    assert known(finished) == {"kept", "new", "elsewhere"}


def test_a_standby_doubts_every_list(finished: FinishedTasks, clock: Clock) -> None:
    """Nobody asks it what is certain; what went while its watch was broken does not push out the rest when it leads."""
    for number in range(1, 11):
        finished.see(task(f"t{number}"), listed=True)
    clock.later()
    for number in range(1, 6):
        finished.see(task(f"t{number}"), listed=True)
    clock.later()
    for number in range(11, 16):
        finished.see(task(f"t{number}"), listed=False)

    assert known(finished) == {f"t{number}" for number in (*range(1, 6), *range(11, 16))}


def test_a_list_right_after_another_is_a_list_of_its_own(finished: FinishedTasks, clock: Clock) -> None:
    """The watch broke at once: what the first list named and the second does not is gone."""
    for names_there in (("kept", "gone", "also-kept"), ("kept", "also-kept", "new")):
        for name in names_there:
            finished.see(task(name), listed=True)
    clock.later()

    assert known(finished) == {"kept", "also-kept", "new"}


def test_old_news_changes_nothing(finished: FinishedTasks) -> None:
    """An event that comes again does not replace what is known; a version that was dropped after a refusal may come anew."""
    finished.see(task("x", 7), listed=False)
    finished.see(task("x", 3, metadata={"deletionTimestamp": "2026-11-23T07:30:00Z"}), listed=False)
    before = (finished.certain() or [])[0]
    finished.see(task("x", 8), listed=False)

    finished.drop(before)

    assert before.version == "7"
    assert [one.version for one in finished.certain() or ()] == ["8"]
    finished.forget("a", "uid-x")
    assert known(finished) == set()


def test_nothing_is_remembered_for_nobody(clock: Clock) -> None:
    """Without limits ten thousand finished tasks take no memory."""
    finished = FinishedTasks(clock, wanted=False)
    finished.see(task("done"), listed=False)

    assert finished.certain() == []


def test_namespaces_that_come_and_go_are_forgotten(finished: FinishedTasks) -> None:
    """Also those in which no task was ever finished."""
    for number in range(100):
        namespace = f"ns-{number}"
        finished.see(task("x", namespace=namespace), listed=False)
        finished.see(task("y", namespace=f"other-{number}", status={"phase": "Running"}), listed=False)
        finished.forget(namespace, "uid-x")

    assert not finished._by_namespace


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "2026-11-23T07:00:00", "0000-00-00T00:00:00Z", 5, None, [], "x" * 100_000])
@pytest.mark.parametrize("retention", [Retention(ttl_seconds=3600), Retention(history_limit=0)])
def test_no_forged_end_keeps_others_from_being_cleaned(finished: FinishedTasks, moment: object, retention: Retention) -> None:
    """Whoever may write a status may write any time into it; the rule is asked about all tasks of the cluster at once."""
    finished.see(task("forged", status={"finishedAt": moment}), listed=False)
    finished.see(task("old"), listed=False)

    certain = finished.certain()

    assert certain is not None
    assert "old" in {one.name for one, _ in surplus(certain, retention, datetime(2027, 1, 1, tzinfo=UTC))}
