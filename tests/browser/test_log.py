"""A long log while it grows: it is followed until the reader looks elsewhere."""

from playwright.sync_api import expect
from tests.browser.conftest import PATIENCE, Visit, sign_in
from tests.support.kubectl import Kubectl
from tests.support.stored_logs import long_log, store_log, talking
from tests.support.tasks import TaskClient, wait_step
from tests.support.web import person

from devcluster.controlplane import ControlPlane
from obtask.web.detail.log_text import MOST_LINES

LINES = 11_500
GROWN = 25_000
# Selects a line that can be seen; returns what is selected and where it is.
SELECT_IN_SIGHT = """() => {
  const log = document.getElementById("log"), seen = log.getBoundingClientRect();
  const line = [...log.querySelectorAll("a[id]")].find((each) => each.getBoundingClientRect().top > seen.top + 60);
  getSelection().setBaseAndExtent(line.nextSibling, 0, line.nextSibling, 40);
}"""
SELECTED = "() => [getSelection().toString(), Math.round(getSelection().getRangeAt(0).getBoundingClientRect().top)]"
AT_END = "() => { const log = document.getElementById('log'); return log.scrollHeight - log.scrollTop - log.clientHeight < 24; }"


def lines(first: int, last: int) -> str:
    """Return some lines of a log that says much: 25,000 of them are more than 1 MiB."""
    return "".join(f"2026-11-28T14:24:58.101Z row {number} was copied\n" for number in range(first, last + 1))


def test_a_log_grows_to_a_mebibyte_while_it_is_read(visit: Visit, control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """The page stays at the end, with as many lines as it may hold; whoever selects or scrolls is left alone, whatever comes and goes."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("talk", steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, lines(1, 100))
    page = visit("/login", role=None)
    sign_in(page, person(kubectl, namespace, "li", "view"))
    page.goto(f"/t/{namespace}/talk")
    log, follow, end = page.get_by_role("log", name="Log"), page.get_by_role("button", name="Follow"), page.locator("#log a[id]").last

    for last in range(5_000, GROWN + 1, 5_000):
        store_log(tasks, body, lines(1, last))
        expect(end).to_have_id(f"L{last}", timeout=PATIENCE)
        page.wait_for_function(AT_END)
    assert len(lines(1, GROWN)) >= 2**20
    expect(follow).to_have_attribute("aria-pressed", "true")
    assert page.locator("#log a[id]").count() <= MOST_LINES
    expect(page.locator("#L1")).to_be_attached()
    gap = int(page.locator("#log .log-gap").get_attribute("data-hidden") or 0)
    assert page.locator("#log a[id]").count() + gap == GROWN
    expect(page.locator("#log .log-gap")).to_have_text(f"… {gap} lines are not shown here: download the log")

    log.hover()
    page.mouse.wheel(0, -4_000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.evaluate(SELECT_IN_SIGHT)
    before = page.evaluate(SELECTED)
    store_log(tasks, body, lines(1, 1_500) + "… 2000 lines were cut\n" + lines(3_501, GROWN + 500))
    expect(page.get_by_text(f"row {GROWN + 500} was copied")).to_be_attached(timeout=PATIENCE)
    assert page.evaluate(SELECTED) == before
    assert page.locator("#log a[id]").count() <= MOST_LINES

    page.get_by_role("searchbox", name="Find in the log").fill(f"row {GROWN} was")
    expect(page.locator("#log-found")).to_have_text("1/1")
    follow.click()
    page.wait_for_function(AT_END)
    store_log(tasks, body, lines(1, 1_500) + "… 2500 lines were cut\n" + lines(4_001, GROWN + 1_000))
    expect(page.get_by_text(f"row {GROWN + 1_000} was copied")).to_be_in_viewport(timeout=PATIENCE)


def test_a_log_is_followed_until_the_reader_looks_elsewhere(
    visit: Visit, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """New lines come by themselves; scrolling up, selecting, finding and choosing a line stop following, and nothing moves any more."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("talk", steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, long_log(LINES))
    page = visit("/login", role=None)
    sign_in(page, person(kubectl, namespace, "li", "view"))
    page.goto(f"/t/{namespace}/talk")
    log, follow = page.get_by_role("log", name="Log"), page.get_by_role("button", name="Follow")

    expect(follow).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(AT_END)
    store_log(tasks, body, long_log(LINES + 5))
    expect(page.locator(f"#L{LINES + 5}")).to_be_attached(timeout=PATIENCE)
    page.wait_for_function(AT_END)

    log.hover()
    page.mouse.wheel(0, -3000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    before = log.evaluate("log => log.scrollTop")
    store_log(tasks, body, long_log(LINES + 10))
    expect(page.locator(f"#L{LINES + 10}")).to_be_attached(timeout=PATIENCE)
    assert log.evaluate("log => log.scrollTop") == before

    page.get_by_role("searchbox", name="Find in the log").fill("line 11000 of")
    expect(page.locator("#log-found")).to_have_text("1/1")
    expect(page.locator("#L11000")).to_be_in_viewport()
    page.locator("#L11000").click()
    assert "line=11000" in page.url

    # A stream that begins anew sends what it sent before: no line is there twice.
    log.evaluate("log => log.append(log.lastElementChild.cloneNode(true))")
    expect(page.locator(f"#L{LINES + 10}")).to_have_count(1)

    page.goto(f"/t/{namespace}/talk?line=5000")
    expect(page.locator("#L5000")).to_be_in_viewport()
    expect(page.locator("mark.chosen")).to_contain_text("line 5000 of")
    expect(follow).to_have_attribute("aria-pressed", "false")
