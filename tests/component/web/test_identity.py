"""Who a visitor of the Task Center is, in each of the four ways to find out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.support.kubectl import Kubectl
from tests.support.overheard import Overheard, answering, overheard
from tests.support.tokens import expired
from tests.support.web import Web, person, web, web_settings

from devcluster.controlplane import ControlPlane
from obtask.environment import SettingsError

SECRET = "a-secret-that-only-the-proxy-knows"  # noqa: S105 - of the test


def reason(answer: httpx.Response) -> str:
    """Return why a request was sent to the login page."""
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert where.path == "/login"
    return parse_qs(where.query)["reason"][0]


@pytest.fixture(scope="module")
def token(kubectl: Kubectl, module_namespace: str, roles: None) -> str:  # noqa: ARG001 - has to be done before
    """Return the token of a person who may view tasks."""
    return person(kubectl, module_namespace, "li", "view")


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "Nothing was entered."),
        (" \n\t", "Nothing was entered."),
        ("not a token\x00", "This is no token"),
        ("x" * 20_000, "This is no token"),
        ("nobody.knows.this", "The API server refuses these credentials"),
    ],
)
def test_what_is_no_token_signs_nobody_in(task_center: Web, secret: str, said: str) -> None:
    """The login page says why, there is no cookie, and no page can be seen."""
    with task_center.browser() as browser:
        answer = browser.post("/login", data={"secret": secret})

        assert answer.status_code == 403
        assert said in answer.text
        assert not browser.cookies
        assert reason(browser.get("/tasks")) == "first"


def test_an_expired_token_signs_nobody_in(task_center: Web, control_plane: ControlPlane, token: str) -> None:
    """It was issued by this very API server, and says who it is; its time is over."""
    with task_center.browser() as browser:
        answer = browser.post("/login", data={"secret": expired(control_plane, token)})

        assert (answer.status_code, browser.cookies.get("obtask")) == (403, None)
        assert "they have expired, or were withdrawn" in answer.text


def test_an_api_server_that_lets_strangers_in_signs_nobody_in(translated: None, anonymous: Path) -> None:  # noqa: ARG001
    """An API server that takes any token for anonymous answers a review; it is nobody's name."""
    with web(web_settings(anonymous)) as center, center.browser() as browser:
        answer = browser.post("/login", data={"secret": "any.token.will-do"})

        assert answer.status_code == 403
        assert "takes it for nobody" in answer.text


@pytest.fixture
def anonymous(tmp_path: Path) -> Iterator[Path]:
    """Return a kubeconfig of an API server to which everybody is anonymous."""
    answer = '{"status": {"userInfo": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}}}'
    with answering(answer, tmp_path) as kubeconfig:
        yield kubeconfig


def test_a_session_ends_by_disuse_by_its_time_and_with_its_token(control_plane: ControlPlane, token: str, translated: None) -> None:  # noqa: ARG001
    """Idle for 30 minutes, 8 hours old, or with a token that ends: the next page is the login, with the reason."""
    with web(web_settings(control_plane.kubeconfig, session_minutes=45)) as center, center.signed_in(token) as browser:
        center.clock.move(minutes=29)
        assert browser.get("/help").status_code == 200
        center.clock.move(minutes=17)
        assert reason(browser.get("/help")) == "expired"
    with web(web_settings(control_plane.kubeconfig)) as center, center.signed_in(token) as browser:
        center.clock.move(minutes=31)
        assert reason(browser.get("/help")) == "idle"
        assert reason(browser.get("/help")) == "expired"
    with web(web_settings(control_plane.kubeconfig, idle_minutes=1440)) as center, center.signed_in(token) as browser:
        center.clock.move(minutes=61)
        assert reason(browser.get("/help")) == "expired"


def test_a_script_is_told_and_leads_back_to_its_page(control_plane: ControlPlane, token: str, translated: None) -> None:  # noqa: ARG001
    """Not to what the script asked for; the reason is still there when the browser asks for the page."""
    with web(web_settings(control_plane.kubeconfig)) as center, center.signed_in(token) as browser:
        center.clock.move(minutes=31)
        script = {"HX-Request": "true", "HX-Current-URL": f"{center.url}/tasks?ns=a&q=b"}
        answer = browser.get("/live/tasks?once=1", headers=script)

        assert answer.status_code == 401
        assert parse_qs(urlsplit(answer.headers["hx-redirect"]).query) == {"reason": ["idle"], "next": ["/tasks?ns=a&q=b"]}
        assert reason(browser.get("/tasks?ns=a&q=b")) == "idle"


