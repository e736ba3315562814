"""Ten thousand tasks in one namespace: what is read, what is shown, and how much memory that takes."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from tests.support.plugin import BESIDE, Plugin

from devcluster.binaries import Binaries

MANY, UNFINISHED = 10_000, 30
WEIGHT = "x" * 6_000  # what the steps of a task weigh
MOST_MEMORY = 80_000_000  # all tasks kept whole take 110 MB
PHASES = ("Failed", "Running", "Waiting")


def task(number: int) -> dict[str, Any]:
    """Return a task; every 333rd is unfinished."""
    nth, rest = divmod(number, MANY // UNFINISHED)
    unfinished = rest == 0 and nth < UNFINISHED
    phase = PHASES[nth % len(PHASES)] if unfinished else "Succeeded"
    meta = {"name": f"task-{number:05d}", "namespace": "default", "uid": f"u{number}", "creationTimestamp": "2026-11-29T21:09:27Z"}
    steps = [{"name": "one", "phase": phase, "subtasks": [{"name": "one", "phase": phase, "logTail": WEIGHT}]}]
    status = {"phase": phase, "progress": "1/1", "finishedAt": None if unfinished else "2026-11-29T21:10:00Z", "steps": steps}
    return {
        "metadata": meta | {"resourceVersion": str(number + 1)},
        "spec": {"type": "Cluster", "cluster": "c", "maintenance": "None", "steps": []},
        "status": status,
    }


TASKS = [task(number) for number in range(MANY)]
SOME = [each for each in TASKS if each["status"]["phase"] != "Succeeded"]
# All of them, in a namespace where everything waits.
BUSY = "busy"
WAITING = [each | {"status": each["status"] | {"phase": "Waiting"}} for each in TASKS]


def asked_for(namespace: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the tasks that a list of the API server would have."""
    match query.get("fieldSelector", "").partition("="):
        case _ if namespace == BUSY:
            return WAITING
        case ("metadata.name", _, name):
            return [each for each in TASKS if each["metadata"]["name"] == name]
        case ("status.phase", _, phase):
            return [each for each in TASKS if each["status"]["phase"] == phase]
        case ("", _, _):
            return TASKS
        case _:
            return SOME


class _Lists(BaseHTTPRequestHandler):
    """Answers lists of tasks page by page, as the API server does; a watch goes on until the end, and brings nothing."""

    asked: list[dict[str, str]]
    over: threading.Event

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(path.query).items()}
        namespace, _, name = path.path.partition("/namespaces/")[2].removesuffix("/obtasks").partition("/obtasks/")
        self.asked.append(query)
        if "watch" in query:
            self._answer(b"")
            self.over.wait()
        elif name:
            self._answer(json.dumps(asked_for(namespace, {"fieldSelector": f"metadata.name={name}"})[0]).encode())
        else:
            found = asked_for(namespace, query)
            start = int(query.get("continue", "0"))
            end = start + int(query["limit"])
            more = {"continue": str(end)} if end < len(found) else {}
            metadata = more | {"resourceVersion": "20000"}
            self._answer(json.dumps({"kind": "OBTaskList", "metadata": metadata, "items": found[start:end]}).encode())

    def _answer(self, body: bytes) -> None:
        """Send a body; without one, the connection stays open for what comes."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if body:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def lists() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Serve the lists; give the address, and what is asked for."""
    asked: list[dict[str, str]] = []
    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Lists", (_Lists,), {"asked": asked, "over": over}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def far(binaries: Binaries, tmp_path: Path) -> Iterator[tuple[Plugin, list[dict[str, str]]]]:
    """Return the plugin with a cluster of ten thousand tasks, and the lists that are asked for."""
    with lists() as (address, asked):
        cluster = {"name": "c", "cluster": {"server": address}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config | {"current-context": "c"}))
        yield Plugin(binaries.kubectl, kubeconfig, tmp_path), asked


def test_a_list_reads_one_page_and_what_is_unfinished(far: tuple[Plugin, list[dict[str, str]]]) -> None:
    """Ten thousand finished tasks are not read to be told that they are finished."""
    obtask, asked = far

    listed = obtask.run("list")

    assert (listed.code, len(listed.out.splitlines())) == (0, UNFINISHED + 2)
    assert listed.out.splitlines()[-1] == "10 running, 10 failed, 10 waiting"
    assert "--all shows them" in listed.err
    assert [query["limit"] for query in asked] == ["500", "500"]
    assert "status.phase!=Succeeded" in asked[1]["fieldSelector"]


