"""What the Task Center refuses, and what it tells browsers, whatever page is asked for."""

import re
import socket
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.kubectl import Kubectl
from tests.support.overheard import answering, overheard
from tests.support.web import Web, person, web, web_settings

from devcluster.controlplane import ControlPlane
from obtask.web.rendering import STATIC

PATHS = ("/", "/tasks", "/t/prod/tune", "/locks", "/new", "/templates", "/help", "/login", "/healthz", "/static/style.css", "/nowhere")


@pytest.fixture(scope="module")
def token(kubectl: Kubectl, module_namespace: str, roles: None) -> str:  # noqa: ARG001 - has to be done before
    """Return the token of a person who may do everything with tasks."""
    return person(kubectl, module_namespace, "li", "admin")


def spoken(center: Web, *lines: str) -> str:
    """Return the first line of what the server answers to these lines, which no client library would send."""
    where = urlsplit(center.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "")).encode("latin-1"))
        return connection.makefile("rb").readline().decode()


FOREIGN = ("evil.example", "127.0.0.1.evil.example", "evil.example:8090", "localhost.", "127.1", "[::2]", "a@localhost", "")


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_told_nothing(task_center: Web, token: str, host: str) -> None:
    """421 for every path, static files and the login too, also for who is signed in: a page whose name leads here learns nothing."""
    with task_center.signed_in(token) as browser:
        for path in PATHS:
            answer = browser.get(path, headers={"Host": host})

            assert (answer.status_code, "obtask" in answer.text.lower()) == (421, False), path
            assert answer.headers["content-security-policy"]


