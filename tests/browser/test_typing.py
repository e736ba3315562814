"""The lines that pages tell people to type: each is taken from its page, typed as it is by who was told so, and does what the page says."""

import shlex
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.keyboard import tab_to
from tests.browser.scene import LONG, NAMESPACE, Scene
from tests.support.plugin import Plugin, Ran, kubeconfig_of, plugin
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.web import Web
from tests.support.web_lines import lines_to_type, other_lines

from devcluster.controlplane import ControlPlane

UNDO: Final = {"sql": {"statements": ["select 'undone'"]}}
# What becomes of a task in a state by each command that its page offers.
BECOMES: Final[Mapping[str, Mapping[str, str]]] = {
    "failed": {"retry": "Failed", "rollback": "RolledBack", "skip": "Skipped", "skip-step": "Succeeded"},
    "approval": {"approve": "Succeeded", "cancel": "Failed"},
    "running": {"cancel": "Failed"},
    "waiting": {"cancel": "Cancelled"},
}
# Who is offered which commands of a failed task.
MAY: Final[Mapping[str, set[str]]] = {
    "view": set(),
    "edit": {"retry", "rollback"},
    "admin": {"retry", "rollback", "skip", "skip-step"},
}
PAGES = (
    "/tasks",
    "/tasks?status=failed",
    "/locks",
    "/locks?ns={ns}",
    "/new",
    "/new?template=resize-tenant",
    "/new?yaml=1",
    "/templates",
    "/help?ns={ns}",
)
Make = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a browser and a terminal."""

    center: Web
    token: str
    terminal: Plugin

    def reads(self, path: str, **form: str) -> str:
        """Return a page as this visitor gets it; a form is sent if there is one."""
        with self.center.signed_in(self.token) as browser:
            answer = browser.post(path, data=form) if form else browser.get(path)
            assert answer.status_code == 200, answer.text
            return answer.text

    def types(self, line: str) -> Ran:
        """Type a line, with kubectl and the plugin at hand."""
        return self.terminal.typed(line)


@pytest.fixture(scope="module")
def people(control_plane: ControlPlane, center: Web, tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    """Return a person for each role."""
    found = {}
    for role, token in tokens.items():
        folder = tmp_path_factory.mktemp(role)
        terminal = plugin(control_plane, NAMESPACE, folder / "home", source=kubeconfig_of(control_plane, token, folder / "own"))
        found[role] = Person(center, token, terminal)
    return found


@pytest.fixture(scope="module")
def make(tasks: TaskClient, connection: dict[str, str], scene: Scene) -> Make:  # noqa: ARG001 - others are there as well
    """Return what makes a task in a state, each in a cluster of its own; it is there when it is."""

    def made(state: str) -> str:
        name = f"typed-{state}-{uuid.uuid4().hex[:6]}"
        failing = [sql_step("set", "select 1", rollback=UNDO), sql_step("look", "select * from nothing"), wait_step("end")]
        specs: dict[str, dict[str, Any]] = {
            "failed": {"steps": failing, "connection": connection},
            "approval": {"steps": [{"name": "ask", "approve": {"message": "Sure?"}}]},
            "running": {"steps": [wait_step("work", LONG)]},
            "short": {"steps": [wait_step("work", 3)]},
            "waiting": {"steps": [wait_step("work", LONG)], "maintenance": "Global"},
        }
        spec = specs[state]
        if state == "waiting":
            tasks.create(f"{name}-holder", cluster=name, **spec)
            tasks.wait_phase(f"{name}-holder", "Running")
        tasks.create(name, cluster=name, **spec)
        phases = {"failed": "Failed", "waiting": "Waiting"}
        tasks.wait_phase(name, phases.get(state, "Running"))
        if state == "approval":
            tasks.wait(name, lambda body: "approve" in body["status"].get("allowedActions", []))
        return name

    return made


def does(ran: Ran, line: str, tasks: TaskClient) -> None:
    """Check that a line which changes nothing has shown what it is for."""
    assert ran.code == 0, (line, ran)
    words = shlex.split(line)
    shows = {
        "get obtask": f"name: {words[3]}",
        "get obtasks": "tune",
        "describe obtask": f"Name:         {words[3]}",
        "wait --for=condition=Finished": "condition met",
        "obtask list": "tune",
        "obtask locks": "tune",
    }
    assert shows[" ".join(words[1:3])] in ran.out, (line, ran)
    assert tasks.namespace in words, line


def commands_of(lines: list[str]) -> dict[str, str]:
    """Return the lines that give commands, by the command."""
    return {words[-1].partition("=")[2]: line for line in lines if (words := shlex.split(line))[1] == "annotate"}


@pytest.mark.parametrize("role", MAY)
def test_the_lines_of_a_failed_task_can_be_typed_by_who_is_told_them(
    people: dict[str, Person], tasks: TaskClient, make: Make, role: str
) -> None:
    """Each role is told the commands that it may give, and no others; each line, typed with the reader's own token, is accepted."""
    for verb in sorted(MAY[role]) or [""]:
        name = make("failed")
        lines = lines_to_type(people[role].reads(f"/t/{tasks.namespace}/{name}"))

        given = commands_of(lines)
        assert set(given) == MAY[role]
        for line in {line for line in lines if line not in given.values()}:
            does(people[role].types(line), line, tasks)
        if verb:
            assert lines_to_type(people[role].reads(f"/t/{tasks.namespace}/{name}/confirm?verb={verb}")) == [given[verb]]
            becomes(people[role], tasks, name, given[verb], BECOMES["failed"][verb])


