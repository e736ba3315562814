"""What one visitor of the Task Center sees is nobody else's, and nothing that a task says is more than text."""

import random
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import FAILED, ONLY_STEP, make
from tests.support.patience import eventually
from tests.support.web import Web, person

STEPS = 200
AT_ONCE = 4
PATIENCE_SECONDS = 20
MARKUP = "<script>alert(1)</script><b hx-get=/logout hx-trigger=load>{{7*7}}</b>\u202egpj.exe\x1b[31m"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A namespace of somebody's own: with a task of the same name as everybody's, and words in it that nobody else may see."""

    namespace: str
    mark: str
    token: str


def a_tenant(kubectl: Kubectl) -> Tenant:
    """Make a namespace with tasks and a person who may do everything there, and nothing elsewhere."""
    mark = f"mark-{uuid.uuid4().hex[:12]}"
    namespace = f"{mark}-ns"
    kubectl("create", "namespace", namespace)
    told = {**FAILED, "message": f"{mark} went wrong"}
    make(
        kubectl,
        namespace,
        "tune",
        "Failed",
        spec={"displayName": f"{mark} shown", "cluster": f"{mark}-cluster"},
        failedSubtask=told,
        **ONLY_STEP,
    )
    make(kubectl, namespace, "orders", "Waiting", spec={"cluster": f"{mark}-cluster", "maintenance": "Tenant", "tenant": mark[:20]})
    make(kubectl, namespace, "old", "Succeeded", spec={"displayName": f"{mark} was"})
    return Tenant(namespace, mark, person(kubectl, namespace, "li", "admin"))


@pytest.fixture
def tenants(kubectl: Kubectl, roles: None) -> Iterator[tuple[Tenant, Tenant]]:  # noqa: ARG001 - made before
    """Return two of them."""
    both = a_tenant(kubectl), a_tenant(kubectl)
    yield both
    for tenant in both:
        kubectl("delete", "namespace", tenant.namespace, "--wait=false")


def steps(browser: httpx.Client, ask: Callable[..., httpx.Response], chance: random.Random) -> list[Callable[[], httpx.Response]]:
    """Return what somebody may do next, in either namespace: whoever asks puts the namespace in."""
    task = chance.choice(("tune", "orders", "old", "gone"))
    query = chance.choice(("", "?q=tune", "?status=failed", "?status=finished", "?sort=name", "?lang=zh", "?q=mark", "?status=all&page=2"))
    return [
        lambda: ask("GET", f"/tasks{query}"),
        lambda: ask("GET", "/tasks?ns={ns}"),
        lambda: ask("GET", "/locks?ns={ns}"),
        lambda: ask("GET", "/locks"),
        lambda: ask("GET", f"/t/{{ns}}/{task}"),
        lambda: ask("GET", f"/t/{{ns}}/{task}/log?step=only&subtask=only&attempt=1"),
        lambda: ask("GET", f"/t/{{ns}}/{task}/bundle.zip"),
        lambda: ask("GET", f"/t/{{ns}}/{task}/confirm?verb=retry"),
        lambda: ask("POST", f"/t/{{ns}}/{task}/command", data={"verb": "cancel", "reason": "mine"}),
        lambda: ask("GET", "/new"),
        lambda: ask("GET", "/templates"),
        lambda: ask("GET", "/help"),
        lambda: browser.get("/login"),
    ]


def test_two_visitors_never_see_each_others_tasks(task_center: Web, tenants: tuple[Tenant, Tenant]) -> None:
    """200 random steps of two people on one server, several at once, each in both namespaces: nothing of the other's is in any answer.

    What somebody asks for by name, the namespace, may come back; what is in it may not.
    """
    seed = uuid.uuid4().int % 2**32
    print("seed", seed)  # noqa: T201 - to repeat a failure
    lock, seen = threading.Lock(), dict.fromkeys(range(2), 0)

    def one(number: int) -> None:
        chance = random.Random(seed + number)  # noqa: S311 - a test's choice
        who = chance.randrange(2)
        mine, other = tenants[who], tenants[1 - who]
        browser, place = browsers[who], chance.choice((mine, other))

        def ask(method: str, path: str, **more: object) -> httpx.Response:
            return browser.request(method, path.format(ns=place.namespace), **more)  # type: ignore[arg-type]  # passed on

        answer = chance.choice(steps(browser, ask, chance))()
        found = (answer.content.decode("utf-8", "replace") + str(answer.headers)).replace(other.namespace, "")
        assert other.mark not in found, f"step {number} of seed {seed}: {answer.request.method} {answer.url}"
        if answer.url.path.startswith(f"/t/{other.namespace}/"):
            assert answer.status_code in {403, 404}, answer.url
        with lock:
            seen[who] += mine.mark in found.replace(mine.namespace, "")

    with task_center.signed_in(tenants[0].token) as first, task_center.signed_in(tenants[1].token) as second:
        browsers = (first, second)
        for browser, tenant in zip(browsers, tenants, strict=True):
            browser.get(f"/tasks?ns={tenant.namespace}")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, range(STEPS)))

    assert min(seen.values()) > 5  # of their own they have seen something


def test_rights_that_are_taken_away_are_gone_at_once_from_what_is_asked(task_center: Web, kubectl: Kubectl, namespace: str) -> None:
    """The task's page, its bundle and its commands are refused as soon as the API server knows; the session goes on without them."""
    make(kubectl, namespace, "tune", "Failed", spec={"displayName": "only for who may see it"})
    with task_center.signed_in(person(kubectl, namespace, "li", "admin")) as browser:
        page = f"/t/{namespace}/tune"
        assert "only for who may see it" in browser.get(page).text

        kubectl("delete", "rolebinding", "--all", "-n", namespace)
        answer = eventually(lambda: browser.get(page), lambda answer: answer.status_code != 200, PATIENCE_SECONDS)
        answers = [answer, browser.get(f"{page}/bundle.zip"), browser.post(f"{page}/command", data={"verb": "retry"})]

        assert [each.status_code for each in answers] == [403] * 3
        assert all("only for who may see it" not in each.text for each in answers)
        assert "cannot get resource" in answer.text
        assert browser.get("/help").status_code == 200


def test_what_a_task_says_is_text_on_every_page(task_center: Web, kubectl: Kubectl, namespace: str) -> None:
    """Markup, attributes of htmx, template braces, terminal codes and marks of direction in its fields do nothing, in lists and alone."""
    told = {**FAILED, "message": MARKUP + "x" * 300}
    make(kubectl, namespace, "tune", "Failed", spec={"displayName": MARKUP}, failedSubtask=told, **ONLY_STEP)
    with task_center.signed_in(person(kubectl, namespace, "li", "admin")) as browser:
        pages = [f"/tasks?ns={namespace}", f"/t/{namespace}/tune", f"/t/{namespace}/tune/confirm?verb=retry", f"/locks?ns={namespace}"]
        for page in pages:
            answer = browser.get(page)

            assert answer.status_code == 200, page
            assert "This version cannot read" not in answer.text
            assert not re.search(r"<script>|<b hx-get|\u202e|\x1b", answer.text), page
        shown = browser.get(pages[0]).text + browser.get(pages[1]).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "{{7*7}}" in shown
        assert "\\u202egpj.exe\\x1b[31m" in shown
