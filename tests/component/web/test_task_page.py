"""The page of one task: what it shows of each state, and to whom."""

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from tests.support.apiserver import OBTASKS
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import FAILED
from tests.support.operators import operator_settings, operator_thread
from tests.support.patience import eventually
from tests.support.stored_logs import store_log, talking
from tests.support.streams import address_of, events
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.web import Web, person

from devcluster.controlplane import ControlPlane

BROKEN = {"name": "window", "http": {"url": "http://127.0.0.1:9/", "expect": "status == 200"}}


@pytest.fixture(scope="module")
def tasks(control_plane: ControlPlane, module_namespace: str) -> TaskClient:
    """Return the tasks of the module's namespace."""
    return TaskClient(control_plane, module_namespace)


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, tasks: TaskClient) -> Iterator[None]:
    """Run an operator for the module's namespace."""
    with operator_thread(operator_settings(control_plane.operator_kubeconfig, tasks.namespace)):
        yield


@pytest.fixture(scope="module")
def admin(task_center: Web, kubectl: Kubectl, module_namespace: str) -> Iterator[httpx.Client]:
    """Return the browser of somebody who may do everything in the namespace."""
    with task_center.signed_in(person(kubectl, module_namespace, "li", "admin")) as browser:
        yield browser


@pytest.fixture(scope="module")
def viewer(task_center: Web, kubectl: Kubectl, module_namespace: str) -> Iterator[httpx.Client]:
    """Return the browser of somebody who may look at the namespace."""
    with task_center.signed_in(person(kubectl, module_namespace, "wang", "view")) as browser:
        yield browser


def found(pattern: str, text: httpx.Response | str) -> str:
    """Return what a pattern finds."""
    match = re.search(pattern, text if isinstance(text, str) else text.text)
    assert match is not None, text if isinstance(text, str) else text.text
    return match[1]


