"""Owns the one thing that is read of a token: when it ends. Whether it is good is for the API server to say."""

import base64
import re
from datetime import UTC, datetime

from obtask.kube.foreign import parse

LONGEST = 16 * 1024
# RFC 6750, section 2.1: all that may stand in a header.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def is_token(text: str) -> bool:
    """Whether this can be sent as a bearer token."""
    return len(text) <= LONGEST and _TOKEN.fullmatch(text) is not None


def expiry(token: str) -> datetime | None:
    """Return when a JSON Web Token ends (RFC 7519, `exp`); None for one that does not say, or is of another kind."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        claims = parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, TypeError, LookupError, OverflowError, OSError):
        return None
