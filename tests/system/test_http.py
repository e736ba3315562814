"""The http action through the whole operator, on the real API server and a real HTTP server. API.md section 2.1."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.beside import beside
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient
from tests.support.website import Website, website
from tests.system.scene import happens

from obtask.settings import Settings

HTTP = "task.oceanbase.com/http"


@pytest.fixture
def site() -> Iterator[Website]:
    """Return a server that runs in a thread of its own."""
    with beside(website()) as running:
        yield running


def call(name: str, url: str, method: str = "POST", *, undo: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a step that sends a request, and perhaps its rollback."""
    step = {"name": name, "http": {"method": method, "url": url, **fields}, "timeoutSeconds": 60}
    return step | ({"rollback": {"http": {"method": "DELETE", "url": undo}}} if undo else {})


def asked(site: Website) -> list[str]:
    """Return what the server was asked, in order."""
    return [f"{heard.method} {heard.path}" for heard in site.heard]


@pytest.mark.usefixtures("operator")
def test_a_failed_request_is_retried_and_rolled_back(tasks: TaskClient, site: Website) -> None:
    """The status is reason and code; retry sends the failed request again and nothing else; rollback undoes in reverse order."""
    tasks.create_secret("api", HTTP, token="Bearer s3cr3t-7788", hosts="127.0.0.1")  # noqa: S106 - of the test
    secret = [{"name": "Authorization", "secretKeyRef": {"name": "api", "key": "token"}}]
    site.answers("/one", 201, json={"you sent": "Bearer s3cr3t-7788"})
    site.answers("/two", 409, json={"error": "busy"})
    site.answers("/undo", 204)
    steps = [
        call("one", f"{site.url}/one", undo=f"{site.url}/undo?of=one", headers={"X-Plain": "p"}, headersFrom=secret),
        call("two", f"{site.url}/two", undo=f"{site.url}/undo?of=two", body={"n": 1}),
    ]
    tasks.create("orders", maintenance="Global", steps=steps)

    failed = tasks.wait_phase("orders", "Failed")

    assert (failed["failedSubtask"]["reason"], failed["failedSubtask"]["code"]) == ("HttpStatus", "409")
    assert failed["failedSubtask"]["message"].startswith('HTTP 409 Conflict: {"error": "busy"')
    assert f"POST {site.url}/two" in failed["failedSubtask"]["logTail"]
    assert site.heard[0].headers["Authorization"] == "Bearer s3cr3t-7788"
    assert site.heard[0].headers["X-Plain"] == "p"
    assert site.heard[0].headers["X-OBTask-UID"] == tasks.get("orders")["metadata"]["uid"]
    assert site.heard[0].headers["X-OBTask-Lock-Token"] == str(failed["lock"]["token"])
    assert "you sent" in failed["steps"][0]["subtasks"][0]["logTail"]
    assert "7788" not in json.dumps(failed)

    tasks.command("orders", "retry")
    tasks.wait("orders", lambda task: task["status"].get("failedSubtask", {}).get("attempt") == 2)
    tasks.command("orders", "rollback")

    assert tasks.wait_phase("orders", "RolledBack", "Failed")["phase"] == "RolledBack"
    assert asked(site) == ["POST /one", "POST /two", "POST /two", "DELETE /undo?of=two", "DELETE /undo?of=one"]


@pytest.mark.usefixtures("operator")
def test_until_and_cancel(tasks: TaskClient, site: Website) -> None:
    """Progress shows what was seen last; cancel stops the asking."""
    site.answers("/run", 202)
    site.answers("/state", json={"state": "busy"})
    until = {"url": f"{site.url}/state", "expect": "body.state == 'done'", "intervalSeconds": 1}
    tasks.create("slow", steps=[call("s", f"{site.url}/run", until=until)])
    happens(lambda: "GET /state" in asked(site), "the first look")

    tasks.command("slow", "cancel")

    failed = tasks.wait_phase("slow", "Failed")["failedSubtask"]
    assert failed["reason"] == "Cancelled"
    assert '{"state": "busy"}' in failed["message"]
    site.answers("/state", json={"state": "done"})
    tasks.command("slow", "retry")
    assert tasks.wait_phase("slow", "Succeeded")["steps"][0]["subtasks"][0]["message"] == 'HTTP 202; HTTP 200 OK: {"state": "done"}'


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("kind", ["Opaque", "task.oceanbase.com/connection"])
def test_a_secret_of_another_type(tasks: TaskClient, site: Website, kind: str) -> None:
    """Only Secrets that are made for it may leave the cluster in a header; least of all the password of a database."""
    tasks.create_secret("private", kind, password="s3cr3t-7788", hosts="127.0.0.1")  # noqa: S106 - of the test
    secret = [{"name": "X-Key", "secretKeyRef": {"name": "private", "key": "password"}}]
    tasks.create("thief", steps=[call("s", f"{site.url}/run", headersFrom=secret)])

    failed = tasks.wait_phase("thief", "Failed")["failedSubtask"]

    assert failed["reason"] == "Forbidden"
    assert HTTP in failed["message"]
    assert not site.heard


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("hosts", ["", "api.example.com, 127.0.0.1:1"])
def test_a_secret_that_may_not_go_there(tasks: TaskClient, site: Website, hosts: str) -> None:
    """Who made the Secret says where its values may go; without that they go nowhere, and the message says what to write where."""
    tasks.create_secret("api", HTTP, token="s3cr3t-7788", hosts=hosts)  # noqa: S106 - of the test
    secret = [{"name": "X-Key", "secretKeyRef": {"name": "api", "key": "token"}}]
    tasks.create("thief", steps=[call("s", f"{site.url}/run", headersFrom=secret)])

    failed = tasks.wait_phase("thief", "Failed")["failedSubtask"]

    assert failed["reason"] == "Forbidden"
    assert 'key "hosts"' in failed["message"]
    assert not site.heard


def test_the_administrators_list_of_hosts(tasks: TaskClient, site: Website, settings: Settings, connection: str) -> None:
    """It binds http and sql steps; the message names the setting."""
    site.answers("/run")
    with operator_thread(settings.model_copy(update={"allowed_hosts": ("localhost",)})):
        tasks.create("by-name", steps=[call("s", site.url.replace("127.0.0.1", "localhost") + "/run")])
        tasks.create("by-address", steps=[call("s", f"{site.url}/run")])
        tasks.create("by-sql", connection={"secretName": connection}, steps=[{"name": "s", "sql": {"statements": ["select 1"]}}])

        tasks.wait_phase("by-name", "Succeeded")
        for name in ("by-address", "by-sql"):
            failed = tasks.wait_phase(name, "Failed")["failedSubtask"]
            assert failed["reason"] == "Forbidden"
            assert "OBTASK_ALLOWED_HOSTS" in failed["message"]
