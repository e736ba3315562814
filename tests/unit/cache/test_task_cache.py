"""Tasks that wait cost little, however large they are: a large spec is kept packed, and read again for a reconcile. API.md section 2.2."""

import json
import tracemalloc
from datetime import UTC, datetime

import pytest

from obtask.cache.finished import FinishedTasks
from obtask.cache.tasks import TaskCache, at_rest
from obtask.kube.foreign import parse_task
from obtask.model.spec import TaskSpec
from obtask.model.task import Key, Task
from obtask.rules.retention import Retention

LARGE = 5
# A list of empty lists takes twenty times the memory of its text: more than a megabyte for each of these.
DENSE = "[" + ",".join(["[]"] * 20_000) + "]"
TEXT_BYTES = 60_000


def large(number: int, version: int = 1, **more: object) -> bytes:
    """Return a large task as the API server sends it."""
    meta = {"name": f"t-{number}", "namespace": "ns", "uid": f"u-{number}", "resourceVersion": str(version), "generation": 1}
    head = json.dumps({"metadata": meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}, **more}, separators=(",", ":"))
    spec = '"type":"Cluster","cluster":"c","maintenance":"Global","ttlSecondsAfterFinished":5,"steps":'
    return f'{head[:-1]},"spec":{{{spec}[{{"name":"s","http":{{"url":"http://x","body":{DENSE}}}}}]}}}}'.encode()


@pytest.mark.slow
def test_large_tasks_are_kept_packed() -> None:
    """They take less than their own text."""
    known = TaskCache()
    tracemalloc.start()
    for number in range(LARGE):
        known.update(parse_task(large(number)))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    for number in range(LARGE):
        task = known.get(Key("ns", f"t-{number}"))
        assert isinstance(task, Task)
        assert isinstance(task.spec, TaskSpec)
    assert kept < LARGE * TEXT_BYTES, kept
    assert known.counts() == {("Pending", "Global"): LARGE}
    assert len(known.uids()) == LARGE


def test_a_newer_version_replaces_an_older_one() -> None:
    """Also of a large task, the spec of which is not read again; an older one is no news."""
    known = TaskCache()
    known.update(parse_task(large(1)))
    known.update(parse_task(large(1, 3, status={"phase": "Waiting"})))

    assert known.update(parse_task(large(1, 2))) is None
    assert known.counts() == {("Waiting", "Global"): 1}
    known.forget(Key("ns", "t-1"), "u-1", deleted=False)
    assert known.uids() == {}


def test_the_own_time_of_a_large_task_at_its_end_is_remembered_without_the_task() -> None:
    """It is found although the spec is packed."""
    finished = FinishedTasks(wanted=False)
    ended = large(1, status={"phase": "Succeeded", "finishedAt": "2026-11-23T07:00:00Z"})
    for number, text in enumerate((ended, ended.replace(b'"ttlSecondsAfterFinished":5,', b"").replace(b"u-1", b"u-2"))):
        body = parse_task(text)
        assert at_rest(body), number
        finished.see(body)

    gone = finished.surplus(Retention(), datetime(2027, 1, 1, tzinfo=UTC))
    assert [(one.uid, one.own_ttl) for one, _ in gone] == [("u-1", 5)]
