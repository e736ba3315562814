"""Owns what only a browser can tell, by its own clock, which is this machine's: when something can be seen, and found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from playwright.sync_api import Page, expect, sync_playwright
from tests.bench.figures import Figure, percentile
from tests.bench.operators import measured_operator
from tests.bench.web.ground import NAMESPACE, Ground
from tests.bench.web.served import Served
from tests.support import chromium
from tests.support.stored_logs import long_log, store_log, talking
from tests.support.tasks import TaskClient, sql_step, wait_step

from devcluster.progress import silent
from devcluster.sqlserver import sql_server

PATIENCE_MS = 30_000
CHANGES = 30
RUNS = 5
LOG_LINES = 13_100
WANTED_LINE = 11_000
STATEMENTS = 60
PACE_SECONDS = 0.67  # of a statement, which writes two lines: no multiple of what anybody waits between two looks

# Notes when each progress of a task was first in the document.
_NOTE_PROGRESS = """name => {
  window.seen = {};
  new MutationObserver(() => {
    const text = document.querySelector(`[data-task="${name}"] progress + .number`)?.textContent;
    if (text && !(text in window.seen)) window.seen[text] = Date.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""

# Notes when each line of the log that was not there from the beginning was first in the document, and what stands in it.
_NOTE_LINES = """() => {
  const log = document.getElementById("log");
  const lines = () => [...log.querySelectorAll("a[id]")];
  const before = new Set(lines().map((line) => line.id));
  window.seen = {};
  new MutationObserver(() => {
    for (const line of lines()) {
      if (!before.has(line.id) && !(line.id in window.seen)) window.seen[line.id] = [Date.now(), line.nextSibling.textContent];
    }
  }).observe(log, { subtree: true, childList: true });
}"""

_IN_SIGHT = """id => {
  const line = document.getElementById(id)?.getBoundingClientRect(), log = document.getElementById("log")?.getBoundingClientRect();
  return Boolean(line && log && line.top >= log.top - 1 && line.bottom <= log.bottom + 1);
}"""

# Notes, from the first moment of a page on, when a line was painted: it is in the frame after the one in which it is in sight.
_NOTE_READABLE = """(() => {
  const inSight = %s;
  const look = () => {
    if (inSight("L%d")) requestAnimationFrame(() => { window.readable = performance.now(); });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""

# Scrolls to the top, which ends following, and then follows again; returns how long that took until it was painted.
_JUMP = """async () => {
  const log = document.getElementById("log"), frame = () => new Promise(requestAnimationFrame);
  log.scrollTop = 0;
  await frame();
  await frame();
  const began = performance.now();
  document.getElementById("log-follow").click();
  await frame();
  await frame();
  return performance.now() - began;
}"""


@contextmanager
def _page(center: Served, token: str) -> Iterator[Page]:
    """Give a page of a Chromium whose visitor has signed in."""
    path = chromium.find_or_install(silent)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        context = running.new_context(base_url=center.url, locale="en-US", viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        answer = context.request.post("/login", form={"secret": token}, headers={"Sec-Fetch-Site": "same-origin"})
        if not answer.ok:
            raise RuntimeError(answer.text())
        yield context.new_page()
        running.close()


def seen_changes(ground: Ground) -> list[Figure]:
    """Return how soon a change is in the document; each change comes right after the last one was seen."""
    times = []
    with ground.center() as center, _page(center, ground.token("seen")) as page:
        page.goto("/tasks?status=failed")
        expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
        page.evaluate(_NOTE_PROGRESS, "task-0")
        for number in range(CHANGES):
            mark = f"{number + 1}/88"
            began = time.time()
            ground.write_progress("task-0", mark)
            page.wait_for_function("mark => mark in window.seen", arg=mark)
            times.append(page.evaluate("mark => window.seen[mark]", mark) / 1000 - began)
    return [
        Figure("status write to the DOM of Chromium, p50", percentile(times, 50), "s"),
        Figure("status write to the DOM of Chromium, p95", percentile(times, 95), "s", "< 1"),
    ]


def log(ground: Ground) -> list[Figure]:
    """Return how soon the end of a long log can be read, how long a jump to the end takes, and whether a line far down is found."""
    tasks, text = TaskClient(ground.cluster, NAMESPACE), long_log(LOG_LINES)
    body = tasks.create("talk", steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, text)
    readable, jumps = [], []
    with ground.center() as center, _page(center, ground.token("log")) as page:
        page.add_init_script(_NOTE_READABLE % (_IN_SIGHT, LOG_LINES))
        for _ in range(RUNS):
            page.goto(f"/t/{NAMESPACE}/talk")
            page.wait_for_function("() => window.readable !== undefined")
            readable.append(page.evaluate("() => window.readable"))
            jumps.append(page.evaluate(_JUMP))
            if not page.evaluate(_IN_SIGHT, f"L{LOG_LINES}"):
                raise RuntimeError("a jump to the end of the log does not lead there")
        found = _finds(page)
    what = f"log of {len(text) / 2**20:.2f} MiB, {LOG_LINES:,} lines, in Chromium"
    return [
        Figure(f"{what}: readable, worst of {RUNS}", max(readable) / 1000, "s", "< 1"),
        Figure(f"{what}: jump to the end, worst of {RUNS}", max(jumps), "ms", "< 100"),
        Figure(f"{what}: find on line {WANTED_LINE:,}", found, "", "yes", word="yes" if found else "no"),
    ]


def _finds(page: Page) -> bool:
    page.get_by_role("searchbox", name="Find in the log").fill(f"line {WANTED_LINE} of")
    try:
        expect(page.locator("#log-found")).to_have_text("1/1", timeout=PATIENCE_MS)
        expect(page.locator(f"#L{WANTED_LINE}")).to_be_in_viewport()
    except AssertionError:
        return False
    return True


def running_step(ground: Ground) -> list[Figure]:
    """Return how long after the operator has written a line of a running sql step it is in the document."""
    ground.cluster.kubectl.run(["create", "namespace", "running"])
    tasks = TaskClient(ground.cluster, "running")
    steps = [sql_step("talk", *(f"select sleep({PACE_SECONDS}), {number}" for number in range(STATEMENTS)))]
    operator = measured_operator(ground.cluster.operator_kubeconfig, ground.folder / "operator.log", namespace="running")
    with sql_server(ground.folder / "seekdb") as server, operator, ground.center() as center:
        connection = {"secretName": tasks.create_connection(server)}
        with _page(center, ground.token("running")) as page:
            page.goto("/tasks?status=failed")
            tasks.create("talk", connection=connection, steps=steps)
            tasks.wait_phase("talk", "Running")
            page.goto("/t/running/talk")
            expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
            page.evaluate(_NOTE_LINES)
            tasks.wait_phase("talk", "Succeeded", seconds=2 * STATEMENTS * PACE_SECONDS)
            page.wait_for_function("last => Object.values(window.seen).some(([, text]) => text.includes(last))", arg="succeeded:")
            seen: list[tuple[float, str]] = page.evaluate("() => Object.values(window.seen)")
    times = [at / 1000 - datetime.fromisoformat(text.split()[0]).timestamp() for at, text in seen]
    what = f"line of a running sql step to the DOM of Chromium, {len(times)} lines"
    return [
        Figure(f"{what}, p50", percentile(times, 50), "s"),
        Figure(f"{what}, p95", percentile(times, 95), "s", "< 6"),
    ]
