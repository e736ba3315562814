"""Credentials are renewed: tokens and certificates of plugins, files that are replaced. Against a TLS server that refuses old ones."""

import asyncio
import base64
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from tests.support.attempts import until

from devcluster.certificates import Authority
from obtask.kube.api import ApiUnavailable
from obtask.kube.client import Api, connect
from obtask.kube.login import TOKEN, LoadedConfiguration, Login, load, of_pod

PATH = "/api/v1/namespaces/default"


class Server:
    """An API server that knows some tokens and some users with certificates, and what it was shown."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.create("test")
        self.good: set[str] = set()
        self.shown: list[str] = []
        self.folder = folder
        self.url = ""
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(self.authority.certificate)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer."""
        transport = request.transport
        peer: Any = transport.get_extra_info("peercert") if transport is not None else None
        names = [value for part in peer["subject"] for key, value in part if key == "commonName"] if peer else []
        shown = request.headers.get("Authorization") or "".join(names)
        self.shown.append(shown)
        if shown not in self.good:
            return web.json_response({"kind": "Status", "message": "who are you?"}, status=401)
        return web.json_response({"kind": "Namespace", "method": request.method})

    def kubeconfig(self, user: dict[str, Any], name: str = "kubeconfig") -> str:
        """Write a kubeconfig for this server."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        config = {
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        }
        (self.folder / name).write_text(yaml.safe_dump(config))
        return str(self.folder / name)

    def plugin(self) -> dict[str, Any]:
        """Return a user whose credentials a plugin gives: what ``gives`` said last."""
        script = self.folder / "plugin"
        script.write_text(f"#!/bin/sh\necho run >> {self.folder}/runs\nexec cat {self.folder}/answer\n")
        script.chmod(0o700)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}}

    def gives(self, token: str = "", **status: str) -> None:
        """Set what the plugin answers."""
        status |= {"token": token} if token else {}
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (self.folder / "answer").write_text(json.dumps(answer))

    @property
    def runs(self) -> int:
        """How often the plugin has run."""
        return len((self.folder / "runs").read_text().splitlines())


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """Run a server."""
    one = Server(tmp_path)
    pair = one.authority.server("server")
    (tmp_path / "tls.pem").write_bytes(pair.certificate + pair.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.pem")
    tls.load_verify_locations(one.ca)
    tls.verify_mode = ssl.CERT_OPTIONAL
    runner = web.ServerRunner(web.Server(one.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    one.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


@asynccontextmanager
async def connected(kubeconfig: str) -> AsyncIterator[Api]:
    """Connect for as long as the block lasts."""
    api = await connect(kubeconfig)
    try:
        yield api
    finally:
        await api.close()


async def test_a_token_that_is_withdrawn(server: Server) -> None:
    """The request that is refused is sent again with the next token, also one that writes; nobody has to notice."""
    server.gives("first")
    server.good = {"Bearer first"}
    async with connected(server.kubeconfig(server.plugin())) as api:
        await api.send("GET", PATH)
        server.gives("second")
        server.good = {"Bearer second"}

        apart = api.apart()
        answers = await asyncio.gather(api.send("POST", PATH, body={}), apart.send("GET", PATH))
        await apart.close()

    assert [answer["method"] for answer in answers if isinstance(answer, dict)] == ["POST", "GET"]
    assert server.runs == 2


async def test_a_certificate_of_a_plugin(server: Server) -> None:
    """Certificates expire, too; connections that showed the old one are not used any more."""

    def give(user: str) -> None:
        pair = server.authority.client(user)
        server.gives(clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())

    give("first")
    server.good = {"first"}
    async with connected(server.kubeconfig(server.plugin())) as api:
        await api.send("GET", PATH)
        give("second")
        server.good = {"second"}

        assert isinstance(await api.send("GET", PATH), dict)
    assert server.shown[-1] == "second"


@pytest.mark.parametrize("kind", ["token", "tokenFile", "client-certificate-data"])
async def test_what_was_replaced_in_files(server: Server, kind: str) -> None:
    """A kubeconfig that was written again, or a file that it names, is read again when what was read is refused."""

    def user(name: str) -> dict[str, Any]:
        server.good = {f"Bearer {name}", name}
        if kind == "tokenFile":
            (server.folder / "token").write_text(name)
            return {"tokenFile": str(server.folder / "token")}
        pair = server.authority.client(name)
        both = {"client-certificate-data": pair.certificate, "client-key-data": pair.key}
        return {key: base64.b64encode(value).decode() for key, value in both.items()} if kind != "token" else {"token": name}

    async with connected(server.kubeconfig(user("first"))) as api:
        await api.send("GET", PATH)
        server.kubeconfig(user("second"))

        assert isinstance(await api.send("GET", PATH), dict)


async def test_the_account_of_a_pod(server: Server) -> None:
    """The kubelet replaces the token; where the API server is, the environment says, also to the watches."""
    place = urlsplit(server.url)
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(place.port)}

    async def read() -> LoadedConfiguration:
        return await of_pod(server.folder, environment)

    (server.folder / "token").write_text("first")
    server.good = {"bearer first", "bearer second"}
    login = Login(await read(), read)
    api = Api(login.configuration, login)
    await api.send("GET", PATH)
    (server.folder / "token").write_text("second")
    server.good = {"bearer second"}

    assert isinstance(await api.send("GET", PATH), dict)
    assert api.server == server.url
    await api.close()


async def test_credentials_that_stay_refused(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The answer is the refusal, and a plugin is not run for each request."""
    server.gives("bad")
    async with connected(server.kubeconfig(server.plugin())) as api:
        for _ in range(5):
            with pytest.raises(ApiUnavailable, match="HTTP 401: who are you"):
                await api.send("GET", PATH)
        assert server.runs == 2
        (server.folder / "answer").unlink()
        server.good = {"Bearer bad"}
        assert isinstance(await api.send("GET", PATH), dict)
    assert "Bearer" not in caplog.text


