# A copy of operator/obtask/rules/evidence/packing.py, made by `make generate`.
"""Owns the ZIP of an evidence bundle: the same evidence at the same moment gives the same bytes. Pure."""

import re
import stat
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from kubectl_obtask.evidence.contents import members
from kubectl_obtask.evidence.fields import text
from kubectl_obtask.evidence.reading import Evidence

UNIX: Final = 3  # zipfile's number for who made it; modes of files mean nothing elsewhere
LEVEL: Final = 6
MOST_OF_A_NAME: Final = 120
_ODD: Final = re.compile(r"[^A-Za-z0-9.-]")


class _Gathered:
    """A stream that cannot seek and hands on what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep a piece."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def packed(evidence: Evidence, at: datetime) -> Iterator[bytes]:
    """Yield the bundle piece by piece. ``at``: when it was collected."""
    moment = at.astimezone(UTC)
    sink = _Gathered()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members(evidence, moment):
            archive.writestr(_entry(name, moment), content, zipfile.ZIP_DEFLATED, LEVEL)
            yield sink.taken()
    yield sink.taken()


def filename(evidence: Evidence, at: datetime) -> str:
    """Return the name of the file: namespace, task, and when it was collected."""
    names = (text(evidence.task, "metadata", key) for key in ("namespace", "name"))
    readable = "-".join(_ODD.sub("_", name)[:MOST_OF_A_NAME] for name in names)
    return f"{readable}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def _entry(name: str, moment: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    entry.create_system = UNIX
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry
