"""Pages that keep themselves up to date while somebody reads them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect
from tests.browser.conftest import Visit, sign_in
from tests.browser.scene import LONG, Scene
from tests.support.apiserver import OBTASKS
from tests.support.kubectl import Kubectl
from tests.support.operators import OperatorProcess
from tests.support.stored_logs import talking
from tests.support.tasks import TaskClient, wait_step
from tests.support.web import person

from devcluster.controlplane import ControlPlane

UPDATES = 12
ROWS, CHANGES = 40, 200
# What a reader holds on to: the words that are selected, the link that has the focus, and where it is on the screen.
HELD = """() => {
  const link = document.activeElement, box = link.getBoundingClientRect();
  return [getSelection().toString().trim(), link.textContent.trim(), box.top];
}"""
# What the list says, without how long it took, which goes on.
CELLS = '() => [...document.querySelectorAll("#rows tr")].map((row) => [...row.cells].slice(0, -1).map((cell) => cell.textContent.trim()))'
RENDERS = """() => {
  window.renders = 0;
  window.counted = performance.now();
  document.addEventListener("htmx:sse:after:message", () => (window.renders += 1));
}"""
SOON = 30_000  # milliseconds


@pytest.fixture
def passing(tasks: TaskClient) -> Iterator[list[str]]:
    """Return a list of tasks that are deleted after the test: others look at the same list."""
    names: list[str] = []
    yield names
    for name in names:
        tasks.delete(name)


def test_a_list_that_changes_keeps_what_is_selected_and_where_one_reads(
    visit: Visit, scene: Scene, tasks: TaskClient, passing: list[str]
) -> None:
    """Tasks come one after the other; the selected text, the focus and the place on the page stay."""
    page = visit("/tasks")
    page.set_viewport_size({"width": 1280, "height": 400})
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    name = page.get_by_role("link", name="tune", exact=True).first
    name.focus()
    page.evaluate("() => { getSelection().selectAllChildren(document.activeElement); window.scrollTo(0, 60); }")
    before = page.evaluate("window.scrollY")

    for number in range(UPDATES):
        passing.append(f"passing-{number}")
        tasks.create(passing[-1], cluster="passing", steps=[wait_step("wait", LONG)])
    expect(page.get_by_role("link", name=passing[-1], exact=True)).to_be_attached(timeout=SOON)

    assert page.evaluate("getSelection().toString().trim()") == "tune"
    assert page.evaluate("document.activeElement.textContent.trim()") == "tune"
    assert page.evaluate("window.scrollY") == before
    assert scene.namespace == tasks.namespace


def test_the_locks_change_and_whoever_reads_them_stays_where_they_are(visit: Visit, tasks: TaskClient, passing: list[str]) -> None:
    """One leaves the line, another joins it, the holder ends: focus and place on the page stay; the page has one stream."""
    queue = [f"queue-{number}" for number in range(4)]
    for name, phase in zip(queue[:3], ("Running", "Waiting", "Waiting"), strict=True):
        tasks.create(name, cluster="queue", maintenance="Global", steps=[wait_step("wait", LONG)])
        passing.insert(0, name)
        tasks.wait_phase(name, phase)
    page = visit("/locks", width=390)
    page.set_viewport_size({"width": 390, "height": 300})
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    card = page.locator("section.card", has=page.get_by_role("heading", name="queue"))
    card.locator(".queue").get_by_role("link", name=queue[2], exact=True).focus()
    before = page.evaluate("window.scrollY")

    tasks.command(queue[1], "cancel")
    passing.insert(0, queue[3])
    tasks.create(queue[3], cluster="queue", maintenance="Global", steps=[wait_step("wait", LONG)])
    expect(card.locator(".queue").get_by_role("link")).to_have_text(queue[2:], timeout=SOON)

    assert page.evaluate("document.activeElement.textContent") == queue[2]
    assert page.evaluate("window.scrollY") == before > 0
    assert page.locator(".stream").count() == 1

    tasks.delete(queue[0])
    passing.remove(queue[0])
    expect(card.locator(".holder")).to_contain_text(queue[2], timeout=SOON)


def test_a_page_has_one_stream_however_slowly_it_is_loaded(visit: Visit) -> None:
    """The page is loaded before any timeout of its scripts is over, and the first answer comes after all of them: a busy machine."""
    page = visit("/help")
    held: list[Route] = []
    page.route("**/live/tasks*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    page.goto("/tasks")
    page.clock.resume()
    expect(page.locator("#filters[data-htmx-powered]")).to_be_attached()
    page.wait_for_function("document.querySelector('.stream').matches('.htmx-request')")
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/live/" in request.url else None)

    page.unroute("**/live/tasks*")
    expect(page.locator("#live")).to_have_text("Live")
    with page.expect_request(re.compile("/live/tasks.*status=failed")):
        page.get_by_role("radio", name="Failed").check()

    assert len(held) == 1
    assert ["status=failed" in url for url in streams] == [True]


def busy(tasks: TaskClient, number: int) -> None:
    """Change one of the tasks, each time another one: most go on, every seventh fails, and so goes up in the list, or works again."""
    step = number // ROWS + 1
    phase = "Failed" if number % 7 == 0 else "Running"
    status = {
        "phase": phase,
        "direction": "Forward",
        "currentStep": f"step-{step}",
        "progress": f"{step}/9",
        "startedAt": f"2026-11-30T0{step}:00:00Z",
    }
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/busy-{number % ROWS:02}/status", {"status": status})


def test_two_hundred_changes_leave_the_reader_alone(visit: Visit, control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """While tasks change their steps and places, what is selected, has the focus and is looked at stays; twice a second at most."""
    tasks = TaskClient(control_plane, namespace)
    for number in range(ROWS):
        tasks.create(f"busy-{number:02}", steps=[wait_step("go")])
        if number == ROWS // 2:
            talking(tasks, tasks.create("read", steps=[wait_step("go")]))
    page = visit("/login", role=None)
    sign_in(page, person(kubectl, namespace, "li", "view"))
    page.set_viewport_size({"width": 1280, "height": 500})
    for number in range(ROWS):
        busy(tasks, number)
    page.goto(f"/tasks?ns={namespace}")
    expect(page.locator("#rows tr[data-task='busy-39']")).to_contain_text("step-1")
    expect(page.locator("#live")).to_have_text("Live")
    page.get_by_role("link", name="read", exact=True).focus()
    page.evaluate(
        "() => { getSelection().selectAllChildren(document.activeElement); document.activeElement.scrollIntoView({block: 'center'}); }"
    )
    selected, focused, top = page.evaluate(HELD)
    assert (selected, focused) == ("read", "read")
    assert page.evaluate("scrollY") > 0
    page.evaluate(RENDERS)

    for number in range(ROWS, ROWS + CHANGES):
        busy(tasks, number)
    last = ROWS + CHANGES - 1
    expect(page.locator(f"#rows tr[data-task='busy-{last % ROWS:02}']")).to_contain_text(f"step-{last // ROWS + 1}", timeout=SOON)

    assert page.evaluate(HELD) == ["read", "read", pytest.approx(top, abs=2)]
    renders, seconds = page.evaluate("[window.renders, (performance.now() - window.counted) / 1000]")
    assert 2 <= renders <= 2 * seconds + 2
    shown = page.evaluate(CELLS)
    page.reload()
    expect(page.locator("#live")).to_have_text("Live")
    assert page.evaluate(CELLS) == shown


def test_the_operator_is_gone_and_comes_back(visit: Visit, tasks: TaskClient, operator: OperatorProcess, passing: list[str]) -> None:
    """What nobody has seen yet is shown as that; when an operator is there again, the page follows by itself."""
    page = visit("/tasks")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    operator.kill()
    try:
        passing.append("while-away")
        tasks.create("while-away", cluster="away", steps=[wait_step("wait", LONG)])
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="while-away", exact=True))
        expect(row).to_contain_text("Pending", timeout=SOON)
    finally:
        operator.start()

    expect(row).to_contain_text("Running", timeout=SOON)