async def test_another_server_is_not_followed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever points the file at another cluster does not send this operator's work, or its credentials, there."""
    server.good = {"Bearer first"}
    async with connected(server.kubeconfig({"token": "first"})) as api:
        await api.send("GET", PATH)
        server.good = {"Bearer second"}
        here, server.url = server.url, "https://127.0.0.1:9"
        server.kubeconfig({"token": "second"})
        server.url = here

        with pytest.raises(ApiUnavailable, match="401"):
            await api.send("GET", PATH)
    assert "names another API server now" in caplog.text


async def test_a_plugin_that_hangs_at_the_start(server: Server) -> None:
    """It is said, and nobody waits for ever."""
    user, script, pipe, ended = server.plugin(), *(server.folder / name for name in ("plugin", "answer", "ended"))
    os.mkfifo(pipe)
    script.write_text(f"#!/bin/sh\ncat {pipe}\ntouch {ended}\n")

    with pytest.raises(ConfigException, match=r"the plugin of this kubeconfig gave nothing within 0\.2 s"):
        await load(server.kubeconfig(user), plugin_seconds=0.2)
    pipe.write_text("")
    await until(ended.exists)


async def test_a_plugin_that_gives_nothing(server: Server) -> None:
    """At the start it is an error that says so, not a client that is nobody."""
    user = server.plugin()

    with pytest.raises(ConfigException, match="the plugin of this kubeconfig gave no credentials"):
        await connect(server.kubeconfig(user))


def reading(token: str, until: float | None) -> LoadedConfiguration:
    """Return what was read."""
    configuration = Configuration()
    configuration.api_key[TOKEN] = f"Bearer {token}"
    return LoadedConfiguration(configuration, until)


@pytest.mark.parametrize(("seconds", "asked_after"), [(20, 18), (3600, 3540)])
async def test_a_token_is_renewed_before_its_time_is_over(seconds: int, asked_after: int) -> None:
    """A tenth of its time before, but at most a minute; a plugin that fails is asked again soon, and what there is, is used meanwhile."""
    now, fails = [1000.0], [True]

    async def read() -> LoadedConfiguration:
        await asyncio.sleep(0)
        if fails:
            raise ConfigException("no network")
        return reading("second", now[0] + seconds)

    login = Login(reading("first", now[0] + seconds), read, clock=lambda: now[0])

    async def shown() -> list[str]:
        return [(await login.ticket()).headers["authorization"] for _ in range(2)]

    now[0] += asked_after - 1
    assert await shown() == ["Bearer first"] * 2
    now[0] += 1
    assert await shown() == ["Bearer first"] * 2
    fails.clear()
    assert await shown() == ["Bearer first"] * 2
    now[0] += 10
    await shown()
    for _ in range(5):
        await asyncio.sleep(0)  # the reading goes on beside the requests as long as the first is good
    assert await shown() == ["Bearer second"] * 2