def test_the_page_says_who_is_signed_in_and_until_when(task_center: Web, token: str, module_namespace: str) -> None:
    """Name, groups and the end of the session; signing out ends it at once, also for who kept the cookie."""
    with task_center.signed_in(token) as browser:
        shown = browser.get("/help").text
        kept = dict(browser.cookies)

        assert f"system:serviceaccount:{module_namespace}:li" in shown
        assert "system:authenticated" in shown
        assert "Until" in shown
        assert reason(browser.post("/logout")) == "signed-out"
    with task_center.browser(cookies=kept) as browser:
        assert reason(browser.get("/help")) == "expired"


def test_a_link_signs_in_once_within_five_minutes(control_plane: ControlPlane, translated: None) -> None:  # noqa: ARG001
    """The code stands behind the #, so that no server sees it; a second use, a wrong one and one that is late are refused."""
    settings = web_settings(control_plane.kubeconfig, identity="kubeconfig")
    with web(settings) as center, center.browser() as browser:
        assert center.link == f"{center.url}/login#{center.code}"
        assert len(center.code) >= 43
        assert browser.post("/login", data={"secret": "wrong"}).status_code == 403
        assert browser.post("/login", data={"secret": center.code}).status_code == 303
        assert browser.get("/help").status_code == 200
        again = center.browser()
        assert "This link was used before" in again.post("/login", data={"secret": center.code}).text
        again.close()
    with web(settings) as center, center.browser() as browser:
        center.clock.move(minutes=5)
        answer = browser.post("/login", data={"secret": center.code})
        assert (answer.status_code, "has expired" in answer.text) == (403, True)
        center.clock.move(minutes=-5)
        assert browser.post("/login", data={"secret": center.code}).status_code == 403


def test_logins_are_counted(control_plane: ControlPlane, translated: None, token: str) -> None:  # noqa: ARG001
    """The eleventh try of an address within a minute is not looked at, even if it is right; a minute later it is."""
    with web(web_settings(control_plane.kubeconfig, logins_per_minute=10)) as center, center.browser() as browser:
        assert {browser.post("/login", data={"secret": "x.y.z"}).status_code for _ in range(10)} == {403}
        assert browser.post("/login", data={"secret": token}).status_code == 429
        center.clock.move(seconds=61)
        assert browser.post("/login", data={"secret": token}).status_code == 303


def test_with_a_proxy_each_request_brings_its_own_token(
    control_plane: ControlPlane,
    tmp_path: Path,
    token: str,
    module_namespace: str,
    translated: None,  # noqa: ARG001
) -> None:
    """A token is asked about once a minute; without one, with a blank, a wrong or two of them, nobody is let in, nor can sign in here."""
    good = {"Authorization": f"Bearer {token}"}
    with (
        overheard(control_plane, tmp_path) as road,
        web(web_settings(road.kubeconfig, identity="proxy")) as center,
        center.browser() as browser,
    ):
        assert all(f"{module_namespace}:li" in browser.get("/help", headers=good).text for _ in range(5))
        assert road.to("selfsubjectreviews") == 1
        center.clock.move(seconds=61)
        assert browser.get("/help", headers=good).status_code == 200
        assert road.to("selfsubjectreviews") == 2
        assert road.values("Authorization") == {f"Bearer {token}"}
        assert reason(browser.get("/help")) == "untrusted"
        assert reason(browser.get("/help", headers={"Authorization": "Bearer"})) == "blank"
        assert reason(browser.get("/help", headers={"Authorization": "Bearer a.b.c"})) == "refused"
        assert reason(browser.get("/help", headers=[("Authorization", f"Bearer {token}")] * 2)) == "untrusted"
        assert browser.post("/login", data={"secret": token}).status_code == 403
        assert not browser.cookies


@pytest.fixture(scope="module")
def account(kubectl: Kubectl, module_namespace: str, translated: None) -> Iterator[str]:  # noqa: ARG001
    """Return the token of an account that may impersonate people of the group dba."""
    name = f"{module_namespace}-impersonate"
    own = person(kubectl, module_namespace, "web", None)
    kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": may_impersonate(name, module_namespace)})
    yield own
    kubectl("delete", "clusterrole,clusterrolebinding", name)


@contextmanager
def a_center(control_plane: ControlPlane, folder: Path, account: str) -> Iterator[tuple[Web, Overheard]]:
    """Give a Task Center that impersonates people of the group dba, and what it sends to the API server."""
    (folder / "secret").write_text(SECRET + "\n")
    with overheard(control_plane, folder, account) as road:
        settings = web_settings(road.kubeconfig, identity="impersonate", groups=("dba",), proxy_secret_file=str(folder / "secret"))
        with web(settings) as center:
            yield center, road


@pytest.fixture(scope="module")
def impersonating(control_plane: ControlPlane, account: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Overheard]]:
    """Return one that lets people in."""
    with a_center(control_plane, tmp_path_factory.mktemp("impersonating"), account) as made:
        yield made


