"""Two contexts, and somebody else's name: every command asks the cluster that is meant, as whoever is meant. API.md section 10."""

import json
from collections.abc import Mapping
from itertools import chain
from typing import Final

import click
import httpx
import pytest
from tests.support.patience import eventually
from tests.support.plugin import ELSEWHERE, HERE, Plugin
from tests.support.tasks import TaskClient, wait_step

from kubectl_obtask.cli import build

COMMANDS: Final = build()
VERBS: Final = COMMANDS.list_commands(click.Context(COMMANDS))
# Those that show something for as long as one looks have tests of their own; those that ask no cluster have nothing to show here.
SHOWN: Final = {"watch", "web"}
ALONE: Final = {"version", "completion"}
READ_SECONDS: Final = 30.0  # for a page that has not read the tasks yet
# How each of the others is used. There is no operator: nothing would come of a command.
LINES: Final[Mapping[str, str]] = {
    "list": "list",
    "tree": "tree here-only",
    "logs": "logs here-only",
    "why": "why here-only",
    "locks": "locks",
    "wait": "wait here-only --timeout 1s",
    "retry": "retry here-only -y",
    "rollback": "rollback here-only -y",
    "skip": "skip here-only -y",
    "skip-step": "skip-step here-only -y",
    "cancel": "cancel here-only -y",
    "approve": "approve here-only -y",
    "run": "run -f -",
    "templates": "templates",
    "download": "download here-only -o -",
}
TIMEOUT: Final = 124


@pytest.fixture(scope="module", autouse=True)
def seen(module_tasks: TaskClient) -> str:
    """Have one task in this cluster; return it as it is."""
    module_tasks.create("here-only", steps=[wait_step("one")])
    return json.dumps(module_tasks.get("here-only"))


def test_every_verb_is_tried() -> None:
    """A new one has to be put on one of the lists above."""
    assert {*LINES} | SHOWN | ALONE == {*VERBS}


@pytest.mark.parametrize("flags_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in LINES])
def test_the_context_decides(obtask: Plugin, module_tasks: TaskClient, seen: str, verb: str, *, flags_first: bool) -> None:
    """The other cluster is asked, where nobody answers; or this one, which does not know who asks; and nothing is changed by either."""
    manifest = json.dumps(module_tasks.manifest("made", steps=[wait_step("one")]))

    def ran(*flags: str) -> tuple[int, str]:
        words = [*flags, *LINES[verb].split()] if flags_first else [*LINES[verb].split(), *flags]
        ended = obtask.run(*words, stdin=manifest)
        return ended.code, ended.said

    elsewhere, said_elsewhere = ran("--context", ELSEWHERE)
    nobody, said_to_nobody = ran(f"--context={HERE}", "--as=nobody")

    assert (elsewhere, "refused" in said_elsewhere) == (TIMEOUT if verb == "wait" else 1, True), said_elsewhere
    assert (nobody, 'User "nobody" cannot' in said_to_nobody) == (5, True), said_to_nobody
    assert json.dumps(module_tasks.get("here-only")) == seen
    assert "made" not in module_tasks.kubectl("get", "obtasks", "-o", "name")


def test_the_screen_is_of_the_context(obtask: Plugin) -> None:
    """It shows the tasks of this cluster; of the other one, that nobody answers; and to nobody, that nothing may be seen."""
    for flags, expected in (([HERE], "here-only"), ([ELSEWHERE], "refused"), ([HERE, "--as=nobody"], '"nobody" cannot list')):
        with obtask.watching("--context", *flags) as screen:
            screen.until(expected)
            screen.press("q")
            assert screen.left() == 0
        assert ("here-only" in screen.drawn) == (expected == "here-only")


def signed_in(obtask: Plugin, context: str, namespace: str, expected: str) -> str:
    """Run the page of a context, sign in there, and return what it shows of a namespace as soon as it has the text that is expected."""
    with obtask.started("web", "--context", context) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "/login#" in line), "")
        url, _, code = line.split()[-1].partition("/login#")
        with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, timeout=30) as browser:
            first = browser.post("/login", data={"secret": code}, follow_redirects=True)
            pages = chain([first], iter(lambda: browser.get(f"/tasks?ns={namespace}"), None))
            return eventually(lambda: next(pages).text, lambda page: expected in page, READ_SECONDS)


def test_the_page_is_of_the_context(obtask: Plugin, module_namespace: str) -> None:
    """It shows the tasks of this cluster; where the other one is meant, it says that it does not answer."""
    here = signed_in(obtask, HERE, module_namespace, "here-only")
    elsewhere = signed_in(obtask, ELSEWHERE, module_namespace, "The API server does not answer")

    assert ("here-only" in here, "here-only" in elsewhere) == (True, False)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in ALONE])
def test_what_asks_no_cluster(obtask: Plugin, verb: str) -> None:
    """It does the same for any context, and without one."""
    words = [verb, *(["bash"] if verb == "completion" else [])]
    nowhere = obtask.on(obtask.folder / "missing")

    assert obtask.run(*words, "--context", ELSEWHERE).out == nowhere.run(*words).out != ""
