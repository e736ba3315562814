"""The page of locks: what it shows to whom, and how it is kept up to date."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.support.apiserver import LEASES, OBTASKS, api_server
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import make, put
from tests.support.rows import status
from tests.support.streams import address_of, events
from tests.support.web import Web, person

from devcluster.controlplane import ControlPlane
from obtask.names import LOCK_LABEL

CHANGES = 40
ORPHAN = "A lock is held by no task that is known here"


@pytest.fixture
def li(task_center: Web, kubectl: Kubectl, namespace: str) -> Iterator[httpx.Client]:
    """Make a failed task with one behind it, and return the browser of somebody who may see them, and their Leases."""
    make(kubectl, namespace, "tune", "Failed")
    make(kubectl, namespace, "orders", "Waiting", spec={"maintenance": "Tenant", "tenant": "orders"})
    with task_center.signed_in(person(kubectl, namespace, "li", "edit")) as browser:
        yield browser


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Cluster", ">demo<", "Failed", "token 7", "waits for", "When tune ends:", "starts at once.", "Which tasks exclude")),
        ("zh", ("集群", ">demo<", "失败", "令牌号 7", "orders", "tune 结束", "全局运维")),
    ],
)
def test_who_holds_who_waits_and_who_is_next(li: httpx.Client, language: str, words: tuple[str, ...]) -> None:
    """Each lock is there with its holder and those in line, in both languages, without scripts."""
    text = li.get("/locks", headers={"Accept-Language": language}).text

    assert [word for word in words if word not in text] == []
    assert text.index("tune") < text.index("orders")


def test_sentences_are_apart(li: httpx.Client, kubectl: Kubectl, namespace: str) -> None:
    """Who starts next is one sentence, who waits on is another."""
    make(kubectl, namespace, "upgrade", "Waiting")
    text = " ".join(re.sub(r"<[^>]*>", "", li.get("/locks").text).split())

    assert "When tune ends: orders starts at once. upgrade waits on." in text


def test_nothing_that_is_refused_looks_like_nothing(task_center: Web, kubectl: Kubectl, namespace: str) -> None:
    """Who may not list tasks is told so, and not that no lock is held."""
    with task_center.signed_in(person(kubectl, namespace, "wang", None)) as browser:
        text = browser.get("/locks").text

    assert "You may not list tasks" in text
    assert "No lock is held" not in text


def test_an_address_that_means_nothing_shows_nothing(li: httpx.Client) -> None:
    """What cannot be the name of a namespace is no fault of the Task Center's."""
    answer = li.get("/locks?ns=a%2F..%2Fb")

    assert answer.status_code == 200
    assert "tune" not in answer.text


def test_the_page_follows_what_happens(li: httpx.Client, kubectl: Kubectl, namespace: str) -> None:
    """An open page is told who holds now, and of nothing that only time has changed."""
    with events(li, address_of(li.get("/locks"))) as messages:
        put(kubectl, namespace, "tune", "Skipped")
        text = next(messages)

    assert 'hx-target="#locks"' in text
    assert "orders" in text
    assert "tune" not in text
    assert 'hx-target="#problems"' not in text


def test_the_page_is_made_twice_a_second_at_most(li: httpx.Client, control_plane: ControlPlane, namespace: str) -> None:
    """However fast tasks change, and the last change is always told."""
    server, path = api_server(control_plane), f"{OBTASKS.format(namespace)}/tune/status"

    def change() -> None:
        for number in range(1, CHANGES + 1):
            held = status("Failed")
            server.send("PATCH", path, {"status": held | {"lock": held["lock"] | {"token": 100 + number}}})

    with events(li, address_of(li.get("/locks"))) as messages, ThreadPoolExecutor(1) as pool:
        began, count = time.monotonic(), 0
        changing = pool.submit(change)
        for message in messages:
            count += 1
            if f"token {100 + CHANGES}" in message:
                break
        took = time.monotonic() - began
        changing.result()

    assert count <= 2 * took + 1


def test_a_lock_without_a_task_is_shown_until_it_is_free(
    li: httpx.Client, task_center: Web, kubectl: Kubectl, control_plane: ControlPlane, namespace: str
) -> None:
    """To who may see Leases; no task tells of them, so the page looks by itself."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "obt-left", "labels": {LOCK_LABEL: "global"}}}
    server, path = api_server(control_plane), LEASES.format(namespace)
    server.send("POST", path, lease | {"spec": {"holderIdentity": "gone/9f0c2e4a-6f39-4c55-9f0e-000000000000"}})
    page = li.get(f"/locks?ns={namespace}")
    with task_center.signed_in(person(kubectl, namespace, "zhao", "view")) as browser:
        assert ORPHAN not in browser.get(f"/locks?ns={namespace}").text
    assert ORPHAN in page.text
    assert f"{namespace}/obt-left" in page.text

    with events(li, address_of(page)) as messages:
        server.send("PATCH", f"{path}/obt-left", {"spec": {"holderIdentity": ""}})
        text = next(messages)

    assert 'hx-target="#locks"' in text
    assert ORPHAN not in text
