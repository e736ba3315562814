"""Owns tokens that an API server issued once: made with its own key, with other times."""

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from devcluster.controlplane import ControlPlane


def expired(cluster: ControlPlane, token: str) -> str:
    """Return a token of the same account that was good until a minute ago."""
    return lasting(cluster, token, -60)


def lasting(cluster: ControlPlane, token: str, seconds: int) -> str:
    """Return a token of the same account that ends so many seconds from now."""
    header, claims, _ = token.split(".")
    end = int(time.time()) + seconds
    signed = f"{header}.{_written({**_read(claims), 'iat': end - 600, 'nbf': end - 600, 'exp': end})}"
    key = load_pem_private_key((cluster.kubeconfig.parent / "pki/sa.key").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return f"{signed}.{_encoded(key.sign(signed.encode(), PKCS1v15(), hashes.SHA256()))}"


def _read(part: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def _written(part: dict[str, Any]) -> str:
    return _encoded(json.dumps(part).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
