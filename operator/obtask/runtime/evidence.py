"""Owns the evidence that the watches work: every watched path was listed once, and answers have been arriving since."""

import threading
import time
from collections.abc import Callable, Iterable

SILENT_SECONDS = 120.0


class Evidence:
    """When each watched path was last heard of. Written by kopf's thread, read by others."""

    def __init__(self, paths: Iterable[str], on_complete: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._heard = dict.fromkeys(paths, clock())
        self._missing = set(self._heard)
        self._on_complete = on_complete
        self._clock = clock
        self._lock = threading.Lock()

    def is_of(self, path: str) -> bool:
        """Return whether a path is one of the watched ones."""
        return path in self._heard

    def listed(self, path: str) -> None:
        """Note that a path was listed completely."""
        with self._lock:
            was_missing = path in self._missing
            self._missing.discard(path)
            complete = was_missing and not self._missing
        self.heard(path)
        if complete:
            self._on_complete()

    def heard(self, path: str) -> None:
        """Note an answer, an event or a bookmark."""
        if path in self._heard:
            self._heard[path] = self._clock()

    def fault(self) -> str:
        """Return which watches do not work, in words for people; an empty text if all of them do."""
        with self._lock:
            missing = [path for path in self._heard if path in self._missing]
        if missing:
            return f"no list yet of {_named(missing)}"
        now = self._clock()
        silent = {path: now - at for path, at in self._heard.items() if now - at > SILENT_SECONDS}
        return f"nothing heard for {max(silent.values()):.0f} s of {_named(list(silent))}" if silent else ""


def _named(paths: list[str]) -> str:
    words = [path.split("/") for path in paths]
    named = [f"{parts[-1]} in namespace {parts[-2]}" if "namespaces" in parts else parts[-1] for parts in words]
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if named[3:] else "")
