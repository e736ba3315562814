"""Owns the proof that the API server has gone back in time: its etcd was put back to an older state.

resourceVersions only grow, and watches go on from the last one. After such a restore they wait for a version that is yet to come,
and whatever was learned since the backup is held for newer than what is true now.
"""

from collections.abc import Mapping
from typing import Final

from obtask import names
from obtask.kube.api import ApiError, Inspects, Json, path_of

KINDS: Final[Mapping[str, tuple[str, str]]] = {names.PLURAL: (names.GROUP, names.VERSION), "leases": ("coordination.k8s.io", "v1")}


class Rewound(Exception):  # noqa: N818 - what happened
    """The API server knows less than it did: what is remembered of it is worth nothing."""


class Revisions:
    """How far the API server had come, by kind of object: each may be in an etcd of its own."""

    def __init__(self, api: Inspects, namespaces: tuple[str, ...]) -> None:
        self._api = api
        self._place = ("namespaces", namespaces[0]) if namespaces else ()
        self._newest: dict[str, int] = {}

    async def check(self) -> None:
        """Ask how far it has come by now; raises Rewound, or kube.api.ApiUnavailable.

        A list without a resourceVersion is consistent: it tells of a version no older than any that was told before it was asked for.
        """
        for plural, (group, version) in KINDS.items():
            answer = await self._api.metadata(path_of("apis", group, version, *self._place, plural), query={"limit": "1"})
            if isinstance(answer, ApiError):
                continue
            now, before = version_of(answer), self._newest.get(plural, 0)
            if now < before:
                raise Rewound(f"{plural} are listed at resourceVersion {now}, and were at {before} before")
            self._newest[plural] = now


def version_of(body: Json) -> int:
    """Return the resourceVersion of an object or a list."""
    return int(body["metadata"]["resourceVersion"])
