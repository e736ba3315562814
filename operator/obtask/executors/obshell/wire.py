"""Owns requests to one obshell agent: its key, encryption, bounded answers. Every request is sent once."""

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.connections.public_key import read_public_key
from obtask.executors.network.large_answers import SMALL_BYTES, LargeAnswers
from obtask.executors.network.lookup import ANYWHERE, HostPolicy, HostRefused, share_of
from obtask.executors.network.sessions import Disconnected, open_session
from obtask.executors.obshell.answers import AgentAnswer, AgentFault, AgentFaultKind, read_answer, told
from obtask.executors.obshell.login import AgentLogin, login_for, seal

LIFETIME_SECONDS = 60  # for how long a header is good, as the SDK has it
CONNECT_SECONDS = 10.0
ASK_SECONDS = 20.0  # for requests that change nothing
LARGEST_DIFFERENCE = timedelta(days=1)  # between the clocks of an agent and of the operator
LONGEST_ANSWER = 4 * 1024 * 1024
LARGE_ANSWER = 256 * 1024  # read in a thread
READ_BYTES = 64 * 1024

END_BYTES = 64 * 1024  # of an answer that is too long

T = TypeVar("T")


class Client:
    """Sends requests to agents. No method raises for what an agent does, and nothing is sent twice."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        hosts: HostPolicy = ANYWHERE,
        chance: Callable[[int], bytes] = os.urandom,
        tls: ssl.SSLContext | None = None,
        large: LargeAnswers | None = None,
        namespace: str = "",
    ) -> None:
        self._hosts = hosts
        self._large = large or LargeAnswers()
        self._share = self._large.of(namespace)
        self.last_size = 0  # of the last answer, in bytes
        self.ahead = timedelta()  # how much the clock of the agent that answered last is before ours
        self._worked: str | None = None  # the password that was taken last
        self._tls = tls or ssl.create_default_context()
        self._clock = clock
        self._chance = chance

    def of(self, namespace: str) -> "Client":
        """Return a client for one attempt, which resolves names and has room for large answers within the share of this namespace."""
        hosts = share_of(self._hosts, namespace)
        return Client(clock=self._clock, hosts=hosts, chance=self._chance, tls=self._tls, large=self._large, namespace=namespace)

    def forget(self) -> None:
        """Release the last answer: the memory that it occupies may be given to others."""
        self._share.leave()

    async def open(self, target: AgentConnection, set_by_body: tuple[str, ...] = ()) -> AgentLogin | AgentFault:
        """Ask the agent who it is and for its key; of several, the first that answers. ``set_by_body``: passwords that it may have now."""
        faults = []
        for url in (target.url, *target.others):
            opened = await self._open(replace(target, url=url, others=()), set_by_body)
            if isinstance(opened, AgentLogin) or opened.kind is AgentFaultKind.FORBIDDEN or not target.others:
                return opened
            faults.append(opened.message)
        return AgentFault(AgentFaultKind.NOT_SENT, f"none of {len(faults)} agents answers: {'; '.join(faults)}")

    async def _open(self, target: AgentConnection, set_by_body: tuple[str, ...]) -> AgentLogin | AgentFault:
        info = await self._ask(target, "/api/v1/info")
        if isinstance(info, AgentFault):
            return info
        given = target.public_key
        if given is None:
            secret = await self._ask(target, "/api/v1/secret")
            if isinstance(secret, AgentFault):
                return secret
            given = secret.get("public_key")
        key = read_public_key(given)
        if key is None:
            return AgentFault(AgentFaultKind.NOT_SENT, f"{target.url} gives out no usable key: is it an obshell agent?")
        methods = info.get("supportedAuth")
        if isinstance(methods, list) and methods and "v2" not in methods:
            return AgentFault(AgentFaultKind.NOT_SENT, f"{target.url} is obshell {told(info.get('version'), 40)}: 4.2.3 or later is needed")
        return login_for(target, key, info, set_by_body)

    async def send(
        self,
        login: AgentLogin,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        seconds: float = ASK_SECONDS,
    ) -> AgentAnswer | AgentFault:
        """Send one encrypted request and return its answer; one whose password is refused was not carried out, and is sent with another."""
        uri = quote(path) + (f"?{urlencode(query)}" if query else "")
        passwords = login.passwords_for(path)
        first: AgentAnswer | None = None
        for password in sorted(passwords, key=lambda one: one != self._worked):
            answer = await self._sealed(login, method, path, uri, password=password, body=body, seconds=seconds)
            if not isinstance(answer, AgentAnswer) or not answer.wrong_password:
                self._worked = password
                return answer
            first = first or answer
        return first or AgentFault(AgentFaultKind.NOT_SENT, "there is no password to ask with")

    async def _sealed(
        self, login: AgentLogin, method: str, path: str, uri: str, *, password: str, body: Any, seconds: float
    ) -> AgentAnswer | AgentFault:
        sealed = seal(
            login.key,
            password=password,
            expires=int(self._clock().timestamp()) + LIFETIME_SECONDS,
            uri=uri,
            body=None if body is None else json.dumps(body),
            chance=self._chance,
        )
        headers = {login.header_name(path): sealed.header}
        return await self._request(login.target, method, uri, headers=headers, body=sealed.body, seconds=seconds)

    async def _ask(self, target: AgentConnection, uri: str) -> dict[str, Any] | AgentFault:
        answer = await self._request(target, "GET", uri, headers={}, body=None, seconds=ASK_SECONDS)
        if isinstance(answer, AgentFault):
            return answer if answer.kind is AgentFaultKind.FORBIDDEN else AgentFault(AgentFaultKind.NOT_SENT, answer.message)
        if not answer.accepted:
            return AgentFault(AgentFaultKind.NOT_SENT, f"{target.url}{uri}: {answer.refusal}")
        return answer.data if isinstance(answer.data, dict) else {}

    async def _request(
        self, target: AgentConnection, method: str, uri: str, *, headers: dict[str, str], body: bytes | None, seconds: float
    ) -> AgentAnswer | AgentFault:
        """Send a request; unless the answer was accepted, the memory reserved for it is released."""
        answer: AgentAnswer | AgentFault | None = None
        try:
            answer = await self._exchange(target, method, uri, headers=headers, body=body, seconds=seconds)
            return answer
        finally:
            if not isinstance(answer, AgentAnswer) or not answer.accepted:
                self._share.leave()

    async def _exchange(
        self, target: AgentConnection, method: str, uri: str, *, headers: dict[str, str], body: bytes | None, seconds: float
    ) -> AgentAnswer | AgentFault:
        """Send the request: the only place that opens the Secret's URL."""
        tls = self._tls_for(target)
        if isinstance(tls, AgentFault):
            return tls
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        sent = False
        try:
            url = URL(target.url + uri, encoded=True)
            async with (
                open_session(self._hosts, tls, self._share, 2 * LONGEST_ANSWER) as http,
                http.request(
                    method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout, skip_auto_headers=["Content-Type"]
                ) as response,
            ):
                sent = True
                self._compare_clocks(response.headers.get("Date"))
                octets, whole = await self._read(response)
        except HostRefused as refused:
            return AgentFault(AgentFaultKind.FORBIDDEN, str(refused))
        except Disconnected as lost:
            return AgentFault(AgentFaultKind.UNKNOWN, f"{target.url} gave no answer: {lost}")
        except aiohttp.ClientConnectorError as error:
            return AgentFault(AgentFaultKind.NOT_SENT, f"{target.url} cannot be reached: {_why(error)}")
        except aiohttp.InvalidURL:
            return AgentFault(AgentFaultKind.NOT_SENT, "the url of the Secret is none")
        except TimeoutError as error:
            kind = AgentFaultKind.NOT_SENT if isinstance(error, aiohttp.ConnectionTimeoutError) else AgentFaultKind.UNKNOWN
            return AgentFault(kind, f"{target.url} did not answer within {seconds:g} s")
        except ValueError as error:
            kind = AgentFaultKind.UNKNOWN if sent else AgentFaultKind.NOT_SENT
            return AgentFault(kind, f"the url of the Secret is none ({type(error).__name__})")
        except (aiohttp.ClientError, OSError) as error:
            what = "broke off its answer" if sent else "gave no answer"
            return AgentFault(AgentFaultKind.UNKNOWN, f"{target.url} {what} ({type(error).__name__})")
        if not whole:
            return AgentFault(AgentFaultKind.TOO_LONG, f"{target.url}: the answer is longer than {LONGEST_ANSWER // 1024} KiB", octets)
        return await self.reading(partial(read_answer, response.status, octets))

    def _tls_for(self, target: AgentConnection) -> ssl.SSLContext | AgentFault:
        try:
            return _tls(target) or self._tls
        except (ssl.SSLError, ValueError, OSError):
            files = "ca.crt" if target.client_cert is None else "ca.crt, tls.crt or tls.key"
            return AgentFault(AgentFaultKind.NOT_SENT, f"{files} cannot be read")

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """Return the body and True, or the end of one that is longer than anybody should send and False."""
        self._share.leave()
        self.last_size = 0
        octets, whole = bytearray(), True
        try:
            while piece := await self._piece(response):
                octets += piece
                whole = whole and len(octets) <= LONGEST_ANSWER
                if not whole:
                    del octets[:-END_BYTES]
                elif len(octets) > SMALL_BYTES:
                    await self._share.enter()
        except (aiohttp.ClientError, TimeoutError):
            if whole:
                raise
        if whole:
            self.last_size = len(octets)
        return bytes(octets), whole

    async def reading(self, work: Callable[[], T]) -> T:
        """Return what reading the last answer brings; a large one is read in a thread."""
        return work() if self.last_size <= LARGE_ANSWER else await self._share.run(work)

    def _compare_clocks(self, date: str | None) -> None:
        """Note the difference to the agent's clock, which its Date header tells to the second."""
        try:
            at = parsedate_to_datetime(date[:64]) if date else None
            ahead = at - self._clock() if at is not None else timedelta()
        except (ValueError, TypeError):
            ahead = timedelta()
        # A clock that is further off is no clock, and a sum with it may be no date.
        self.ahead = ahead if abs(ahead) <= LARGEST_DIFFERENCE else timedelta()

    async def _piece(self, response: aiohttp.ClientResponse) -> bytes:
        async with asyncio.timeout(self._share.seconds_left):
            return await response.content.read(READ_BYTES)


def _tls(target: AgentConnection) -> ssl.SSLContext | None:
    """Return how TLS is spoken with this agent, if its Secret says so. Raises SSLError, ValueError or OSError."""
    if target.ca_cert is None and target.client_cert is None:
        return None
    context = ssl.create_default_context(cadata=target.ca_cert)
    if target.client_cert is not None and target.client_key is not None:
        # The library takes files only: this one is in memory, and gone when it is closed.
        with os.fdopen(os.memfd_create("tls"), "wb") as file:
            file.write(f"{target.client_cert}\n{target.client_key}\n".encode())
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=lambda: b"")
    return context


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    return error.os_error.strerror or type(error.os_error).__name__
