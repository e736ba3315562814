"""The list of tasks, as a browser without scripts sees it, and the stream that keeps it up to date."""

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import make, put
from tests.support.streams import address_of, events
from tests.support.web import Web, person, web, web_settings

from devcluster.controlplane import ControlPlane

FAILED = {"step": "resize", "subtask": "zone2", "attempt": 1, "direction": "Forward", "reason": "NonZeroExit", "code": "3"}
MARKUP = '<b hx-get="/logout">x</b>'


@pytest.fixture(scope="module")
def people(kubectl: Kubectl, module_namespace: str, roles: None) -> dict[str, str]:  # noqa: ARG001 - to be done before
    """Make tasks, and return tokens of people with different rights."""
    make(
        kubectl,
        module_namespace,
        "tune",
        "Failed",
        failedSubtask=FAILED | {"message": "exit code 3", "failedAt": "2026-11-29T10:00:00Z"},
        progress="1/3",
        currentStep="resize",
    )
    make(kubectl, module_namespace, "orders", "Waiting", spec={"maintenance": "Tenant", "tenant": "orders", "displayName": MARKUP})
    make(kubectl, module_namespace, "restart", "Running", spec={"maintenance": "None"})
    make(kubectl, module_namespace, "old", "Succeeded")
    return {name: person(kubectl, module_namespace, name, role) for name, role in (("li", "view"), ("wang", None))}


@pytest.fixture
def li(task_center: Web, people: dict[str, str]) -> Iterator[httpx.Client]:
    """Return the browser of somebody who may see the namespace."""
    with task_center.signed_in(people["li"]) as browser:
        yield browser


def rows(text: str) -> list[str]:
    """Return the names of the tasks on a page, in order."""
    return re.findall(r'data-task="([^"]*)"', text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["tune", "restart", "orders", "old"]),
        ("?status=failed", ["tune"]),
        ("?status=running", ["restart"]),
        ("?status=waiting", ["orders"]),
        ("?status=finished", ["old"]),
        ("?q=ORD", ["orders"]),
        ("?maintenance=Tenant&sort=name", ["orders"]),
        ("?sort=name", ["old", "orders", "restart", "tune"]),
        ("?phase=Succeeded", ["old"]),
    ],
)
def test_what_the_address_asks_for(li: httpx.Client, query: str, expected: list[str]) -> None:
    """The list shows what its address says, without scripts, failed tasks first."""
    answer = li.get(f"/tasks{query}")

    assert answer.status_code == 200
    assert rows(answer.text) == expected


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("1 running", "1 failed", ">All", "Waiting", "Search tasks", 'aria-label="Tasks"', "NonZeroExit 3", "1 task")),
        ("zh", ("1 运行中", "1 失败", ">全部", "等待中", "搜索任务", 'aria-label="任务"', "NonZeroExit 3", "1 个任务", "租户运维")),
    ],
)
def test_the_words_of_both_languages(li: httpx.Client, language: str, words: tuple[str, ...]) -> None:
    """Controls have the names of the contract; who failed, why, and who waits for it is seen at once."""
    text = li.get("/tasks", headers={"Accept-Language": language}).text

    assert [word for word in words if word not in text] == []


def test_a_refusal_never_looks_like_an_empty_list(task_center: Web, people: dict[str, str]) -> None:
    """Who may see nothing is told so, in the API server's own words, and what to ask for."""
    with task_center.signed_in(people["wang"]) as browser:
        text = browser.get("/tasks").text

    assert rows(text) == []
    assert "You may not list tasks" in text
    assert "cannot list resource" in text
    assert "There are no tasks yet" not in text


def test_an_empty_list_says_why(li: httpx.Client) -> None:
    """Nothing that matches is something else than nothing at all."""
    assert "No task matches" in li.get("/tasks?q=nothing-of-the-kind").text


def test_texts_of_strangers_are_texts(li: httpx.Client) -> None:
    """Markup in a name is shown, not taken for markup."""
    text = li.get("/tasks").text

    assert MARKUP not in text
    assert "&lt;b hx-get=" in text


def test_columns_can_be_chosen(li: httpx.Client) -> None:
    """The address remembers which."""
    text = li.get("/tasks?cols=age&cols=author").text

    headings = re.search(r"<thead>(.*)</thead>", text, re.DOTALL)
    assert headings is not None
    assert re.findall(r">([A-Z][^<]*)<", headings[1]) == ["Name", "Age", "Created by"]


def test_the_timeline(li: httpx.Client) -> None:
    """The same tasks as bars of a window: who waited, who worked, what failed and still holds its lock."""
    text = li.get("/tasks?view=timeline&hours=6").text

    assert rows(text) == ["tune", "restart", "orders", "old"]
    assert {kind for kind in ("waiting", "working", "failed", "ended") if f'class="bar {kind}"' in text} >= {"waiting", "working", "failed"}
    assert "/tasks?sort=name&amp;view=timeline&amp;hours=6" in text


def test_the_list_as_a_file(li: httpx.Client) -> None:
    """What is asked for comes as CSV, with exact times, and without formulas."""
    answer = li.get("/tasks.csv?status=all")
    lines = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert "incomplete" not in answer.headers["content-disposition"] + answer.text
    assert {line["name"]: line["phase"] for line in lines} == {
        "tune": "Failed",
        "orders": "Waiting",
        "restart": "Running",
        "old": "Succeeded",
    }


def test_a_file_that_lacks_something_says_so(task_center: Web, people: dict[str, str]) -> None:
    """Who may see nothing gets no file that looks like an empty list: its name and its last line say what is missing, and why."""
    with task_center.signed_in(people["wang"]) as browser:
        answer = browser.get("/tasks.csv")

    assert "-incomplete.csv" in answer.headers["content-disposition"]
    assert "# incomplete: all namespaces: obtasks.task.oceanbase.com is forbidden" in answer.text.splitlines()[-1]


def test_a_tab_that_comes_back_after_a_while_shows_what_it_showed(control_plane: ControlPlane, people: dict[str, str]) -> None:
    """While nobody looked, everything that was read was forgotten; finished tasks are read again for a tab that shows them."""
    with web(web_settings(control_plane.kubeconfig)) as center, center.signed_in(people["li"]) as browser:
        address = address_of(browser.get("/tasks?status=finished"))
        center.clock.move(minutes=2)
        with events(browser, address.partition("&seen=")[0]) as messages:
            text = next(messages)

    assert 'data-task="old"' in text


def test_the_stream_sends_what_has_changed_and_nothing_else(li: httpx.Client, kubectl: Kubectl, module_namespace: str) -> None:
    """A tab is told of a change once it is there, by parts of its own page; before that, nothing."""
    with events(li, address_of(li.get("/tasks"))) as messages:
        put(kubectl, module_namespace, "restart", "Running", progress="7/9")
        text = next(messages)

    assert 'hx-target="#rows"' in text
    assert "7/9" in text
    assert 'hx-target="#counts"' not in text
    assert 'hx-target="#note"' not in text


def test_the_same_address_answers_once(li: httpx.Client) -> None:
    """A browser that no stream reaches can ask."""
    answer = li.get("/live/tasks?once=1")

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.count("<hx-partial") >= 8


def test_nobody_unknown_gets_a_stream(task_center: Web) -> None:
    """Who is not signed in is told to do so in the way of scripts."""
    with task_center.browser() as browser:
        answer = browser.get("/live/tasks", headers={"Accept": "text/event-stream"})

    assert answer.status_code == 401
    assert answer.headers["hx-redirect"].startswith("/login")
