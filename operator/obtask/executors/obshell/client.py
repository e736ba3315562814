"""Owns the wire to one obshell agent: its key, encrypted requests, bounded answers. It sends every request once."""

import json
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from yarl import URL

from obtask.executors.connections import AgentConnection
from obtask.executors.hosts import ANYWHERE, HostPolicy, HostRefused, share_of
from obtask.executors.obshell.answers import Answer, Fault, FaultKind, read_answer
from obtask.executors.obshell.encryption import seal
from obtask.executors.outbound import Disconnected, open_session
from obtask.executors.rsa import read_public_key

LIFETIME_SECONDS = 60  # for how long a header is good, as the SDK has it
CONNECT_SECONDS = 10.0
ASK_SECONDS = 20.0  # for requests that change nothing
LONGEST_ANSWER = 4 * 1024 * 1024
READ_BYTES = 64 * 1024

OCS_HEADER = "X-OCS-Header"
AGENT_HEADER = "X-OCS-Agent-Header"
_OBPROXY = re.compile(r"/api/v1/obproxy(/|$)|/api/v1/task/(dag|node|sub_task)/[45]")


@dataclass(frozen=True, slots=True)
class Session:
    """What must be known of an agent before it is asked: its key, and whose password it wants."""

    target: AgentConnection
    key: RSAPublicKey = field(repr=False)
    password: str = field(repr=False)
    agent_password: bool = False

    def header_name(self, path: str) -> str:
        """Return the header for this path: what concerns OBProxy takes the agent's password, the rest that of root@sys."""
        return AGENT_HEADER if self.agent_password or _OBPROXY.match(path) else OCS_HEADER


class Client:
    """Speaks with agents. Nothing here raises for what an agent does, and nothing is sent twice."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        hosts: HostPolicy = ANYWHERE,
        chance: Callable[[int], bytes] = os.urandom,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = hosts
        self._tls = tls or ssl.create_default_context()
        self._clock = clock
        self._chance = chance

    def of(self, namespace: str) -> "Client":
        """Return a client that resolves names within the share of this namespace."""
        return Client(clock=self._clock, hosts=share_of(self._hosts, namespace), chance=self._chance, tls=self._tls)

    async def open(self, target: AgentConnection) -> Session | Fault:
        """Ask the agent who it is and for its key."""
        info = await self._ask(target, "/api/v1/info")
        if isinstance(info, Fault):
            return info
        secret = await self._ask(target, "/api/v1/secret")
        if isinstance(secret, Fault):
            return secret
        key = read_public_key(secret.get("public_key"))
        if key is None:
            return Fault(FaultKind.NOT_SENT, f"{target.url} gives out no usable key: is it an obshell agent?")
        if info.get("supportedAuth") and "v2" not in info["supportedAuth"]:
            return Fault(FaultKind.NOT_SENT, f"{target.url} is obshell {info.get('version')}: 4.2.3 or later is needed")
        protected = info.get("security") is True
        password = "" if info.get("identity") == "SINGLE" and not protected else target.password
        return Session(target, key, password, protected and info.get("identity") != "CLUSTER AGENT")

    async def send(
        self,
        session: Session,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        seconds: float = ASK_SECONDS,
    ) -> Answer | Fault:
        """Send one encrypted request and return its answer."""
        uri = quote(path) + (f"?{urlencode(query)}" if query else "")
        sealed = seal(
            session.key,
            password=session.password,
            expires=int(self._clock().timestamp()) + LIFETIME_SECONDS,
            uri=uri,
            body=None if body is None else json.dumps(body),
            chance=self._chance,
        )
        headers = {session.header_name(path): sealed.header}
        return await self._request(session.target, method, uri, headers=headers, body=sealed.body, seconds=seconds)

    async def _ask(self, target: AgentConnection, uri: str) -> dict[str, Any] | Fault:
        answer = await self._request(target, "GET", uri, headers={}, body=None, seconds=ASK_SECONDS)
        if isinstance(answer, Fault):
            return answer if answer.kind is FaultKind.FORBIDDEN else Fault(FaultKind.NOT_SENT, answer.message)
        if not answer.accepted:
            return Fault(FaultKind.NOT_SENT, f"{target.url}{uri}: {answer.refusal}")
        return answer.data if isinstance(answer.data, dict) else {}

    async def _request(
        self, target: AgentConnection, method: str, uri: str, *, headers: dict[str, str], body: bytes | None, seconds: float
    ) -> Answer | Fault:
        """Open the Secret's URL: the one place where this happens."""
        try:
            tls = ssl.create_default_context(cadata=target.ca_cert) if target.ca_cert else self._tls
        except (ssl.SSLError, ValueError):
            return Fault(FaultKind.NOT_SENT, "ca.crt cannot be read")
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        sent = False
        try:
            url = URL(target.url + uri, encoded=True)
            async with (
                open_session(self._hosts, tls) as http,
                http.request(
                    method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout, skip_auto_headers=["Content-Type"]
                ) as response,
            ):
                sent = True
                octets = await _read(response)
        except HostRefused as refused:
            return Fault(FaultKind.FORBIDDEN, str(refused))
        except Disconnected as lost:
            return Fault(FaultKind.UNKNOWN, f"{target.url} gave no answer: {lost}")
        except aiohttp.ClientConnectorError as error:
            return Fault(FaultKind.NOT_SENT, f"{target.url} cannot be reached: {_why(error)}")
        except aiohttp.InvalidURL:
            return Fault(FaultKind.NOT_SENT, "the url of the Secret is none")
        except TimeoutError as error:
            kind = FaultKind.NOT_SENT if isinstance(error, aiohttp.ConnectionTimeoutError) else FaultKind.UNKNOWN
            return Fault(kind, f"{target.url} did not answer within {seconds:g} s")
        except ValueError as error:
            return Fault(FaultKind.UNKNOWN if sent else FaultKind.NOT_SENT, f"the url of the Secret is none ({type(error).__name__})")
        except (aiohttp.ClientError, OSError) as error:
            return Fault(FaultKind.UNKNOWN, f"{target.url} {'broke off its answer' if sent else 'gave no answer'} ({type(error).__name__})")
        if octets is None:
            return Fault(FaultKind.TOO_LONG, f"{target.url}: the answer is longer than {LONGEST_ANSWER // 1024} KiB")
        return read_answer(response.status, octets)


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None if it is longer than anybody should send."""
    octets = bytearray()
    async for piece in response.content.iter_chunked(READ_BYTES):
        octets += piece
        if len(octets) > LONGEST_ANSWER:
            return None
    return bytes(octets)


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    return error.os_error.strerror or type(error.os_error).__name__
