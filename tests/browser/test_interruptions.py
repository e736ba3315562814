"""What an open page does when what it stands on breaks: the connection, the API server, or the visitor's right to look."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as StillThere
from tests.browser.conftest import Visit, sign_in
from tests.support.apiserver import OBTASKS
from tests.support.kubectl import Kubectl
from tests.support.outage import without_api_server
from tests.support.pages import Complaints
from tests.support.relay import Relay
from tests.support.stored_logs import store_log, talking
from tests.support.tasks import TaskClient, wait_step
from tests.support.tokens import lasting
from tests.support.web import Web, person

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane

SOON = 30_000  # milliseconds
UNANSWERED = "The API server does not answer: what is shown may be old. It is asked again."


@pytest.fixture
def quiet(control_plane: ControlPlane, namespace: str) -> TaskClient:
    """Return the tasks of a namespace without an operator: they stay as the test leaves them."""
    return TaskClient(control_plane, namespace)


@pytest.fixture
def token(kubectl: Kubectl, namespace: str) -> str:
    """Return the token of somebody who may look at them."""
    return person(kubectl, namespace, "li", "view")


@pytest.fixture
def relay(center: Web) -> Iterator[Relay]:
    """Return what stands between the browser and the Task Center."""
    port = urlsplit(center.url).port
    assert port is not None
    with Relay(port).running() as running:
        yield running


@pytest.fixture
def relayed(visit: Visit, relay: Relay, quiet: TaskClient, token: str, complaints: Complaints) -> Page:
    """Return the list of two tasks, seen through the relay, with a clock that the test can move on."""
    complaints.expect_breaks()
    quiet.create("stays", steps=[wait_step("go")])
    quiet.create("leaves", steps=[wait_step("go")])
    page = visit("/login", role=None, url=f"http://127.0.0.1:{relay.port}")
    page.clock.install()
    sign_in(page, token)
    page.goto(f"/tasks?ns={quiet.namespace}")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def names(page: Page) -> list[str]:
    """Return the names of the tasks on the page, sorted."""
    return sorted(name.strip() for name in page.locator("#rows a.name").all_text_contents())


def row(name: str) -> str:
    """Return what finds the row of a task."""
    return f"#rows tr[data-task='{name}']"


def test_a_connection_that_breaks_is_told_and_made_again(relayed: Page, relay: Relay, quiet: TaskClient) -> None:
    """The page says that it connects, later that it asks; what it showed stays; then it is live again, with the tasks that there are."""
    live = relayed.locator("#live")
    relay.cut()
    expect(live).to_have_text("Reconnecting…")
    relayed.clock.fast_forward(31_000)
    expect(live).to_have_text("Not live: asking every 10 seconds")
    quiet.delete("leaves")
    talking(quiet, quiet.get("stays"))
    quiet.create("comes", steps=[wait_step("go")])
    assert names(relayed) == ["leaves", "stays"]

    relay.mend()
    relayed.clock.fast_forward(10_000)

    expect(live).to_have_text("Live", timeout=SOON)
    expect(relayed.locator(row("stays"))).to_contain_text("Running", timeout=SOON)
    expect(relayed.locator(row("comes"))).to_be_visible()
    expect(relayed.locator(row("leaves"))).to_have_count(0)


def test_a_connection_that_is_lost_without_a_word_is_noticed(relayed: Page, relay: Relay, quiet: TaskClient) -> None:
    """No byte comes any more, and no error: after some silence the page says that it is not live, and connects anew."""
    relayed.evaluate(
        """() => {
          const live = document.getElementById("live");
          window.states = [];
          new MutationObserver(() => window.states.push(live.textContent)).observe(live, { childList: true });
        }"""
    )
    relay.lose()
    quiet.create("comes", steps=[wait_step("go")])

    relayed.clock.fast_forward(45_000)

    expect(relayed.locator(row("comes"))).to_be_visible(timeout=SOON)
    expect(relayed.locator("#live")).to_have_text("Live")
    assert relayed.evaluate("window.states") == ["Reconnecting…", "Live"]


def test_the_api_server_is_gone_for_a_while(
    visit: Visit, control_plane: ControlPlane, binaries: Binaries, quiet: TaskClient, token: str
) -> None:
    """A list and a task both say so and stay as they are; when it is there again they go on by themselves, and nobody has to sign in."""
    body = quiet.create("talk", steps=[wait_step("go")])
    talking(quiet, body)
    store_log(quiet, body, "line 1\n")
    tasks = visit("/login", role=None)
    sign_in(tasks, token)
    tasks.goto(f"/tasks?ns={quiet.namespace}")
    task = tasks.context.new_page()
    task.goto(f"/t/{quiet.namespace}/talk")
    for page in (tasks, task):
        expect(page.locator("#live")).to_have_text("Live")

    with without_api_server(control_plane, binaries):
        for page in (tasks, task):
            expect(page.locator("#problems")).to_contain_text(UNANSWERED, timeout=SOON)
        expect(tasks.locator(row("talk"))).to_contain_text("Running")
        expect(task.get_by_role("log")).to_contain_text("line 1")
        tasks.reload()
        expect(tasks.locator(row("talk"))).to_contain_text("Running")
    store_log(quiet, body, "line 1\nline 2\n")
    quiet.create("comes", steps=[wait_step("go")])

    for page in (tasks, task):
        expect(page.locator("#problems")).to_be_empty(timeout=SOON)
    expect(tasks.locator(row("comes"))).to_be_visible(timeout=SOON)
    expect(task.get_by_role("log")).to_contain_text("line 2", timeout=SOON)


def test_a_token_that_ends_leads_to_the_login_and_back(
    visit: Visit, control_plane: ControlPlane, quiet: TaskClient, token: str, complaints: Complaints
) -> None:
    """The open page leads to the login by itself, which says why; after it the visitor is where the page was."""
    quiet.create("stays", steps=[wait_step("go")])
    page = visit("/login", role=None)
    sign_in(page, lasting(control_plane, token, 6))
    page.goto(f"/tasks?ns={quiet.namespace}&q=stay&sort=name")
    expect(page.locator("#live")).to_have_text("Live")
    here = page.url
    complaints.expect_breaks()

    with complaints.expecting(401):
        page.wait_for_url("**/login?*", timeout=SOON)
    expect(page.get_by_role("alert")).to_have_text("The session, or the link, has expired.")
    page.locator("#secret").fill(token)
    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url(here)
    expect(page.locator(row("stays"))).to_be_visible()


def test_a_token_that_is_withdrawn_leads_to_the_login_and_back(
    visit: Visit, kubectl: Kubectl, quiet: TaskClient, token: str, complaints: Complaints
) -> None:
    """The API server does not know the account any more: the login says so; another account comes back to the same line of the log."""
    body = quiet.create("talk", steps=[wait_step("go")])
    talking(quiet, body)
    store_log(quiet, body, "".join(f"line {number}\n" for number in range(1, 200)))
    page = visit("/login", role=None)
    sign_in(page, token)
    page.goto(f"/t/{quiet.namespace}/talk?line=120")
    expect(page.locator("#live")).to_have_text("Live")
    other = person(kubectl, quiet.namespace, "wang", "view")
    here = page.url
    complaints.expect_breaks()

    kubectl("delete", "serviceaccount", "li", "-n", quiet.namespace)
    with complaints.expecting(401):
        changed_until_login(quiet, page)
    expect(page.get_by_role("alert")).to_have_text("The API server refuses these credentials: they have expired, or were withdrawn.")
    page.locator("#secret").fill(other)
    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url(here)
    expect(page.locator("mark.chosen")).to_have_text("line 120")


def changed_until_login(tasks: TaskClient, page: Page) -> None:
    """Change the task until its page asks for it in vain: for ten seconds the API server may remember a token."""
    for number in range(60):
        tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/talk", {"metadata": {"annotations": {"n": str(number)}}})
        try:
            page.wait_for_url("**/login?*", timeout=500)
        except StillThere:
            continue
        return
    page.wait_for_url("**/login?*")