def becomes(person: Person, tasks: TaskClient, name: str, line: str, phase: str) -> None:
    """Type a command, and see that it is accepted and what it brings."""
    ran = person.types(line)
    assert ran.code == 0, (line, ran)
    answer = tasks.answer(name)
    assert (answer["verb"], answer["result"]) == (shlex.split(line)[-1].partition("=")[2], "Accepted")
    tasks.wait_phase(name, phase)


@pytest.mark.parametrize("state", [state for state in BECOMES if state != "failed"])
def test_the_lines_of_a_task_that_has_not_ended_do_what_they_say(
    people: dict[str, Person], tasks: TaskClient, make: Make, state: str
) -> None:
    """Cancel, approve, and look at who is in the way."""
    for verb, phase in BECOMES[state].items():
        name = make(state)
        lines = lines_to_type(people["admin"].reads(f"/t/{tasks.namespace}/{name}"))

        given = commands_of(lines)
        assert set(given) == set(BECOMES[state])
        for line in {line for line in lines if line not in given.values() and "wait" not in line}:
            does(people["admin"].types(line), line, tasks)
        becomes(people["admin"], tasks, name, given[verb], phase)


def test_a_running_task_is_waited_for(people: dict[str, Person], tasks: TaskClient, make: Make) -> None:
    """The line of its page, typed by somebody who may only look, ends when the task does."""
    name = make("short")
    line = next(line for line in lines_to_type(people["view"].reads(f"/t/{tasks.namespace}/{name}")) if "wait" in line)

    does(people["view"].types(line), line, tasks)

    assert tasks.status(name)["phase"] == "Succeeded"


@pytest.mark.parametrize("path", PAGES)
def test_the_lines_of_the_other_pages_can_be_typed_by_who_may_only_look(
    people: dict[str, Person], tasks: TaskClient, scene: Scene, path: str
) -> None:
    """With kubectl and with the plugin, and no page has such a line in any other form, which nobody would try."""
    page = people["view"].reads(path.format(ns=scene.namespace))

    for line in lines_to_type(page):
        does(people["view"].types(line), line, tasks)
    assert other_lines(page) == []