def said(page: httpx.Response) -> str:
    """Return what a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


def test_a_task_that_nobody_has_taken_up_is_shown_as_planned(
    task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """Its steps come from its spec; the buttons say why they cannot be used yet."""
    TaskClient(control_plane, namespace).create("tune", steps=[wait_step("check"), wait_step("apply", 5)])
    with task_center.signed_in(person(kubectl, namespace, "li", "admin")) as browser:
        page = browser.get(f"/t/{namespace}/tune")

    assert page.status_code == 200, page.text
    assert "No operator has taken the task up yet." in page.text
    assert "1 check" in page.text
    assert "2 apply" in page.text
    assert 'title="Only a failed task can be retried."' in page.text


@pytest.mark.usefixtures("operator")
def test_a_failed_task_opens_at_what_failed(tasks: TaskClient, admin: httpx.Client) -> None:
    """One sentence says what happened and what is safe; the log of the failed attempt is there, with the line that tells why."""
    tasks.create("tune", maintenance="Global", steps=[wait_step("check"), BROKEN, wait_step("apply")])
    tasks.wait_phase("tune", "Failed")

    page = admin.get(f"/t/{tasks.namespace}/tune")

    text = said(page)
    assert "Step 2/3 window failed: window, attempt 1, ConnectionFailed" in text
    assert "its lock (Global of cluster obdemo) stays taken" in text
    assert f"kubectl annotate obtask tune -n {tasks.namespace} action=retry" in text
    assert re.search(r'<mark class="telling">[^<]*http://127.0.0.1:9/', page.text), page.text
    assert 'aria-current="true">2 window' in page.text


@pytest.mark.usefixtures("operator")
def test_a_failure_that_was_seen_before_says_so(tasks: TaskClient, admin: httpx.Client, viewer: httpx.Client) -> None:
    """The page names the tasks that failed in the same way, and what became of each; somebody who may look at them is told as well."""
    broken = BROKEN | {"name": "reach"}
    tasks.create("earlier", steps=[broken])
    tasks.wait_phase("earlier", "Failed")
    first = admin.get(f"/t/{tasks.namespace}/earlier")
    tasks.command("earlier", "skip")
    tasks.wait_phase("earlier", "Skipped")
    tasks.create("again-the-same", steps=[broken])
    tasks.wait_phase("again-the-same", "Failed")

    def read_by(somebody: httpx.Client) -> str:
        return eventually(
            lambda: said(somebody.get(f"/t/{tasks.namespace}/again-the-same")), lambda text: "seen before" in text, seconds=20
        )

    assert "seen before" not in said(first)
    for page in (read_by(admin), read_by(viewer)):
        assert "The same failure was seen before, in 1 other task." in page
        assert "Skipped earlier Skipped" in page


def test_who_may_not_is_told_which_verb_is_missing(tasks: TaskClient, viewer: httpx.Client) -> None:
    """Buttons of commands that would be accepted, but not from this visitor, are disabled, and say which right is missing."""
    page = viewer.get(f"/t/{tasks.namespace}/tune")

    assert f"This needs the verb skip on obtasks in {tasks.namespace} (ClusterRole admin)." in page.text
    assert len(re.findall(r"<button disabled", page.text)) == 5
    assert "kubectl annotate" not in page.text


@pytest.mark.usefixtures("operator")
def test_a_retry_by_plain_forms(tasks: TaskClient, admin: httpx.Client) -> None:
    """Without scripts: the button leads to a page that says what will happen; confirming gives the command with its reason."""
    tasks.create("again", steps=[BROKEN, wait_step("apply")])
    tasks.wait_phase("again", "Failed")
    address = f"/t/{tasks.namespace}/again"

    asked = admin.get(f"{address}/confirm", params={"verb": "retry"})
    seen = found(r'name="seen" value="([0-9a-f]+)"', asked)
    given = admin.post(f"{address}/command", data={"verb": "retry", "seen": seen, "reason": "disk  is\nlarger"})
    action = tasks.answer("again")
    tasks.wait_phase("again", "Failed")
    after = admin.get(given.headers["location"])

    assert "Runs step window again; if it succeeds, goes on with the step that follows: apply." in said(asked)
    assert re.search(r"<button[^>]*>Keep as it is</button>", asked.text)
    assert given.status_code == 303
    assert (action["verb"], action["result"], action["reason"]) == ("retry", "Accepted", "disk is larger")
    assert int(action["id"]) >= int(found(r"request=([0-9]+)", given.headers["location"]))
    assert "then the task failed, and waits again for a person" in said(after)
    assert tasks.status("again")["history"][0]["reason"] == "disk is larger"


@pytest.mark.usefixtures("operator")
def test_who_has_read_something_else_is_asked_again(tasks: TaskClient, admin: httpx.Client) -> None:
    """A confirmation of a sentence that is no longer true gives no command."""
    tasks.create("changed", steps=[BROKEN])
    tasks.wait_phase("changed", "Failed")

    answer = admin.post(f"/t/{tasks.namespace}/changed/command", data={"verb": "retry", "seen": "0123456789abcdef"})

    assert answer.status_code == 422
    assert "The task has changed meanwhile. Read again what would happen now." in answer.text
    assert "lastAction" not in tasks.status("changed")


@pytest.mark.usefixtures("operator")
def test_a_refusal_of_the_api_server_is_shown_in_its_words(tasks: TaskClient, viewer: httpx.Client) -> None:
    """Whoever posts without the right gets the sentence of the API server, and nothing is changed."""
    tasks.create("guarded", steps=[BROKEN])
    tasks.wait_phase("guarded", "Failed")

    answer = viewer.post(f"/t/{tasks.namespace}/guarded/command", data={"verb": "skip"}, headers={"X-Part": "dialog"})

    assert answer.status_code == 403
    assert "cannot patch resource" in said(answer)
    assert "<html" not in answer.text
    assert tasks.status("guarded")["phase"] == "Failed"


@pytest.mark.usefixtures("operator")
def test_a_skip_says_who_starts_then(tasks: TaskClient, admin: httpx.Client) -> None:
    """The page names who waits for the task; the dialog says who of them starts once the lock is free."""
    target = {"cluster": "obskip", "maintenance": "Global"}
    tasks.create("holder", steps=[BROKEN], **target)
    tasks.wait_phase("holder", "Failed")
    tasks.create("first", steps=[wait_step("go", 600)], **target)
    tasks.wait_phase("first", "Waiting")
    eventually(lambda: said(admin.get(f"/t/{tasks.namespace}/holder")), lambda text: "1 task waits for it." in text, seconds=20)

    dialog = admin.get(f"/t/{tasks.namespace}/holder/confirm", params={"verb": "skip"}, headers={"X-Part": "dialog"})
    waiting = admin.get(f"/t/{tasks.namespace}/first")

    assert "Runs nothing and undoes nothing: window stays as it is." in said(dialog)
    assert "Then first starts." in said(dialog)
    assert "It waits for its lock (Global of cluster obskip): holder (Failed) is in the way." in said(waiting)


@pytest.mark.usefixtures("operator")
def test_a_log_can_be_saved(tasks: TaskClient, admin: httpx.Client) -> None:
    """It is plain text, to be saved under a name that says which attempt it is of."""
    tasks.create("kept", steps=[BROKEN])
    tasks.wait_phase("kept", "Failed")

    answer = admin.get(f"/t/{tasks.namespace}/kept/log", params={"step": "window", "attempt": "1"})

    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"] == f'attachment; filename="{tasks.namespace}.kept.window.window.forward.1.log"'
    assert "http://127.0.0.1:9/" in answer.text
    for another in ({"attempt": "7"}, {"subtask": "door"}, {"direction": "Rollback"}, {"step": "door"}):
        missing = admin.get(f"/t/{tasks.namespace}/kept/log", params={"step": "window", "attempt": "1", **another})
        assert (missing.status_code, "127.0.0.1" in missing.text) == (404, False), another


@pytest.mark.usefixtures("operator")
def test_the_evidence_is_one_zip(tasks: TaskClient, admin: httpx.Client) -> None:
    """It has the task, its logs and a summary; every name in it is a relative one that stays in the folder it is unpacked in."""
    tasks.create("proof", steps=[BROKEN])
    tasks.wait_phase("proof", "Failed")

    answer = admin.get(f"/t/{tasks.namespace}/proof/bundle.zip")
    missing = admin.get(f"/t/{tasks.namespace}/nothing/bundle.zip")

    name = found(r'attachment; filename="([^"]+)"', answer.headers["content-disposition"])
    assert re.fullmatch(rf"{tasks.namespace}-proof-[0-9T]+Z[.]zip", name)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {"README.txt", "task.yaml", "events.txt", "history.csv", "waiting.txt", "environment.txt"} < set(names)
        assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*(?:/[A-Za-z0-9][A-Za-z0-9.-]*)*", name) and ".." not in name for name in names)
        assert b"http://127.0.0.1:9/" in archive.read("logs/01-window/window.attempt-1.forward.log")
    assert missing.status_code == 404
    assert "not found" in missing.text


def test_a_foreign_log_is_shown_as_text(task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """Markup, terminal codes, marks of direction and endless lines of a log that anybody may have written do nothing."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("hostile", steps=[wait_step("go")])
    status = {
        "phase": "Failed",
        "direction": "Forward",
        "currentStep": "go",
        "allowedActions": ["retry"],
        "steps": [
            {
                "name": "go",
                "phase": "Failed",
                "subtasks": [
                    {"name": "go", "phase": "Failed", "attempts": 1, "message": "<img src=x onerror=alert(1)> \u202egnp", "changed": True}
                ],
            }
        ],
    }
    tasks.api.send("PUT", f"{OBTASKS.format(tasks.namespace)}/hostile/status", body | {"status": status})
    lines = ["<script>alert(1)</script>", "\x1b[31mred\x1b[0m \u202egnp.exe", "x" * 300_000, '<div hx-get="/logout">error</div>', "end"]
    store_log(tasks, body, "\n".join(lines) + "\n")

    with task_center.signed_in(person(kubectl, namespace, "li", "view")) as browser:
        page = browser.get(f"/t/{namespace}/hostile")
        saved = browser.get(f"/t/{namespace}/hostile/log")

    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert 'hx-get="/logout"' not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "\\x1b[31mred\\x1b[0m \\u202egnp.exe" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    assert "295904 more characters: download the log" in page.text
    assert len(page.content) < 60_000
    assert "x" * 300_000 in saved.text
    assert "\x1b" not in saved.text


