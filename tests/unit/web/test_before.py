"""What is known of a failure that was seen before."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from tests.support.builders import START, a_task
from tests.support.rows import row

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, ApiUnauthorized, ApiUnavailable, Json
from obtask.model.contract import Phase
from obtask.model.task import Task, read_object
from obtask.web.detail.before import MOST_SHOWN, before, kept_failures
from obtask.web.detail.log_reading import KeptLog
from obtask.web.extras import extra
from obtask.web.views.rows import Row

HERE = "here"
FAILURE = {"step": "load", "subtask": "load", "attempt": 1, "direction": "Forward", "reason": "SqlError", "code": "1146", "message": "no"}


class Shelf:
    """An API server that has the logs of failed attempts, or refuses to list them."""

    def __init__(self, *found: Json, refuses: bool = False, trouble: Exception | None = None) -> None:
        self._found = found
        self._trouble = trouble
        self._refuses = refuses

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Fail: nothing else is asked for."""
        raise AssertionError(method, path, query, body)

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Return the list."""
        if self._trouble is not None:
            raise self._trouble
        assert (path, query["labelSelector"]) == ("/api/v1/namespaces/prod/configmaps", names.TASK_UID_LABEL)
        return ApiError(403, "Forbidden", "no") if self._refuses else {"items": [{"metadata": each} for each in self._found]}


def failed_task(phase: str = "Failed") -> Task:
    """Return a task that failed an hour after START."""
    body = a_task().with_spec(maintenance="None").step("load").named("tune").body()
    body["metadata"] |= {"uid": HERE, "namespace": "prod"}
    steps = [{"name": "load", "phase": "Failed", "subtasks": [{"name": "load", "phase": "Failed", "attempts": 1}]}]
    told = FAILURE | {"failedAt": (START + timedelta(hours=1)).isoformat()}
    body["status"] = {"phase": phase, "currentStep": "load", "steps": steps, "failedSubtask": told, "allowedActions": ["retry"]}
    task = read_object(body)
    assert isinstance(task, Task)
    return task


def log_of(uid: str, *, minutes: int = 0, notes: Mapping[str, str] | None = None) -> Json:
    """Return the metadata of the ConfigMap that keeps the log of an attempt which ended so many minutes after START."""
    usual = {"step": "load", "subtask": "load", "direction": "Forward", "attempt": "1", "reason": "SqlError", "code": "1146"}
    usual |= {"finished-at": (START + timedelta(minutes=minutes)).isoformat(), **(notes or {})}
    return {
        "name": f"obt-log-{uid}-{minutes}",
        "uid": "a-config-map",
        "labels": {names.TASK_UID_LABEL: uid},
        "annotations": {f"{names.GROUP}/{name}": value for name, value in usual.items()},
        "ownerReferences": [{"kind": names.KIND, "uid": uid}],
    }


def rows_of(**phases: str) -> dict[str, Row]:
    """Return rows whose uids are their names."""
    return {name: row(name, phase=phase) for name, phase in phases.items()}


async def seen(*found: Json, refuses: bool = False, phase: str = "Failed") -> list[KeptLog]:
    """Return the attempts that count as the same failure."""
    return list(await kept_failures(Shelf(*found, refuses=refuses), failed_task(phase)))


async def test_the_same_step_with_the_same_reason_and_code_counts() -> None:
    """Another step, reason, code or direction is another failure, and so is one of the task itself."""
    others = [{"step": "check"}, {"reason": "Timeout"}, {"code": "1062"}, {"direction": "Rollback"}]

    found = await seen(log_of("same"), log_of(HERE), *(log_of(f"other-{at}", notes=notes) for at, notes in enumerate(others)))

    assert [log.attempt.uid for log in found] == ["same"]


async def test_whoever_may_not_list_logs_is_told_nothing() -> None:
    """Nor is anything asked of a task that has not failed."""
    assert await seen(log_of("same"), refuses=True) == []
    assert await seen(log_of("same"), phase="Running") == []


@pytest.mark.parametrize("trouble", [ApiUnavailable("gone"), ApiForbidden("the answer has more than 16 MiB")])
async def test_what_cannot_be_read_does_not_cost_the_page(trouble: Exception) -> None:
    """Anybody may put the label on ConfigMaps of any size; that the API server does not know the visitor is no such trouble."""
    assert list(await kept_failures(Shelf(log_of("same"), trouble=trouble), failed_task())) == []
    with pytest.raises(ApiUnauthorized):
        await kept_failures(Shelf(trouble=ApiUnauthorized("who")), failed_task())


async def test_nobody_waits_for_what_a_page_can_do_without() -> None:
    """After a while, the page is made without it."""

    async def never() -> str:
        await asyncio.Event().wait()
        return "late"

    assert await extra(never(), "nothing", seconds=0.01) == "nothing"


async def test_it_says_in_how_many_tasks_since_when_and_what_became_of_them() -> None:
    """A task that failed twice counts once; the newest come first; those that the reader does not see do not count, nor do later ones."""
    logs = await seen(
        log_of("one", minutes=1), log_of("one", minutes=5), log_of("two", minutes=3), log_of("hidden"), log_of("later", minutes=61)
    )

    found = before(failed_task(), logs, rows_of(one="Succeeded", two="RolledBack", later="Failed"))

    assert found is not None
    assert (found.count, found.since) == (2, START + timedelta(minutes=3))
    assert [each.row.name for each in found.shown] == ["one", "two"]
    assert dict(found.phases) == {Phase.SUCCEEDED: 1, Phase.ROLLED_BACK: 1}


async def test_nothing_is_said_of_a_failure_that_is_new() -> None:
    """No task, no sentence."""
    assert before(failed_task(), await seen(), rows_of(one="Failed")) is None


@pytest.mark.parametrize("number", [MOST_SHOWN, MOST_SHOWN + 1])
async def test_only_the_newest_are_shown(number: int) -> None:
    """All are counted."""
    uids = [f"t{at}" for at in range(number)]
    logs = await seen(*(log_of(uid, minutes=at) for at, uid in enumerate(uids)))

    found = before(failed_task(), logs, rows_of(**dict.fromkeys(uids, "Skipped")))

    assert found is not None
    assert (found.count, len(found.shown), found.shown[0].row.name) == (number, MOST_SHOWN, uids[-1])