# What the kernel keeps of this very program: the memory of whoever has started it, and of kubectl, is not in it.
MEASURED = """
import sys
from kubectl_obtask.cli import run
code = run(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")), file=sys.stderr)
sys.exit(code)
"""


def most_memory(obtask: Plugin, *words: str) -> tuple[str, int]:
    """Return what a command prints, and how many bytes of memory it has had at most."""
    environment = {**obtask.environment, "KUBECTL": str(obtask.kubectl)}
    done = subprocess.run(  # noqa: S603 - words of the test
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout, int(done.stderr) * 1024


def test_all_of_them_can_be_had(far: tuple[Plugin, list[dict[str, str]]]) -> None:
    """Page by page, unfinished ones first; what is not shown of them is not kept."""
    obtask, asked = far

    said, memory = most_memory(obtask, "list", "--all", "-o", "name")
    names = said.split()

    assert (len(names), len({*names}), len(asked)) == (MANY, MANY, MANY // 500)
    assert {name.partition("/")[2] for name in names[:UNFINISHED]} == {each["metadata"]["name"] for each in SOME}
    assert memory < MOST_MEMORY


@pytest.mark.parametrize("form", ["json", "name"])
def test_a_program_gets_all_of_them_whole(far: tuple[Plugin, list[dict[str, str]]], form: str) -> None:
    """As from kubectl: nothing tells a program that finished ones are left out, or fields."""
    obtask, _ = far

    listed = obtask.run("list", "-o", form)

    if form == "json":
        found = {each["metadata"]["name"]: each for each in json.loads(listed.out)["items"]}
        assert found == {each["metadata"]["name"]: each for each in TASKS}
    else:
        assert {*listed.out.split()} == {f"obtasks.task.oceanbase.com/{each['metadata']['name']}" for each in TASKS}


def test_all_of_them_may_wait(far: tuple[Plugin, list[dict[str, str]]]) -> None:
    """A line of ten thousand is listed whole, and does not fill the memory either."""
    obtask, _ = far

    said, memory = most_memory(obtask, "list", "-o", "name", "-n", BUSY)

    assert len(said.split()) == MANY
    assert memory < MOST_MEMORY


def test_the_screen_has_all_that_are_unfinished(far: tuple[Plugin, list[dict[str, str]]]) -> None:
    """Also those whose names come last; of the finished ones it reads one page."""
    obtask, asked = far

    with obtask.watching() as screen:
        screen.until("10 running, 10 failed, 10 waiting")
        screen.press("q")
        assert screen.left() == 0

    assert [(query["limit"], query.get("continue", "")) for query in asked if "watch" not in query] == [("500", ""), ("500", "")]


def test_the_screen_opens_on_any_task(far: tuple[Plugin, list[dict[str, str]]]) -> None:
    """A finished one that is beyond the first page is read because it was asked for by its name."""
    obtask, _ = far

    with obtask.watching("task-09998") as screen:
        screen.until("task-09998")
        screen.press("q")
        assert screen.left() == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["why", "task-096"], ["task-09657"]),
        (["wait", "task-0001"], []),
        (["retry", "task-0"], [each["metadata"]["name"] for each in SOME if each["status"]["phase"] == "Failed"]),
        (["tree", "task-096"], ["task-09657"]),
        (["logs", "task-0001"], [f"task-{number:05d}" for number in range(10, 20)]),
    ],
    ids=" ".join,
)
def test_names_are_completed(far: tuple[Plugin, list[dict[str, str]]], words: list[str], found: list[str]) -> None:
    """Every unfinished task, wherever it is in the list, and of the others those of the first page; that is at most two requests."""
    obtask, asked = far

    said = subprocess.run(  # noqa: S603 - words of the test
        [BESIDE / "kubectl_complete-obtask", *words], capture_output=True, text=True, check=True, env=obtask.environment
    ).stdout.splitlines()

    assert ([line.partition("\t")[0] for line in said[:-1]], said[-1]) == (found, ":4")
    assert len(asked) <= 2