def test_the_last_lines_under_a_failure_are_those_of_the_attempt_that_failed(
    task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """Whoever looks at the log of an earlier attempt does not find it there."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("twice", steps=[wait_step("go")])
    subtask = {"name": "go", "phase": "Failed", "attempts": 2}
    failed = {**FAILED, "step": "go", "subtask": "go", "attempt": 2, "logTail": "the second one\n"}
    steps = [{"name": "go", "phase": "Failed", "subtasks": [subtask]}]
    status = {"phase": "Failed", "direction": "Forward", "currentStep": "go", "steps": steps, "failedSubtask": failed}
    tasks.api.send("PUT", f"{OBTASKS.format(namespace)}/twice/status", body | {"status": status})
    store_log(tasks, body, "the first one\n")

    with task_center.signed_in(person(kubectl, namespace, "li", "view")) as browser:
        second = said(browser.get(f"/t/{namespace}/twice"))
        first = said(browser.get(f"/t/{namespace}/twice", params={"step": "go", "attempt": 1}))

    assert "The last lines of its log the second one" in second
    assert "the first one" in first
    assert "The last lines of its log" not in first


@pytest.mark.usefixtures("operator")
def test_an_open_page_follows_its_task(tasks: TaskClient, admin: httpx.Client) -> None:
    """From the step that runs to the next one, and to the end, without being asked again."""
    tasks.create("walk", steps=[wait_step("one", 2), wait_step("two", 2)])
    tasks.wait_phase("walk", "Running")
    page = admin.get(f"/t/{tasks.namespace}/walk")
    seen = ""

    with events(admin, address_of(page)) as messages:
        for message in messages:
            seen += message
            if "All 2 steps are done." in message:
                break

    assert "Step 2/2 two runs: two." in seen
    assert 'hx-target="#task-flow"' in seen
    assert "All 2 steps are done." in seen


def test_an_open_log_gains_only_its_new_lines(task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    """What the operator stores while an attempt runs is appended; lines that are there are not sent again."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("talk", steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, "line 1\nline 2\n")

    with task_center.signed_in(person(kubectl, namespace, "li", "view")) as browser:
        page = browser.get(f"/t/{namespace}/talk")
        with events(browser, address_of(page)) as messages:
            next(messages)
            store_log(tasks, body, "line 1\nline 2\nline 3\n<b>line 4</b>\n")
            message = next(each for each in messages if 'hx-target="#log"' in each)

    assert "line 2" in page.text
    assert 'hx-target="#log" hx-swap="beforeend"' in message
    assert 'id="L3"' in message
    assert "&lt;b&gt;line 4&lt;/b&gt;" in message
    assert "line 2" not in message


def test_who_downloads_the_evidence_is_told_where_a_password_may_be(
    task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """The place, not what stands there."""
    TaskClient(control_plane, namespace).create("grant", steps=[sql_step("go", "create user u identified by 'hunter2'")])

    with task_center.signed_in(person(kubectl, namespace, "li", "view")) as browser:
        page = browser.get(f"/t/{namespace}/grant")

    assert "A password may stand in: spec.steps[0].sql.statements[0]" in said(page)
    assert "hunter2" not in page.text


def test_a_log_that_may_be_read_a_little_later_is_followed(
    task_center: Web, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """A page that was opened while its visitor lacked the right, as everybody does beside an API server that has just begun, shows it."""
    tasks = TaskClient(control_plane, namespace)
    body = tasks.create("talk", steps=[wait_step("go")])
    talking(tasks, body)
    store_log(tasks, body, "line 1\n")
    token = person(kubectl, namespace, "wu", None)
    kubectl("create", "role", "tasks", "-n", namespace, "--verb=get,list,watch", "--resource=obtasks.task.oceanbase.com")
    kubectl("create", "rolebinding", "tasks", "-n", namespace, "--role=tasks", f"--serviceaccount={namespace}:wu")

    with task_center.signed_in(token) as browser:
        page = browser.get(f"/t/{namespace}/talk")
        with events(browser, address_of(page)) as messages:
            kubectl("create", "rolebinding", "logs", "-n", namespace, "--clusterrole=view", f"--serviceaccount={namespace}:wu")
            message = next(each for each in messages if 'hx-target="#log"' in each)

    assert "line 1" not in page.text
    assert "line 1" in message
