"""Owns the Task Center that is measured: a process, what it uses, and browsers without scripts that look at it."""

import html
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.local import ENVIRONMENT

from devcluster.controlplane import ControlPlane
from devcluster.ports import LOOPBACK, free_port

PATIENCE_SECONDS = 60.0
ALL = re.compile(r"\bof (\d+)</span>")  # behind the numbers of the tasks on the page
STREAM = re.compile(r'hx-sse:connect="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Served:
    """A Task Center that runs as a process."""

    url: str
    pid: int

    @property
    def memory_mib(self) -> float:
        """Resident memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @contextmanager
    def visit(self, token: str) -> Iterator[httpx.Client]:
        """Give a browser that has signed in."""
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en", "Accept-Encoding": "gzip"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as browser:
            answer = browser.post("/login", data={"secret": token})
            if answer.status_code != httpx.codes.SEE_OTHER:
                raise RuntimeError(answer.text)
            yield browser


@contextmanager
def served(cluster: ControlPlane, log: Path, **settings: str) -> Iterator[Served]:
    """Run a Task Center until the block ends. ``settings``: environment variables."""
    port = free_port()
    command = [sys.executable, "-m", "obtask", "web", "--kubeconfig", str(cluster.kubeconfig), "--identity", "token"]
    command += ["--listen", f"{LOOPBACK}:{port}"]
    environment = os.environ | ENVIRONMENT | {"OBTASK_WEB_LOGINS_PER_MINUTE": "10000"} | settings
    with log.open("a") as errors, subprocess.Popen(command, stdout=errors, stderr=errors, env=environment) as process:  # noqa: S603 - ours
        url = f"http://{LOOPBACK}:{port}"
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not _answers(url):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"the Task Center did not start: {log.read_text()[-1000:]}")
                time.sleep(0.1)
            yield Served(url, process.pid)
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def timed(browser: httpx.Client, path: str) -> float:
    """Return how many seconds a page takes."""
    began = time.monotonic()
    browser.get(path).raise_for_status()
    return time.monotonic() - began


def read_history(browser: httpx.Client, all_tasks: int) -> list[float]:
    """Have the finished tasks read, and look at the list until at least so many are there; return how long each look took."""
    deadline, times = time.monotonic() + PATIENCE_SECONDS, []
    while time.monotonic() < deadline:
        answer = browser.get("/tasks?status=all")
        times.append(answer.elapsed.total_seconds())
        known = ALL.search(answer.text)
        if known is not None and int(known[1]) >= all_tasks and "tasks are read" not in answer.text:
            return times
        time.sleep(0.05)
    raise TimeoutError("the history was not read")


@contextmanager
def events(browser: httpx.Client, path: str) -> Iterator[Iterator[str]]:
    """Give the lines of the stream of a page."""
    found = STREAM.search(browser.get(path).text)
    if found is None:
        raise RuntimeError("the page has no stream")
    with browser.stream("GET", html.unescape(found[1]), headers={"Accept": "text/event-stream"}, timeout=None) as answer:
        yield answer.iter_lines()
