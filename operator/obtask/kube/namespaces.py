"""Owns which namespaces are open to tasks, where an operator takes tasks only in some: those that bear its label."""

from collections.abc import Callable
from dataclasses import dataclass, field

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, Requests, path_of
from obtask.kube.errors import explained

REMEMBERED_SECONDS = 10.0
REMEMBERED_MOST = 10_000


@dataclass(frozen=True, slots=True)
class OptIn:
    """Reads the label of a namespace, and remembers it for some seconds."""

    api: Requests
    clock: Callable[[], float]
    _read_at: dict[str, tuple[float, bool]] = field(default_factory=dict)

    async def includes(self, namespace: str) -> bool:
        """Return whether the namespace is open to tasks; raises ApiForbidden if it cannot be read."""
        now = self.clock()
        read_at, is_open = self._read_at.get(namespace, (None, False))
        if read_at is not None and now - read_at < REMEMBERED_SECONDS:
            return is_open
        answer = await self.api.send("GET", path_of("api", "v1", "namespaces", namespace))
        if isinstance(answer, ApiError) and not answer.missing:
            raise ApiForbidden(f"cannot read namespace {namespace}: {explained(answer)}")
        labels = {} if isinstance(answer, ApiError) else answer["metadata"].get("labels") or {}
        if len(self._read_at) >= REMEMBERED_MOST:
            self._read_at.clear()
        self._read_at[namespace] = (now, labels.get(names.ENABLED_LABEL) == "true")
        return self._read_at[namespace][1]
