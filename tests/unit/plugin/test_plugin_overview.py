"""What `kubectl obtask watch` reads: all tasks at first, then every change, across streams that end, break or are too old."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kubectl_obtask.cluster import PAGE, first_page
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.outcome import Fault
from kubectl_obtask.screen.overview import MOST_TASKS, MOST_UNFINISHED, Overview
from kubectl_obtask.session import Session
from kubectl_obtask.tasks import Task
from kubectl_obtask.terminal import Terminal
from kubectl_obtask.wording.language import Language

# Answers lists one after the other, and watches likewise; notes what it was asked for.
KUBECTL = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> asked
case "$*" in *watch=true*) kind=watch;; *) kind=list;; esac
number=$(( $(cat $kind.count 2>/dev/null || echo 0) + 1 ))
echo $number > $kind.count
if [ -f $kind.$number ]; then cat $kind.$number; exit 0; fi
echo "Unable to connect to the server: refused" >&2
exit 1
"""


def task(name: str, phase: str = "Running", version: int = 1) -> dict[str, Any]:
    """Return a task as the API server would send it."""
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}, "status": {"phase": phase}}


class Cluster:
    """What the kubectl of a test answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "kubectl").write_text(KUBECTL)
        (folder / "kubectl").chmod(0o755)

    def lists(self, number: int, *tasks: dict[str, Any], version: int = 10, more: str = "") -> None:
        """Answer a list with these tasks."""
        metadata = {"resourceVersion": str(version)} | ({"continue": more} if more else {})
        (self.folder / f"list.{number}").write_text(json.dumps({"metadata": metadata, "items": tasks}))

    def watches(self, number: int, *events: tuple[str, dict[str, Any]]) -> None:
        """Answer a watch with these events, then end it."""
        (self.folder / f"watch.{number}").write_text("".join(json.dumps({"type": kind, "object": body}) + "\n" for kind, body in events))

    @property
    def asked(self) -> list[str]:
        """What kubectl was called with."""
        return (self.folder / "asked").read_text().splitlines()

    def overview(self, wanted: str | None = None) -> Overview:
        """Return what reads it."""
        silent = Terminal(io.StringIO(), io.StringIO(), io.StringIO(), interactive=False, colour=False, width=0)
        kubectl = Kubectl(("--context=here",), "prod", {"PATH": f"{self.folder}:/usr/bin:/bin"})
        session = Session(kubectl, silent, Language.EN, lambda: pytest.fail("no time is needed"), lambda: 0.0)
        return Overview(session, "prod", first_page(kubectl, "prod"), wanted, pause=0.0)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return a cluster."""
    return Cluster(tmp_path)


def phases(seen: dict[str, Task] | Fault) -> dict[str, str]:
    """Return the phases of what was seen."""
    assert not isinstance(seen, Fault), seen
    return {each.name: each.phase for each in seen.values()}


def next_of(source: Overview, *, tries: int = 5) -> dict[str, Task] | Fault:
    """Return what comes next."""
    for _ in range(tries):
        found: Sequence[dict[str, Task] | Fault] = [*source.changes(10.0)]
        if found:
            return found[-1]
    raise AssertionError("nothing came")


def test_lists_then_watches(cluster: Cluster) -> None:
    """All pages, then what changes from that very version on; a task that is deleted is gone."""
    cluster.lists(1, task("a"), more="next")
    cluster.lists(2, task("b"))
    cluster.watches(1, ("MODIFIED", task("a", "Failed", 11)), ("DELETED", task("b", version=12)), ("ADDED", task("c", "Waiting", 13)))
    source = cluster.overview()

    assert phases(next_of(source)) == {"a": "Running", "b": "Running"}
    assert phases(next_of(source)) == {"a": "Failed", "c": "Waiting"}
    assert "resourceVersion=10" in cluster.asked[2]
    assert all("--context=here" in line and "--namespace=prod" in line for line in cluster.asked)
    source.stop()
    assert [*source.changes(0.01)] == []


def test_many_tasks(cluster: Cluster) -> None:
    """Of more than one page, the unfinished ones are read, too, and who was named; what the stream tells again is not taken for news."""
    cluster.lists(1, task("a", "Succeeded"), more="next")
    cluster.lists(2, task("z", "Failed", 15), version=15)
    cluster.lists(3, task("y", "Skipped"), version=16)
    cluster.watches(1, ("MODIFIED", task("z", "Running", 12)), ("MODIFIED", task("y", "Skipped", 17)))
    source = cluster.overview("y")

    assert phases(next_of(source)) == {"a": "Succeeded", "z": "Failed", "y": "Skipped"}
    assert phases(next_of(source)) == {"a": "Succeeded", "z": "Failed", "y": "Skipped"}
    assert ["status.phase%21%3DSucceeded" in line for line in cluster.asked] == [False, True, False, False]
    assert ["metadata.name%3Dy" in line for line in cluster.asked] == [False, False, True, False]
    assert "resourceVersion=10" in cluster.asked[3]
    source.stop()


def test_very_many_tasks(cluster: Cluster) -> None:
    """The first page, whatever is on it, does not count towards the unfinished tasks that are read."""
    cluster.lists(1, *(task(f"done{number}", "Succeeded") for number in range(PAGE)), more="next")
    pages = MOST_UNFINISHED // PAGE
    for page in range(pages + 1):
        cluster.lists(2 + page, *(task(f"t{page}-{number}", "Waiting") for number in range(PAGE)), more="next")
    cluster.lists(2 + pages, task("y", "Skipped"))
    source = cluster.overview("y")

    seen = [*phases(next_of(source)).values()]
    assert [seen.count(phase) for phase in ("Succeeded", "Waiting", "Skipped")] == [PAGE, MOST_UNFINISHED, 1]
    source.stop()


def test_finished_tasks_do_not_pile_up(cluster: Cluster) -> None:
    """A screen that is open for days keeps what is unfinished, the newest of the rest, and who was named, though it is the last of all."""
    cluster.lists(1, task("old", "Failed"), task("z", "Succeeded"))
    cluster.watches(1, *(("MODIFIED", task(f"t{number}", "Succeeded", 11 + number)) for number in range(MOST_TASKS + PAGE - 1)))
    source = cluster.overview("z")
    left = phases(next_of(source))
    while f"t{MOST_TASKS + PAGE - 2}" not in left:
        left = phases(next_of(source))

    assert (len(left), left["old"], left["z"]) == (MOST_TASKS + 1, "Failed", "Succeeded")
    source.stop()


def test_a_version_that_is_too_old(cluster: Cluster) -> None:
    """The API server says 410 in the stream: everything is listed again, and nothing is said."""
    cluster.lists(1, task("a"))
    cluster.watches(1, ("ERROR", {"kind": "Status", "code": 410}))
    cluster.lists(2, task("a", "Succeeded", 20), version=20)
    cluster.watches(2)
    source = cluster.overview()

    assert phases(next_of(source)) == {"a": "Running"}
    assert phases(next_of(source)) == {"a": "Succeeded"}
    source.stop()


def test_an_api_server_that_goes_away(cluster: Cluster) -> None:
    """It is said, and tried again until it is back."""
    cluster.lists(1, task("a"))
    source = cluster.overview()

    assert phases(next_of(source)) == {"a": "Running"}
    lost = next_of(source)
    assert isinstance(lost, Fault)
    assert lost.passing
    still = next_of(source)
    assert isinstance(still, Fault)
    cluster.lists(3, task("a", "Failed", 30))
    cluster.watches(2)
    assert phases(next_of(source)) == {"a": "Failed"}
    source.stop()
