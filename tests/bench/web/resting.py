"""Owns what open tabs cost while nothing happens: memory, CPU, and requests to the API server, which its audit log counts."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.bench.figures import Figure
from tests.bench.operators import cpu_seconds
from tests.bench.web.ground import NAMESPACE, Ground
from tests.bench.web.served import PATIENCE_SECONDS, Served, events, read_history
from tests.support.stored_logs import long_log, store_log, talking
from tests.support.tasks import TaskClient, wait_step

RUNNING = "resting"  # a task whose log is followed
TABS = ("/tasks", "/tasks?status=failed", "/tasks?sort=-cost", f"/t/{NAMESPACE}/{RUNNING}")
VISITORS = 5
SETTLING_SECONDS = 10.0
# Much shorter than the 300 s that people get, so that watches end and begin anew while it is counted.
WATCH_SECONDS = 60


def resting(ground: Ground) -> list[Figure]:
    """Return what tabs use; the first visitor has had all finished tasks read."""
    tabs, seconds = VISITORS * len(TABS), ground.scale.seconds
    tasks = TaskClient(ground.cluster, NAMESPACE)
    body = tasks.create(RUNNING, steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, long_log(100))
    names = [f"resting-{number}" for number in range(VISITORS)]
    tokens = [ground.token(name) for name in names]
    with ground.center(OBTASK_WEB_WATCH_SECONDS=str(WATCH_SECONDS)) as center:
        with center.visit(tokens[0]) as browser:
            read_history(browser, ground.scale.tasks)
        with _opened(center, [(token, path) for token in tokens for path in TABS]):
            time.sleep(SETTLING_SECONDS)
            before, used, began = _asked(ground), cpu_seconds(center.pid), time.monotonic()
            time.sleep(seconds)
            elapsed = time.monotonic() - began
            share = (cpu_seconds(center.pid) - used) / elapsed * 100
            asked = (_asked(ground) - before) / tabs / elapsed * 60
            memory = center.memory_mib
    window = f"{elapsed:.0f} s in which each watch begins anew every {WATCH_SECONDS} s instead of every 300 s"
    return [
        Figure(f"{tabs} tabs of {VISITORS} identities, one with the whole history: RSS", memory, "MiB", "< 250"),
        Figure(f"{tabs} tabs at rest: CPU of the Task Center", share, "% of a core", "< 5"),
        Figure(f"requests to the API server per open tab at rest, in {window}", asked, "per minute", "≤ 1"),
    ]


@contextmanager
def _opened(center: Served, wanted: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Keep tabs open: who looks at what."""
    here, ended = threading.Semaphore(0), threading.Event()

    def look(token: str, path: str) -> None:
        with center.visit(token) as browser, events(browser, path) as lines:
            here.release()
            # A comment comes every 15 seconds.
            for _ in lines:
                if ended.is_set():
                    return
        raise RuntimeError(f"the stream of {path} ended")

    with ThreadPoolExecutor(len(wanted)) as pool:
        tabs = [pool.submit(look, *each) for each in wanted]
        try:
            for _ in tabs:
                if not here.acquire(timeout=PATIENCE_SECONDS):
                    break
            for tab in tabs:
                if tab.done():
                    tab.result()
            yield
        finally:
            ended.set()
    for tab in tabs:
        tab.result()


def _asked(ground: Ground) -> int:
    """Return how many requests of these visitors were answered so far, lists and watches included: a watch counts when it ends."""
    assert ground.cluster.audit_log is not None
    with ground.cluster.audit_log.open() as lines:
        entries = [json.loads(line) for line in lines if f":{NAMESPACE}:resting-" in line and line.endswith("\n")]
    return len({entry["auditID"] for entry in entries if entry["user"]["username"].startswith(f"system:serviceaccount:{NAMESPACE}:")})
