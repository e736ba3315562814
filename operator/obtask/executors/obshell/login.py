"""Owns how a request shows an agent who asks: which password it takes, and how header and body are encrypted. Pure but for chance.

| agent | a request carries |
| --- | --- |
| `SINGLE` without a password of its own | none is asked for: an empty one |
| `SINGLE` with one | the agent's, in its own header |
| `MASTER`, `FOLLOWER` (forwards to it) without one of their own | root@sys's, which is empty until `obcluster/config` sets it |
| the same with one | the agent's, in its own header |
| `CLUSTER AGENT` | root@sys's |
| any, for what concerns OBProxy | the agent's, in its own header |

An operation may change the password that it was asked with, and a Secret may have the one to come: the passwords that the operation's own
body sets are tried, too. They go to the agent that gets the body itself. A refused password means that nothing was carried out.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from obtask.executors.connections.connection import AgentConnection

OCS_HEADER = "X-OCS-Header"
AGENT_HEADER = "X-OCS-Agent-Header"
MOST_PASSWORDS = 4

_OBPROXY = re.compile(r"/api/v1/obproxy(/|$)|/api/v1/task/(dag|node|sub_task)/[45]")
_PASSWORD = re.compile(r"pass_?word$|pwd$", re.IGNORECASE)
_SINGLE, _CLUSTER = "SINGLE", "CLUSTER AGENT"
_BEFORE_THE_FIRST = frozenset({"MASTER", "FOLLOWER"})
CHUNK_BYTES = 53  # what fits into the shortest key that obshell ever had
AES_BYTES = 16
AES_BITS = 128


@dataclass(frozen=True, slots=True)
class AgentLogin:
    """What must be known of an agent before it is asked: its key, and whose password it wants.

    ``others`` are tried where the first one is refused.
    """

    target: AgentConnection
    key: RSAPublicKey = field(repr=False)
    password: str = field(repr=False)
    agent_password: bool = False
    others: tuple[str, ...] = field(default=(), repr=False)

    def header_name(self, path: str) -> str:
        """Return the header for this path: what concerns OBProxy takes the agent's password, the rest that of root@sys."""
        return AGENT_HEADER if self.agent_password or _OBPROXY.match(path) else OCS_HEADER

    def password_for(self, path: str) -> str:
        """Return the password that goes into the header for this path."""
        own = self.target.agent_password if self.header_name(path) == AGENT_HEADER else None
        return self.password if own is None else own

    def passwords_for(self, path: str) -> tuple[str, ...]:
        """Return the passwords to try for this path, the likeliest first."""
        return tuple(dict.fromkeys((self.password_for(path), *self.others)))[:MOST_PASSWORDS]


def login_for(target: AgentConnection, key: RSAPublicKey, info: Mapping[str, Any], set_by_body: tuple[str, ...] = ()) -> AgentLogin:
    """Return how to speak with an agent that says this of itself."""
    identity, protected = info.get("identity"), info.get("security") is True
    if identity == _SINGLE and not protected:
        return AgentLogin(target, key, "")
    unset = ("",) if identity in _BEFORE_THE_FIRST and not protected else ()
    return AgentLogin(target, key, target.password, protected and identity != _CLUSTER, (*unset, *set_by_body))


def passwords_in(body: Any) -> Iterator[str]:
    """Yield the passwords that a request's body brings on its first two levels: what it sets may be what is asked for next."""
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        if isinstance(value, str) and _PASSWORD.search(str(name)):
            yield value
        elif isinstance(value, dict):
            yield from (inner for key, inner in value.items() if isinstance(inner, str) and _PASSWORD.search(str(key)))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request as it goes over the wire: the text of the header, and the body if there is one."""

    header: str
    body: bytes | None


def seal(key: RSAPublicKey, *, password: str, expires: int, uri: str, body: str | None, chance: Callable[[int], bytes]) -> Sealed:
    """Return the header and the body of a request for this path and query, readable by the owner of the key only."""
    aes_key, start = chance(AES_BYTES), chance(AES_BYTES)
    about = {"auth": password, "ts": str(expires), "uri": uri, "keys": base64.b64encode(aes_key + start).decode()}
    plain = json.dumps(about).encode()
    # RSA takes short texts only, so that obshell has it in pieces.
    pieces = [key.encrypt(plain[at : at + CHUNK_BYTES], PKCS1v15()) for at in range(0, len(plain), CHUNK_BYTES)]
    return Sealed(base64.b64encode(b"".join(pieces)).decode(), None if body is None else _encrypted(body, aes_key, start))


def _encrypted(body: str, key: bytes, start: bytes) -> bytes:
    padder, encryptor = PKCS7(AES_BITS).padder(), Cipher(AES(key), CBC(start)).encryptor()
    padded = padder.update(body.encode()) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize())
