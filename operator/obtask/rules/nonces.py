"""Owns what proves that an object was made for an attempt: a nonce on the object, and its digest in the status. Pure.

Names and labels can be computed by whoever reads the task; the status has one writer. It holds the digest only: a nonce that can be
read before the object is made would prove nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection
from typing import Final

from obtask.model.attempt import AttemptId

_DIGEST_BYTES: Final = 16  # 512 subtasks have one each in the status


class Nonces:
    """The nonces of the attempts that one operator process takes care of, derived from a key that never leaves the process."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, attempt: AttemptId) -> str:
        """Return the attempt's nonce; the same one as long as the process lives."""
        return hmac.new(self._key, attempt_text(attempt).encode(), hashlib.sha256).hexdigest()

    def digest(self, attempt: AttemptId) -> str:
        """Return the digest of the attempt's nonce, for the status."""
        return _digest(self.of(attempt))


def attempt_text(attempt: AttemptId) -> str:
    """Return the attempt's identity as API.md section 1 writes it: uid/step/subtask/direction/attempt."""
    return "/".join((attempt.uid, attempt.step, attempt.subtask, attempt.direction.value, str(attempt.number)))


def proves(nonce: object, digests: Collection[str]) -> bool:
    """Return whether this is one of the nonces with these digests."""
    return isinstance(nonce, str) and _digest(nonce) in digests


def _digest(nonce: str) -> str:
    octets = hashlib.sha256(nonce.encode(errors="surrogatepass")).digest()[:_DIGEST_BYTES]
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