def test_hosts_are_those_that_were_named_and_there_is_one(task_center: Web, control_plane: ControlPlane) -> None:
    """By the names that were given, with any port; two names in one request, or none, are refused."""
    assert "421" in spoken(task_center, "GET /login HTTP/1.0")
    assert "400" in spoken(task_center, "GET /login HTTP/1.1", "Host: localhost", "Host: localhost")
    assert "200" in spoken(task_center, "GET /login HTTP/1.1", "Host: LOCALHOST:1")
    with web(web_settings(control_plane.kubeconfig, hosts=("tasks.example.com",))) as center:
        assert "200" in spoken(center, "GET /login HTTP/1.1", "Host: tasks.example.com:443")
        assert "421" in spoken(center, "GET /login HTTP/1.1", "Host: 127.0.0.1")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{url}"},
        {"Origin": "http://evil.example"},
        {"Origin": "{url}.evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_a_post_from_elsewhere_is_refused(task_center: Web, token: str, headers: dict[str, str]) -> None:
    """Signed in or not, to any path: a foreign page, a neighbour of the same site, and who does not say where it comes from."""
    with task_center.signed_in(token) as browser:
        del browser.headers["Sec-Fetch-Site"]
        headers = {name: value.format(url=task_center.url) for name, value in headers.items()}
        for path in (*PATHS, "/logout", "/preferences"):
            assert browser.post(path, headers=headers, data={"theme": "dark"}).status_code == 403, path
        assert browser.get("/help").status_code == 200  # nobody was signed out


def test_an_older_browser_says_its_origin(task_center: Web, token: str) -> None:
    """Without Sec-Fetch-Site the origin has to be the address that was called."""
    with task_center.browser() as browser:
        del browser.headers["Sec-Fetch-Site"]
        assert browser.post("/login", data={"secret": token}, headers={"Origin": task_center.url}).status_code == 303


LEADING = (
    "//evil.example/x",
    "///evil.example",
    "/%2Fevil.example/x",
    "/%5Cevil.example/x",
    "/%09/evil.example",
    "//evil.example/",
    "//tasks",
)
LINKS = re.compile(r"""(?:href|src|action|value|content|hx-get|hx-post|hx-push-url|hx-replace-url|sse-connect)=["']([^"']*)""")


@pytest.mark.parametrize("path", LEADING)
def test_no_page_leads_away(task_center: Web, token: str, path: str) -> None:
    """Whatever path was asked for, signed in or not, no link, form or redirect of the answer leads to another host."""
    for visitor in (task_center.browser(), task_center.signed_in(token)):
        with visitor as browser:
            answer = browser.get(f"{task_center.url}{path}?lang=en", follow_redirects=False)
            found = [*LINKS.findall(unescape(answer.text)), answer.headers.get("location", "")]

        assert [link for link in found if re.match(r"[/\\\t]{2}|(?!data:)[a-z]+:(?!//127\.0\.0\.1:)", link)] == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(task_center: Web, token: str, method: str) -> None:
    """Pages only read and post."""
    with task_center.signed_in(token) as browser:
        assert {browser.request(method, path).status_code for path in PATHS} == {403}


def test_a_get_changes_nothing(control_plane: ControlPlane, tmp_path: Path, token: str, translated: None) -> None:  # noqa: ARG001
    """Whatever is asked for, with whatever parameters, only reads and reviews reach the API server, and the session goes on."""
    asked = "action=skip&verb=skip&confirm=1&theme=dark&secret=x&_method=POST"
    with overheard(control_plane, tmp_path) as road, web(web_settings(road.kubeconfig)) as center, center.signed_in(token) as browser:
        kept = dict(browser.cookies)
        for path in (*PATHS, "/logout", "/preferences", "/t/prod/tune/retry", "/t/prod/tune/skip"):
            browser.get(f"{path}?{asked}")
        changing = [path for method, path, _ in road.requests if method != "GET" and "reviews" not in path]

        assert not changing
        assert dict(browser.cookies) == kept
        assert browser.get("/help").status_code == 200


@pytest.mark.parametrize("mode", ["token", "proxy"])
def test_what_a_request_says_of_somebody_goes_nowhere(
    control_plane: ControlPlane,
    tmp_path: Path,
    token: str,
    mode: str,
    translated: None,  # noqa: ARG001
) -> None:
    """Inbound Impersonate-*, X-Remote-* and X-Forwarded-* headers are on no request to the API server, from no page."""
    forged = {
        "Impersonate-User": "system:admin",
        "Impersonate-Group": "system:masters",
        "Impersonate-Uid": "0",
        "Impersonate-Extra-Scopes": "all",
        "X-Remote-User": "system:admin",
        "X-Remote-Group": "system:masters",
        "X-Remote-Extra-Scopes": "all",
        "X-Forwarded-User": "root",
        "X-Forwarded-Access-Token": "stolen",
        "Cookie": "somebody=else",
    }
    settings = {"identity": mode}
    with overheard(control_plane, tmp_path) as road, web(web_settings(road.kubeconfig, **settings)) as center:
        with center.browser(headers={**forged, **({"Authorization": f"Bearer {token}"} if mode == "proxy" else {})}) as browser:
            browser.post("/login", data={"secret": token})
            for path in PATHS:
                browser.get(path)
        assert road.requests
        assert road.values("Authorization") == {f"Bearer {token}"}
        assert not [name for name in road.names() if name.startswith(("impersonate", "x-remote", "x-forwarded", "cookie"))]


def test_the_token_is_nowhere_in_the_browser(task_center: Web, token: str) -> None:
    """Not in a page, an address, a header or a cookie; the cookie is random, and no script can read it, nor is there one that stores."""
    with task_center.browser(follow_redirects=True) as browser:
        answers = [browser.post("/login?next=/help", data={"secret": token, "next": "/help"}), *(browser.get(path) for path in PATHS)]
        seen = [answer for last in answers for answer in (*last.history, last)]
        everything = "\n".join(f"{answer.url}\n{answer.headers}\n{answer.text}" for answer in seen)
        (set_cookie,) = (answer.headers["set-cookie"] for answer in seen if "set-cookie" in answer.headers)

        assert not [part for part in token.split(".") if part in everything]
        assert re.fullmatch(r"obtask=[A-Za-z0-9_-]{43}; HttpOnly; Path=/; SameSite=lax", set_cookie)
        kept = dict(browser.cookies)
    scripts = "\n".join(path.read_text() for path in STATIC.glob("*.js"))
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie", scripts)
    with task_center.browser(cookies={"obtask": kept["obtask"][:-1] + "_"}) as stranger:
        assert stranger.get("/help").status_code == 303


def test_behind_tls_the_cookie_belongs_to_one_host(control_plane: ControlPlane, token: str) -> None:
    """`__Host-`, Secure, HttpOnly: no neighbour can set it, no plain connection carries it; the browser is told to keep to TLS."""
    settings, name = web_settings(control_plane.kubeconfig, hosts=("tasks.example.com",)), {"Host": "tasks.example.com"}
    with web(settings) as center, center.browser(headers=name) as browser:
        answer = browser.post("/login", data={"secret": token})

    assert re.fullmatch(r"__Host-obtask=[A-Za-z0-9_-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", answer.headers["set-cookie"])
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_every_answer_tells_the_browser_what_may_run(task_center: Web, token: str) -> None:
    """Pages, files, redirects, refusals and errors have the policy of contents; only static files may be kept, and are asked for again."""
    policy = {
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "form-action 'self'",
        "base-uri 'none'", "frame-ancestors 'none'",
    }  # fmt: skip
    with task_center.signed_in(token) as browser, task_center.browser() as stranger:
        asked = [client.get(path) for client in (browser, stranger) for path in PATHS]
        asked += [browser.post("/tasks"), browser.post("/help", headers={"Sec-Fetch-Site": "cross-site"}), browser.get("/t/prod/%00")]
        for answer in asked:
            assert set(answer.headers["content-security-policy"].split("; ")) == policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            is_file = answer.url.path.startswith("/static/") and answer.status_code == 200
            assert answer.headers["cache-control"] == ("no-cache" if is_file else "no-store")
            assert "server" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers


def test_pages_have_nothing_inline_and_nothing_from_elsewhere(task_center: Web, token: str) -> None:
    """What the policy forbids is not there in the first place."""
    with task_center.signed_in(token) as browser:
        for path in PATHS:
            html = browser.get(path).text
            if not html.startswith("<!doctype html>"):
                continue
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:|hx-on", html), path
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html), path


