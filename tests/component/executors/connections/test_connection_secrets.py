"""Reading connection Secrets of obshell agents: only what the contract allows is used, and nothing of it is told."""

import base64
from collections.abc import Mapping

import pytest

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.secret_connections import SecretConnections
from obtask.kube.api import ApiError, Json
from obtask.kube.objects import Objects
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

TYPE = "task.oceanbase.com/connection"


class OneSecret:
    """An API server with one Secret. Implements ``Requests``."""

    def __init__(self, kind: str, data: Mapping[str, str]) -> None:
        self._body = {"type": kind, "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Return it."""
        assert (method, path, body, query) == ("GET", "/api/v1/namespaces/prod/secrets/agent", None, {})
        return self._body


async def read(kind: str = TYPE, **data: str) -> AgentConnection | Failed:
    """Return what a Secret with these keys says."""
    return await SecretConnections(Objects(OneSecret(kind, data))).agent("prod", "agent")


@pytest.mark.parametrize("url", ["http://10.0.0.5:2886", "https://ob-agent.prod:2886", "http://[fd00::5]:2886", "https://agent"])
async def test_a_url_of_scheme_host_and_port(url: str) -> None:
    """A slash at the end and spaces around do no harm; the password stays as it is."""
    assert await read(url=f" {url}/\n", password=" p ") == AgentConnection(url, " p ")  # noqa: S106 - of a test


@pytest.mark.parametrize(
    "url",
    [
        "10.0.0.5:2886",
        "ftp://a",
        "http://root:hunter2@a:2886",
        "http://a/api",
        "http://a?b",
        "http://a:99999",
        "http://a b",
        "http://",
        "http://a\nb",
    ],
)
async def test_any_other_url_is_refused(url: str) -> None:
    """The message says what is wanted, and repeats nothing that may be a password."""
    found = await read(url=url, password="p")  # noqa: S106 - of a test

    text = 'Secret "agent": key "url" is not of the form http://HOST:PORT or https://HOST:PORT'
    assert found == Failed(FailureReason.CONNECTION_FAILED, text)


async def test_what_is_missing_or_of_no_use() -> None:
    """No url; and a certificate where nothing is encrypted."""
    ca = {"ca.crt": "pem"}

    assert await read(password="p") == Failed(FailureReason.CONNECTION_FAILED, 'Secret "agent" has no key "url"')  # noqa: S106 - of a test
    assert await read(url="http://a", **ca) == Failed(
        FailureReason.CONNECTION_FAILED, 'Secret "agent" has a ca.crt, but its url is not https'
    )
    assert await read(url="https://a", **ca) == AgentConnection("https://a", "", "pem")


async def test_a_secret_of_another_type() -> None:
    """It is not read out."""
    found = await read("Opaque", url="http://a", password="p")  # noqa: S106 - of a test

    assert isinstance(found, Failed)
    assert found.reason is FailureReason.FORBIDDEN


PASSWORD = "hunter2"  # noqa: S105 - of a test


@pytest.mark.parametrize(
    ("data", "to", "allowed"),
    [
        ({}, ["anywhere.example.com"], True),
        ({"host": "10.0.0.5"}, ["10.0.0.5"], True),
        ({"host": "db-1, DB-2."}, ["db-2", "db-1"], True),
        ({"host": "[fd00::5]"}, ["fd00:0::5"], True),
        ({"url": "http://10.0.0.5:2886,https://10.0.0.6"}, ["10.0.0.6"], True),
        ({"host": "10.0.0.5", "hosts": "*.prod"}, ["db.prod"], True),
        ({"hosts": "10.0.0.0/24:2881"}, ["10.0.0.9"], True),
        ({"host": "10.0.0.5"}, ["10.0.0.6"], False),
        ({"host": "10.0.0.5"}, ["10.0.0.5", "10.0.0.6"], False),
        ({"url": "http://10.0.0.5:2886"}, ["evil.example.com"], False),
        ({"url": "what it names cannot be told"}, ["evil.example.com"], False),
        ({"host": "db.prod", "hosts": "*.prod"}, ["db.prod.evil"], False),
        ({"hosts": "db.prod"}, ["evil"], False),
    ],
)
async def test_a_single_value_goes_where_its_secret_goes(data: dict[str, str], to: list[str], *, allowed: bool) -> None:
    """The password of a connection is sent to no other host by argsFrom or bodyFrom; a Secret without hosts is for such uses."""
    source = SecretConnections(Objects(OneSecret(TYPE, {"password": PASSWORD + "\n"} | data)))

    found = await source.value("prod", "agent", "password", to)

    if allowed:
        assert found == PASSWORD
    else:
        assert isinstance(found, Failed)
        assert (found.reason, found.untouched) == (FailureReason.FORBIDDEN, True)
        assert 'its owner adds the host to the key "hosts"' in found.message
