"""Owns the list of tasks as a file: everything that is asked for, on all pages; and a file that lacks something says so."""

import asyncio
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from obtask.web.identity.base import Clock
from obtask.web.pages.task_columns import FILE_HEADINGS, file_line
from obtask.web.views.query import Query
from obtask.web.views.view import View

LONGEST_SECONDS = 45.0  # for which a file is waited for: proxies give up after a minute


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A file with its name. What is missing is said in both: in the name, which people see, and at the end, which is kept."""

    name: str
    text: str


async def task_file(view: View, query: Query, clock: Clock, seconds: float = LONGEST_SECONDS) -> TaskFile:
    """Return the tasks that are asked for, once the finished ones are read if they are among them; after so long, what there is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    await view.ready(seconds)
    if query.takes_finished:
        view.ask_history()
        await view.known(max(0.0, end - loop.time()))
    now, lines = clock(), view.lines
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(FILE_HEADINGS)
    writer.writerows(file_line(row, lines, now) for row in view.chosen(query))
    missing = list(_missing(view, query))
    writer.writerows([f"# incomplete: {each}"] for each in missing)
    # The mark tells spreadsheets that the text is UTF-8.
    return TaskFile(f"tasks-{now:%Y%m%dT%H%M%SZ}{'-incomplete' if missing else ''}.csv", "\ufeff" + text.getvalue())


def _missing(view: View, query: Query) -> Iterator[str]:
    if view.is_over:
        yield "the tasks are not read any more; export them again"
    problems = [each for each in view.problems if not query.namespace or each.namespace in {None, query.namespace}]
    for problem in problems:
        yield f"{problem.namespace or 'all namespaces'}: {' '.join(problem.message.split())}"
    history = view.history
    if not view.is_ready:
        yield "the tasks are still being read"
    elif query.takes_finished and not history.complete and not problems:
        yield f"{history.read} of about {history.about} tasks were read" if history.about is not None else "finished tasks are not read"
    if view.too_many and not query.namespace:
        yield "only some of your namespaces were read; choose one"
