"""What is remembered of finished tasks, also over lists that come again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from obtask import names
from obtask.cache.finished import EVERYWHERE, FinishedTasks
from obtask.rules.retention import Retention

FAR = datetime(2027, 1, 1, tzinfo=UTC)
NONE_KEPT = Retention(history_limit=0)


@pytest.fixture
def finished() -> FinishedTasks:
    """Return a memory with nothing in it."""
    return FinishedTasks(wanted=True)


def task(name: str, version: int = 1, *, namespace: str = "a", **change: Any) -> dict[str, Any]:
    """Return a task that has succeeded."""
    meta = {"namespace": namespace, "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    status = {"phase": "Succeeded", "finishedAt": "2026-11-23T07:00:00Z"}
    return {"metadata": meta | change.get("metadata", {}), "spec": change.get("spec", {}), "status": status | change.get("status", {})}


def known(finished: FinishedTasks) -> set[str]:
    """Return the names of what it would have deleted if nothing was to be kept."""
    return {one.name for one, _ in finished.surplus(NONE_KEPT, FAR)}


def listed(finished: FinishedTasks, *names_there: str, namespace: str = "a", scope: str = EVERYWHERE) -> None:
    """Have a list of a namespace or of all name these tasks."""
    finished.list_begins(scope)
    for name in names_there:
        finished.see(task(name, namespace=namespace))
    finished.list_ends(scope)


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
    finished.see(task("kept", metadata=marks))
    finished.see(task("hook", metadata=marks | hook))
    finished.see(task("labelled", metadata={"labels": {"app.kubernetes.io/name": "x"}}))

    assert known(finished) == hooks | {"labelled"}


def test_only_tasks_that_nothing_waits_for_are_known(finished: FinishedTasks) -> None:
    """Not those with the operator's finalizer, on their way out, without a time, or unfinished: Failed ones keep their lock."""
    finished.see(task("done"))
    finished.see(task("held", metadata={"finalizers": ["task.oceanbase.com/finalizer"]}))
    finished.see(task("leaving", metadata={"deletionTimestamp": "2026-11-23T07:30:00Z"}))
    finished.see(task("odd", status={"finishedAt": "yesterday"}))
    finished.see(task("failed", status={"phase": "Failed"}))
    finished.see(task("timeless", status={"finishedAt": None}))

    assert known(finished) == {"done"}


@pytest.mark.parametrize("wanted", [True, False])
def test_a_time_of_its_own_is_remembered_whatever_else_is_kept(wanted: bool) -> None:
    """In a few words, not as a whole task; a label that others use, too, does not count against it, and spares it from everything else."""
    finished, own = FinishedTasks(wanted=wanted), {"ttlSecondsAfterFinished": 60}
    finished.see(task("own", spec=own))
    finished.see(task("shared", metadata={"labels": {"app.kubernetes.io/instance": "x"}}, spec=own))
    finished.see(task("helm", metadata={"annotations": {"meta.helm.sh/release-name": "x"}}, spec=own))
    finished.see(task("none"))

    assert known(finished) == {"own", "shared"} | ({"none"} if wanted else set())
    assert {one.name for one, _ in finished.surplus(NONE_KEPT, FAR) if one.spared} == {"shared"}
    gone = finished.surplus(Retention(), datetime(2026, 11, 23, 7, 1, tzinfo=UTC))
    assert {one.name for one, _ in gone} == {"own", "shared"}


def test_a_list_that_comes_again_tells_what_is_gone(finished: FinishedTasks) -> None:
    """While it comes nothing is deleted, since what is gone would count; after it, what it did not name is forgotten."""
    listed(finished, "kept", "gone")

    finished.list_begins(EVERYWHERE)
    finished.see(task("kept"))
    finished.see(task("new"))
    assert known(finished) == set()
    finished.list_ends(EVERYWHERE)

    assert known(finished) == {"kept", "new"}


@pytest.mark.parametrize("left", [(), ("other",)])
def test_a_namespace_that_is_gone_is_forgotten(finished: FinishedTasks, left: tuple[str, ...]) -> None:
    """No list names it any more, and a list that is empty names nothing at all."""
    for namespace in ("gone", "there"):
        finished.see(task(f"in-{namespace}", namespace=namespace))

    listed(finished, *left, namespace="there")

    assert known(finished) == set(left)
    assert set(finished._by_namespace) == {"there" for _ in left}


def test_a_list_of_one_namespace_says_nothing_of_others(finished: FinishedTasks) -> None:
    """An operator of some namespaces has a list of each; they may be under way at the same time."""
    for name, namespace in (("a-kept", "a"), ("a-gone", "a"), ("b-kept", "b"), ("b-gone", "b")):
        finished.see(task(name, namespace=namespace))

    finished.list_begins("b")
    listed(finished, "a-kept", namespace="a", scope="a")
    assert known(finished) == set()
    finished.see(task("b-kept", namespace="b"))
    finished.list_ends("b")

    assert known(finished) == {"a-kept", "b-kept"}


def test_a_list_that_breaks_off_begins_anew(finished: FinishedTasks) -> None:
    """What was deleted between the two counts as well."""
    listed(finished, "kept", "gone", "also-kept")

    finished.list_begins(EVERYWHERE)
    finished.see(task("gone"))
    listed(finished, "kept", "also-kept")

    assert known(finished) == {"kept", "also-kept"}


def test_old_news_changes_nothing(finished: FinishedTasks) -> None:
    """An event that comes again does not replace what is known; a version that was dropped after a refusal may come anew."""
    finished.see(task("x", 7))
    finished.see(task("x", 3, metadata={"deletionTimestamp": "2026-11-23T07:30:00Z"}))
    ((before, _),) = finished.surplus(NONE_KEPT, FAR)
    finished.see(task("x", 8))

    finished.drop(before)

    assert before.version == "7"
    assert [one.version for one, _ in finished.surplus(NONE_KEPT, FAR)] == ["8"]
    finished.forget("a", "uid-x")
    assert known(finished) == set()


def test_nothing_is_remembered_for_nobody() -> None:
    """Without limits ten thousand finished tasks take no memory."""
    finished = FinishedTasks(wanted=False)
    finished.see(task("done"))

    assert known(finished) == set()


def test_namespaces_that_come_and_go_are_forgotten(finished: FinishedTasks) -> None:
    """Also those in which no task was ever finished."""
    for number in range(100):
        namespace = f"ns-{number}"
        finished.see(task("x", namespace=namespace))
        finished.see(task("y", namespace=f"other-{number}", status={"phase": "Running"}))
        finished.forget(namespace, "uid-x")

    assert not finished._by_namespace


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "2026-11-23T07:00:00", "0000-00-00T00:00:00Z", 5, None, [], "x" * 100_000])
@pytest.mark.parametrize("retention", [Retention(ttl_seconds=3600), Retention(history_limit=0)])
def test_no_forged_end_keeps_others_from_being_cleaned(finished: FinishedTasks, moment: object, retention: Retention) -> None:
    """Whoever may write a status may write any time into it; the rule is asked about all tasks of the cluster at once."""
    finished.see(task("forged", status={"finishedAt": moment}))
    finished.see(task("old"))

    assert "old" in {one.name for one, _ in finished.surplus(retention, FAR)}
