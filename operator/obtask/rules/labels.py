"""Owns label values: names as they are, where a label can hold them, else a hash. Pure."""

import hashlib
import re
from typing import Final

LONGEST: Final = 63
_HASH: Final = 16
_OTHER: Final = re.compile(r"[^A-Za-z0-9._-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def label_value(name: str) -> str:
    """Return the name as a label value; one that a label cannot hold becomes its beginning and a hash of the whole."""
    if len(name) <= LONGEST and _VALUE.fullmatch(name):
        return name
    readable = _OTHER.sub("-", name)[: LONGEST - _HASH - 1].strip("._-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{readable}-{digest}" if readable else digest
