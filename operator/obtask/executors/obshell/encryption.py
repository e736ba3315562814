"""Owns how obshell wants requests encrypted: who asks in an RSA header, the body with AES. Pure but for chance."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

CHUNK_BYTES = 53  # what fits into the shortest key that obshell ever had
AES_BYTES = 16
AES_BITS = 128


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
