"""Owns the fixtures of the browser suite: a browser, a Task Center with all that is behind it, people, and tasks to look at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.scene import NAMESPACE, Scene, tell_story
from tests.support import chromium
from tests.support.kubectl import Kubectl, kubectl_of
from tests.support.operators import OperatorProcess
from tests.support.pages import Complaints
from tests.support.tasks import TaskClient
from tests.support.web import Web, install_roles, person, web, web_settings

from devcluster import controlplane
from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError
from devcluster.progress import silent
from devcluster.sqlserver import SqlServer
from obtask.web import language

CATALOGUE = Path(__file__).parents[2] / "deploy/templates"
TEMPLATES = ("resize-tenant", "create-tenant", "drop-tenant", "restart-server", "obproxy-upgrade", "health-check")
ROLES = ("view", "edit", "admin")
PATIENCE = 15_000  # milliseconds for what a person would wait for
LOCALES = {"zh": "zh-CN", "en": "en-US"}
Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Chromium; where none can be had, the suite is left out, but not in CI.

    It ends with the suite: while Playwright is there, an event loop runs in this thread, and no test can run one of its own.
    """
    try:
        path = chromium.find_or_install(silent)
    except DevClusterError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="package")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:  # noqa: ARG001 - it is built
    """Return a control plane of the suite's own: pages show all that a cluster has, other suites' tasks and templates too."""
    with controlplane.control_plane(tmp_path_factory.mktemp("browser") / "cluster") as running:
        yield running


@pytest.fixture(scope="package")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """Return kubectl with its admin's rights."""
    return kubectl_of(control_plane)


@pytest.fixture(scope="package")
def prod(kubectl: Kubectl) -> str:
    """Return the namespace of the suite."""
    kubectl("create", "namespace", NAMESPACE)
    for template in TEMPLATES:
        kubectl("apply", "-f", str(CATALOGUE / f"{template}.yaml"))
    return NAMESPACE


@pytest.fixture(scope="package")
def operator(control_plane: ControlPlane, prod: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Run an operator for the namespace; it can be killed and started again."""
    process = OperatorProcess(control_plane.operator_kubeconfig, prod, tmp_path_factory.mktemp("operator") / "operator.log")
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="package")
def tokens(kubectl: Kubectl, prod: str) -> dict[str, str]:
    """Return a token for each role."""
    install_roles(kubectl)
    return {role: person(kubectl, prod, f"dba-{role}", role) for role in ROLES}


@pytest.fixture(scope="package")
def center(control_plane: ControlPlane, prod: str, operator: OperatorProcess) -> Iterator[Web]:  # noqa: ARG001 - has to run
    """Return the Task Center."""
    for source in Path(language.FOLDER).glob("*/LC_MESSAGES/*.po"):
        with source.open("rb") as text, source.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, read_po(text))
    with web(web_settings(control_plane.kubeconfig, namespaces=(prod,))) as running:
        yield running


@pytest.fixture(scope="package")
def tasks(control_plane: ControlPlane, prod: str) -> TaskClient:
    """Return the tasks of the namespace."""
    return TaskClient(control_plane, prod)


@pytest.fixture(scope="package")
def connection(tasks: TaskClient, seekdb: SqlServer) -> dict[str, str]:
    """Return the connection of the tasks."""
    return {"secretName": tasks.create_connection(seekdb)}


@pytest.fixture(scope="package")
def scene(tasks: TaskClient, connection: dict[str, str], operator: OperatorProcess) -> Scene:  # noqa: ARG001 - has to run
    """Return a night in the life of a DBA: tasks that run, wait, failed, and ended in every way. Tests only look at them."""
    return tell_story(tasks, connection)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Return what the browser complains of; at the end of the test it must be nothing."""
    noted = Complaints()
    yield noted
    assert noted.found == []


@pytest.fixture
def visit(browser: Browser, center: Web, tokens: dict[str, str], complaints: Complaints) -> Iterator[Visit]:
    """Return a way to have somebody look at a page: a window, a language, a theme, scripts or none."""
    contexts = []

    def open_page(
        path: str,
        role: str | None = "admin",
        *,
        lang: str = "en",
        theme: str = "light",
        width: int = 1280,
        scripts: bool = True,
        url: str = center.url,
    ) -> Page:
        context = browser.new_context(
            base_url=url,
            locale=LOCALES[lang],
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900 if width > 640 else 844},
            java_script_enabled=scripts,
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        complaints.watch(page)
        if role is not None:
            sign_in(page, tokens[role])
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def sign_in(page: Page, token: str) -> None:
    """Sign in as a person does."""
    page.goto("/login")
    page.locator("#secret").fill(token)
    page.locator("#sign-in button.primary").click()
    page.wait_for_url("**/tasks*")
