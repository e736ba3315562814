"""Owns rights: what they are needed for, and asking the API server whether the operator's own user has them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from obtask.kube.api import ApiError, ApiUnavailable, Json, Requests, path_of

REVIEWS = path_of("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")


@dataclass(frozen=True, slots=True)
class Right:
    """Something that a role can allow. ``name`` restricts it to one object."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}{'/' + self.subresource if self.subresource else ''}"


@dataclass(frozen=True, slots=True)
class Purpose:
    """Rights that serve one purpose; without them ``consequence``. ``opened``: with opt-in they are given in single namespaces."""

    rights: tuple[Right, ...]
    consequence: str
    opened: bool = False


def rights(verbs: str, resource: str, group: str = "", subresource: str = "", name: str = "") -> tuple[Right, ...]:
    """Return the right to do each of these verbs, which are separated by spaces."""
    return tuple(Right(verb, resource, group, subresource, name) for verb in verbs.split())


async def refused(api: Requests, wanted: Iterable[Right], namespace: str | None) -> list[Right]:
    """Return which of these the user does not have in the namespace, or everywhere. What nobody can tell counts as allowed."""
    asked = list(wanted)
    answers = await asyncio.gather(*(_allowed(api, right, namespace) for right in asked))
    return [right for right, allowed in zip(asked, answers, strict=True) if not allowed]


async def _allowed(api: Requests, right: Right, namespace: str | None) -> bool:
    wanted = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "name": right.name,
        "namespace": namespace or "",
    }
    body: Json = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
    try:
        answer = await api.send("POST", REVIEWS, body=body)
    except ApiUnavailable:
        return True
    if isinstance(answer, ApiError):
        return True
    status = answer.get("status") or {}
    # An authorizer that does not answer leaves nothing but its error.
    return bool(status.get("allowed")) or ("evaluationError" in status and not status.get("denied"))
