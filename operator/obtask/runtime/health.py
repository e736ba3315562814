"""Owns the answers to the probes of Kubernetes: /healthz and /readyz."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from obtask.runtime.leader import Leadership


class Watches(Protocol):
    """The watches that report changes."""

    def fault(self) -> str:
        """Return which of them do not work, in words for people; an empty text if all do."""


class Health:
    """The operator's state for probes. It is served from the operator's own loop: if that hangs, the probe times out, as it should."""

    def __init__(self, leadership: Leadership | None) -> None:
        self._leadership = leadership
        self._parts: Sequence[asyncio.Task[Any]] = ()
        self._stopping = False
        self.watching: Watches | None = None

    def loaded(self, parts: Sequence[asyncio.Task[Any]]) -> None:
        """Note that all tasks and Leases are loaded and that these parts are running."""
        self._parts = parts

    def stopping(self) -> None:
        """Note that the operator was told to stop."""
        self._stopping = True

    def live(self) -> tuple[bool, str]:
        """Return whether the process should go on (a restart would not help), and a text for people."""
        ended = any(part.done() for part in self._parts)
        return (False, "a part of the operator ended; the log says which") if ended else (True, "alive")

    def ready(self) -> tuple[bool, str]:
        """Return whether this operator works or could take over at once, and a text for people."""
        alive, said = self.live()
        if not alive or self._stopping:
            return False, "stopping" if alive else said
        if not self._parts:
            return False, "loading"
        fault = self.watching.fault() if self.watching is not None else "not begun"
        if fault:
            return False, f"not watching: {fault}"
        return True, "leader" if self._leadership is None or self._leadership.leads else "standby"
