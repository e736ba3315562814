"""Owns reading RSA public keys from outside: only keys that take milliseconds to encrypt with are accepted. Pure.

A module of its own because keys come from Secrets and, without TLS, from obshell agents.
"""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

LONGEST_TEXT = 16 * 1024
LONGEST_KEY_BITS = 8192
LARGEST_EXPONENT = 2**32


def read_public_key(text: object) -> RSAPublicKey | None:
    """Return the key that the text is, as PEM or as base64 of DER, or None if it is none."""
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        return None
    try:
        key = load_pem_public_key(text.encode()) if "-----BEGIN" in text else load_der_public_key(base64.b64decode(text))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size > LONGEST_KEY_BITS or key.public_numbers().e >= LARGEST_EXPONENT:
        return None
    return key
