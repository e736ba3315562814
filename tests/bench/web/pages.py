"""Owns what pages cost, and how soon they are there, as a browser without scripts sees it."""

import re
import time

import httpx
from tests.bench.figures import Figure, percentile
from tests.bench.operators import cpu_seconds
from tests.bench.web.ground import Ground
from tests.bench.web.served import Served, events, read_history, timed

PAGES = ("/tasks", "/tasks?status=failed", "/tasks?status=waiting&sort=name", "/tasks?q=task-1", "/tasks?sort=-cost", "/tasks?page=3")
FILES = re.compile(r'(?:src|href)="(/static/[^"]+)"')
RUNS = 300
CHANGES = 30
VISITORS = 3


def first_visits(ground: Ground) -> list[Figure]:
    """Return how soon somebody new sees the waiting tasks. Another one has looked before: a Task Center is not always new."""
    return _first(ground, ground.scale.unfinished, "0.3")


def first_visits_with_more(ground: Ground) -> list[Figure]:
    """Return the same with more unfinished tasks, which are made for it: nothing that needs few of them may come after."""
    ground.say(f"{ground.scale.more} unfinished tasks")
    ground.make("more", ground.scale.more - ground.scale.unfinished, lambda _: "Waiting")
    return _first(ground, ground.scale.more, "1")


def _first(ground: Ground, unfinished: int, target: str) -> list[Figure]:
    times = []
    with ground.center() as center:
        for number in range(1 + VISITORS):
            with center.visit(ground.token(f"first-{unfinished}-{number}")) as browser:
                began = time.monotonic()
                answer = browser.get("/tasks?status=waiting")
                times.append(time.monotonic() - began)
                if "data-task" not in answer.text:
                    raise RuntimeError("the first visit shows no task")
    what = f"first visit of an identity, {unfinished} unfinished: shown"
    return [
        Figure(f"{what}, the first one since the Task Center began", times[0], "s"),
        Figure(f"{what}, worst of {VISITORS} others", max(times[1:]), "s", f"< {target}"),
    ]


def pages(ground: Ground) -> list[Figure]:
    """Return times, costs and sizes of pages of the list, while no finished task was read."""
    with ground.center() as center, center.visit(ground.token("pages")) as browser:
        browser.get("/tasks")
        return _times(center, browser) + _sizes(browser)


def _times(center: Served, browser: httpx.Client) -> list[Figure]:
    used = cpu_seconds(center.pid)
    times = [timed(browser, PAGES[number % len(PAGES)]) for number in range(RUNS)]
    used = cpu_seconds(center.pid) - used
    return [
        Figure("list, view known: CPU of the Task Center per page", used / RUNS * 1000, "ms"),
        Figure("list, view known: one visitor, p50", percentile(times, 50) * 1000, "ms"),
        Figure("list, view known: one visitor, p95", percentile(times, 95) * 1000, "ms", "< 50"),
    ]


def _sizes(browser: httpx.Client) -> list[Figure]:
    page = browser.get("/tasks")
    files = dict.fromkeys(FILES.findall(page.text))
    first = sum(_size(browser, path) for path in ("/tasks", *files))
    later = max(_size(browser, path) for path in PAGES)
    return [
        Figure(f"first view: page and {len(files)} files, gzip", first / 1000, "kB", "< 60"),
        Figure("later pages, the largest, gzip", later / 1000, "kB", "< 15"),
    ]


def _size(browser: httpx.Client, path: str) -> int:
    """Return the bytes of an answer as they were sent."""
    with browser.stream("GET", path) as answer:
        answer.raise_for_status()
        return sum(map(len, answer.iter_raw()))


def history(ground: Ground) -> list[Figure]:
    """Return how long all finished tasks take to be read, what pages take meanwhile, and what they take afterwards."""
    tasks = ground.scale.tasks
    with ground.center() as center, center.visit(ground.token("history")) as browser:
        browser.get("/tasks?status=failed")
        began, used = time.monotonic(), cpu_seconds(center.pid)
        meanwhile = read_history(browser, tasks)
        full, used = time.monotonic() - began, cpu_seconds(center.pid) - used
        after = [timed(browser, PAGES[number % len(PAGES)]) for number in range(RUNS)]
    return [
        Figure(f"history of {tasks} tasks: complete", full, "s", "< 6"),
        Figure("of that, CPU of the Task Center", used, "s"),
        Figure("meanwhile: a page, worst", max(meanwhile) * 1000, "ms"),
        Figure(f"list with {tasks} tasks known: p95", percentile(after, 95) * 1000, "ms", "< 50"),
    ]


def changes(ground: Ground) -> list[Figure]:
    """Return how soon a tab is sent what has changed; each change comes right after the last one was seen."""
    times = []
    with ground.center() as center, center.visit(ground.token("changes")) as browser, events(browser, "/tasks?status=failed") as lines:
        for number in range(CHANGES):
            mark = f"{number + 1}/99"
            began = time.monotonic()
            ground.write_progress("task-0", mark)
            for line in lines:
                if f">{mark}<" in line:
                    break
            times.append(time.monotonic() - began)
    return [
        Figure("status write to event in the tab, p50", percentile(times, 50), "s"),
        Figure("status write to event in the tab, p95", percentile(times, 95), "s", "< 1"),
    ]
