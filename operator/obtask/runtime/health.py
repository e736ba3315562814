"""Owns what the operator says of itself to the probes of Kubernetes: /healthz and /readyz."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from obtask.runtime.leader import Leadership


class Watches(Protocol):
    """What tells the operator of changes."""

    def fault(self) -> str:
        """Return what it does not tell of; nothing if there is no such thing."""


class Health:
    """How the operator fares. It runs in the operator's own loop: one that stands still gives no answer, which is the answer."""

    def __init__(self, leadership: Leadership | None) -> None:
        self._leadership = leadership
        self._parts: Sequence[asyncio.Task[Any]] = ()
        self._stopping = False
        self.watching: Watches | None = None

    def loaded(self, parts: Sequence[asyncio.Task[Any]]) -> None:
        """Note that all tasks and Leases are known, and that these parts run from now on."""
        self._parts = parts

    def stopping(self) -> None:
        """Note that the operator was told to end."""
        self._stopping = True

    def live(self) -> tuple[bool, str]:
        """Return whether a restart is of no use, and what to say."""
        ended = any(part.done() for part in self._parts)
        return (False, "a part of the operator ended; the log says which") if ended else (True, "alive")

    def ready(self) -> tuple[bool, str]:
        """Return whether this operator works, or could take over at once, and what to say."""
        alive, said = self.live()
        if not alive or self._stopping:
            return False, "stopping" if alive else said
        if not self._parts:
            return False, "loading"
        fault = self.watching.fault() if self.watching is not None else "not begun"
        if fault:
            return False, f"not watching: {fault}"
        return True, "leader" if self._leadership is None or self._leadership.leads else "standby"
