"""Owns which namespaces a visitor is shown who may not list the tasks of all, and how kubectl is told of the same."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from obtask import names
from obtask.environment import is_namespace
from obtask.kube.access import Right, refused
from obtask.kube.api import ApiError, Inspects, Requests, path_of

MOST = 20  # each costs two requests, and a watch
MOST_ASKED = 200
ASKED_AT_ONCE = 10
ACCOUNT = "system:serviceaccount:"
LIST = Right("list", names.PLURAL, names.GROUP)


async def namespaces_for(api: Inspects, user: str, offered: Sequence[str]) -> tuple[str, ...]:
    """Return the first namespaces whose tasks the visitor may list, at most one more than are shown; raises ApiUnavailable.

    They are looked for among those that the settings offer, a service account's own, and all, if the visitor may list namespaces.
    """
    account = user.removeprefix(ACCOUNT).partition(":")[0] if user.startswith(ACCOUNT) else ""
    answer = await api.metadata(path_of("api", "v1", "namespaces"), query={"limit": str(MOST_ASKED)})
    listed = [] if isinstance(answer, ApiError) else [str(item["metadata"]["name"]) for item in answer.get("items") or ()]
    found: list[str] = []
    async with aclosing(granted(api, LIST, [*offered, *([account] if account else []), *listed])) as namespaces:
        async for namespace in namespaces:
            found.append(namespace)
            if len(found) > MOST:
                break
    return tuple(found)


async def granted(api: Requests, right: Right, namespaces: Iterable[str]) -> AsyncGenerator[str, None]:
    """Yield in which of the first of these namespaces the visitor has a right, asking for some at once; raises ApiUnavailable."""
    candidates = list(dict.fromkeys(namespaces))[:MOST_ASKED]
    for start in range(0, len(candidates), ASKED_AT_ONCE):
        some = candidates[start : start + ASKED_AT_ONCE]
        answers = await asyncio.gather(*(refused(api, [right], namespace) for namespace in some))
        for namespace, lacking in zip(some, answers, strict=True):
            if not lacking:
                yield namespace


def place(namespace: str, *, everywhere: bool = False, known: Sequence[str] = ()) -> str:
    """Return the options that have kubectl show what a page shows, empty where one command cannot; ``known``: the namespaces it shows.

    The namespace may come from an address that somebody else has made, and the line is to be pasted into a shell of whatever kind: what
    cannot be the name of a namespace is no part of a line.
    """
    if not namespace and everywhere:
        return "-A"
    only = namespace or (known[0] if len(known) == 1 else "")
    return f"-n {only}" if is_namespace(only) else ""