def test_sizes_are_bounded(task_center: Web) -> None:
    """A body of more than 1 MiB, said or only sent, and headers of more than 64 KiB are refused; the server goes on."""
    with task_center.browser(headers={"Content-Type": "application/x-www-form-urlencoded"}) as browser:
        assert browser.post("/login", content=(b"x" * 65536 for _ in range(16))).status_code == 403
        assert browser.post("/login", content=(b"x" * 65537 for _ in range(16))).status_code == 413
    long = ("Sec-Fetch-Site: same-origin", f"Content-Length: {2**20 + 1}")
    assert "413" in spoken(task_center, "POST /login HTTP/1.1", "Host: localhost", *long)
    assert "431" in spoken(task_center, "GET /login HTTP/1.1", "Host: localhost", "X-Long: " + "x" * 70_000)
    assert "200" in spoken(task_center, "GET /login HTTP/1.1", "Host: localhost")


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX-Y: z", ""])
def test_signing_in_leads_nowhere_else(task_center: Web, token: str, there: str) -> None:
    """The address to go back to is one of this server."""
    with task_center.browser() as browser:
        assert browser.post("/login", data={"secret": token, "next": there}).headers["location"] == "/tasks"
        assert '<input type="hidden" name="next" value="/tasks">' in browser.get("/login", params={"next": there}).text


def test_names_of_people_are_text(tmp_path: Path, translated: None) -> None:  # noqa: ARG001
    """Whatever an API server says somebody is called: it is shown, and does nothing."""
    name = "<script>alert(1)</script>{{7*7}}\\u202egpj\\u001b[31m"
    answer = f'{{"status": {{"userInfo": {{"username": "{name}"}}}}}}'
    with answering(answer, tmp_path) as kubeconfig, web(web_settings(kubeconfig)) as center, center.signed_in("a.b.c") as browser:
        shown = browser.get("/help").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}\\u202egpj\\x1b[31m" in shown
