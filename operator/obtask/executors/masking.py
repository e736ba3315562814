"""Owns taking known secrets out of text that people will read. Pure."""

import re
from collections.abc import Iterable

MASK = "******"
SHORT = 4  # a shorter secret is masked only where it stands alone: otherwise every "a" would go


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these values; the longest first, as one may hold another."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORT:
            text = text.replace(secret, MASK)
        elif secret:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text