class Plugin:
    """A plugin that takes seconds, and gives tokens that are good for so long; a clock."""

    def __init__(self, *, token: str = "kept", left: float = 0, fails: bool = False) -> None:  # noqa: S107 - of nobody
        self.now, self.runs = 1000.0, 0
        self.token, self.left, self.fails = token, left, fails
        self.may_end = asyncio.Event()
        self.login = Login(reading("kept", self.now + 50), self.read, clock=lambda: self.now)

    async def read(self) -> LoadedConfiguration:
        """Run until it may end."""
        self.runs += 1
        await self.may_end.wait()
        self.now += 5
        if self.fails:
            raise ConfigException("no network")
        return reading(self.token, self.now + self.left)

    async def shown(self) -> str:
        """Return what a request shows."""
        return (await self.login.ticket()).headers["authorization"]


@pytest.mark.parametrize("asked", ["refused", "over"])
@pytest.mark.parametrize(("left", "fails"), [(45, False), (1, False), (-3600, False), (0, True)])
async def test_all_who_wait_get_what_one_run_has_given(asked: str, left: float, fails: bool) -> None:
    """A plugin gives the token that it keeps, or one that is over already, or fails: it is not run for each request that waited."""
    plugin = Plugin(left=left, fails=fails)
    if asked == "over":
        plugin.now += 60
    waiting = [asyncio.ensure_future(plugin.shown() if asked == "over" else plugin.login.renew(0)) for _ in range(100)]
    await asyncio.sleep(0)
    plugin.may_end.set()

    assert set(await asyncio.gather(*waiting)) == {"Bearer kept" if asked == "over" else False}
    assert await plugin.shown() == "Bearer kept"
    assert plugin.runs == 1


async def test_nobody_waits_for_the_next_token_while_the_last_is_good() -> None:
    """One run goes on beside the requests; they wait when the time of the last token is over, and what is left of a run ends at the end."""
    plugin = Plugin(token="next", left=50)  # noqa: S106 - of nobody
    plugin.now += 45
    async with asyncio.timeout(5):
        assert {await plugin.shown() for _ in range(20)} == {"Bearer kept"}
    await asyncio.sleep(0)
    assert plugin.runs == 1

    plugin.now += 5
    waiting = asyncio.ensure_future(plugin.shown())
    plugin.may_end.set()
    assert await waiting == "Bearer next"
    assert plugin.runs == 1

    plugin.may_end.clear()
    plugin.now += 45
    assert await plugin.shown() == "Bearer next"
    await asyncio.sleep(0)
    assert plugin.runs == 2
    async with asyncio.timeout(5):
        await plugin.login.close()
    assert len(asyncio.all_tasks()) == 1


async def test_the_last_second_of_a_token_that_a_plugin_keeps() -> None:
    """When it is over the plugin is asked at once: it gives another one then."""
    plugin = Plugin(left=1)
    plugin.may_end.set()
    plugin.now += 60
    assert await plugin.shown() == "Bearer kept"
    plugin.token, plugin.left = "next", 50
    plugin.now += 1

    assert await plugin.shown() == "Bearer next"


async def test_a_certificate_of_a_plugin_that_is_none(server: Server) -> None:
    """It is an error that says so, not one of a parser."""
    server.gives(clientCertificateData="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", clientKeyData="k")

    with pytest.raises(ConfigException, match="certificate that cannot be read"):
        await connect(server.kubeconfig(server.plugin()))


async def test_credentials_for_another_event_loop(server: Server) -> None:
    """Kopf has a loop and a thread of its own: it shows the same, and what it was refused with is renewed for both."""
    server.gives("first", expirationTimestamp=(datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    server.good = {"Bearer first"}
    async with connected(server.kubeconfig(server.plugin())) as api:
        await api.send("GET", PATH)
        server.gives("second")
        server.good = {"Bearer second"}
        there = api.apart(asyncio.get_running_loop())

        answer = await in_a_thread(there)
        assert isinstance(await api.send("GET", PATH), dict)

    assert answer["kind"] == "Namespace"
    assert server.runs == 2


async def in_a_thread(api: Api) -> dict[str, Any]:
    """Send a request from an event loop of its own."""

    async def send() -> Any:
        try:
            return await api.send("GET", PATH)
        finally:
            await api.close()

    found: dict[str, Any] = await asyncio.to_thread(lambda: asyncio.run(send()))
    return found