@pytest.fixture(scope="module")
def refusing(control_plane: ControlPlane, account: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Overheard]]:
    """Return another one, which nobody was let into: a view that was opened once goes on asking."""
    with a_center(control_plane, tmp_path_factory.mktemp("refusing"), account) as made:
        yield made


def may_impersonate(name: str, namespace: str) -> list[dict[str, object]]:
    """Return the right of the account `web` to ask in the name of any user, and of the group dba."""
    rbac = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": name}}
    rules = [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["dba"], "verbs": ["impersonate"]},
    ]
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": "web", "namespace": namespace}]
    return [{"kind": "ClusterRole", **head, "rules": rules}, {"kind": "ClusterRoleBinding", **head, "roleRef": role, "subjects": subjects}]


PROXY = {"X-OBTask-Proxy-Secret": SECRET, "X-Forwarded-User": "li"}


def test_whom_a_trusted_proxy_names_is_impersonated(impersonating: tuple[Web, Overheard]) -> None:
    """With the groups that we may ask for, and no others; what else the request says of somebody goes nowhere."""
    center, road = impersonating
    road.requests.clear()
    forged = {"Impersonate-User": "root", "Impersonate-Group": "system:masters", "Impersonate-Uid": "0", "X-Remote-User": "root"}
    with center.browser(headers={**PROXY, **forged, "X-Forwarded-Groups": "dba, developers"}) as browser:
        shown = browser.get("/help").text

    assert re.search(r"<summary[^>]*>(?:<span[^>]*>)?li</", shown)
    assert "dba, system:authenticated" in shown
    assert "developers" not in shown
    assert (road.values("Impersonate-User"), road.values("Impersonate-Group")) == ({"li"}, {"dba"})
    assert not {"impersonate-uid", "x-remote-user", "x-forwarded-user", "x-obtask-proxy-secret"} & road.names()


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "li")],
        [("X-Forwarded-User", "li"), ("X-OBTask-Proxy-Secret", "a-secret-that-somebody-guesses")],
        [("X-Forwarded-User", "li"), ("X-OBTask-Proxy-Secret", SECRET), ("X-OBTask-Proxy-Secret", SECRET)],
        [("X-OBTask-Proxy-Secret", SECRET)],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "")],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "li"), ("X-Forwarded-User", "root")],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "system:admin")],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "System:Admin")],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "system:serviceaccount:kube-system:default")],
        [("X-OBTask-Proxy-Secret", SECRET), ("X-Forwarded-User", "li"), ("X-Forwarded-Groups", "dba,system:masters")],
        [
            ("X-OBTask-Proxy-Secret", SECRET),
            ("X-Forwarded-User", "li"),
            ("X-Forwarded-Groups", "dba"),
            ("X-Forwarded-Groups", "system:nodes"),
        ],
    ],
)
def test_nobody_else_is_impersonated(refusing: tuple[Web, Overheard], headers: list[tuple[str, str]]) -> None:
    """No secret, a wrong one, nobody, two people, or a user or group of Kubernetes' own: the API server is not even asked."""
    center, road = refusing
    road.requests.clear()
    with center.browser() as browser:
        assert reason(browser.get("/help", headers=headers)) == "untrusted"

    assert not road.requests


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"identity": "kubeconfig", "listen": ("0.0.0.0", 0)}, "127.0.0.1 only"),  # noqa: S104 - refused
        ({"identity": "token", "listen": ("0.0.0.0", 0)}, "OBTASK_WEB_HOSTS"),  # noqa: S104 - refused
        ({"identity": "impersonate", "groups": ("dba",)}, "OBTASK_WEB_PROXY_SECRET_FILE"),
        ({"identity": "impersonate", "groups": ("dba",), "proxy_secret_file": "short"}, "at least 16"),
        ({"identity": "impersonate", "proxy_secret_file": "long"}, "OBTASK_WEB_GROUPS"),
        ({"identity": "impersonate", "groups": ("system:masters",), "proxy_secret_file": "long"}, "none that begins with system:"),
    ],
)
def test_it_does_not_start_with_an_open_door(
    control_plane: ControlPlane,
    tmp_path: Path,
    settings: dict[str, object],
    named: str,
    translated: None,  # noqa: ARG001
) -> None:
    """What would let anybody in, or could be called by any name, is refused with the setting that mends it."""
    (tmp_path / "short").write_text("x")
    (tmp_path / "long").write_text(SECRET)
    if "proxy_secret_file" in settings:
        settings = {**settings, "proxy_secret_file": str(tmp_path / str(settings["proxy_secret_file"]))}
    with pytest.raises(SettingsError, match=named), web(web_settings(control_plane.kubeconfig, **settings)):
        pass