@pytest.mark.parametrize("page", ["/help", "/locks"])
def test_a_made_up_address_makes_no_line_to_type(people: dict[str, Person], page: str) -> None:
    """A link has a command in the place of the namespace; shells differ in what they take for a quotation mark, so there is no line."""
    for told in ("x;touch here", "x' || touch 'here", "x$(touch here)`touch here`\ntouch here", "x‘;calc;‘", "x&calc&"):  # noqa: RUF001
        found = people["view"].reads(f"{page}?ns={quote(told)}")

        assert lines_to_type(found) + other_lines(found) == []


def test_help_names_kubectl_and_the_plugin(people: dict[str, Person]) -> None:
    """The list of the namespace, in both."""
    lines = lines_to_type(people["view"].reads("/help?ns=prod"))

    assert lines == ["kubectl get obtasks -n prod", "kubectl obtask list -n prod"]


def test_a_new_task_can_be_made_in_a_terminal(people: dict[str, Person], tasks: TaskClient) -> None:
    """The line of a checked form makes the very task that the form would have made."""
    name = f"typed-new-{uuid.uuid4().hex[:6]}"
    fields = {"name": name, "ns": tasks.namespace, "cluster": "typed", "do": "check"}
    line = lines_to_type(people["edit"].reads("/new?template=health-check", **fields))

    ran = people["edit"].types(line[0])

    assert (ran.code, len(line)) == (0, 1), ran
    assert f"{name} created" in ran.out
    assert tasks.get(name)["spec"]["templateRef"]["name"] == "health-check"


def test_the_line_of_the_login_makes_a_token_that_signs_in(
    center: Web, control_plane: ControlPlane, tasks: TaskClient, tokens: dict[str, str], tmp_path: Path
) -> None:
    """With a name and a namespace put in."""
    with center.browser() as browser:
        line = lines_to_type(browser.get("/login").text)[0]
    admin = plugin(control_plane, tasks.namespace, tmp_path / "home")

    ran = admin.typed(line.replace("NAMESPACE", tasks.namespace).replace("NAME", "dba-view"))

    assert ran.code == 0, ran
    assert ran.out.strip() not in tokens.values()
    assert f"{tasks.namespace}:dba-view" in Person(center, ran.out.strip(), admin).reads("/help")


@pytest.mark.parametrize(("lang", "copy", "copied"), [("en", "Copy", "Copied"), ("zh", "复制", "已复制")])
def test_a_line_is_copied_with_the_keyboard(visit: Visit, scene: Scene, lang: str, copy: str, copied: str) -> None:
    """What is on the clipboard is the line, without its mark; that it was copied is said aloud. A dialog's line is copied, too."""
    page = visit(f"/t/{scene.namespace}/tune", lang=lang)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#task-head details.type summary").click()
    place = page.locator("#task-head .to-type").first

    tab_to(page, place.get_by_role("button", name=copy, exact=True))
    page.keyboard.press("Enter")

    told = place.locator("[aria-live=polite]")
    expect(told).to_have_text(copied)
    assert page.evaluate("navigator.clipboard.readText()") == f"kubectl annotate obtask tune -n {scene.namespace} action=retry"
    page.locator("[data-command] button:not([disabled])").nth(1).click()
    page.locator("#command-dialog summary").last.click()
    page.locator("#command-dialog").get_by_role("button", name=copy, exact=True).press("Space")
    expect(page.locator("#command-dialog [aria-live=polite]")).to_have_text(copied)
    expect(told).to_have_text("")
    assert page.evaluate("navigator.clipboard.readText()") == f"kubectl annotate obtask tune -n {scene.namespace} action=rollback"


def test_what_cannot_copy_does_not_offer_it(visit: Visit, scene: Scene) -> None:
    """Without scripts there are no buttons that do nothing; a browser that refuses says so, and what to do instead."""
    plain = visit("/help", scripts=False)
    expect(plain.locator(".to-type pre").first).to_be_visible()
    expect(plain.locator("button.copy").first).to_be_hidden()
    page = visit(f"/help?ns={scene.namespace}")
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('refused'); }; }")

    page.locator("button.copy").first.click()

    expect(page.locator("[aria-live=polite].copied").first).to_have_text(
        "The browser does not allow copying. Select the text and copy it yourself."
    )
