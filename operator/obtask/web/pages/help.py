"""Owns the page that helps: keys, versions, what the visitor may do."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from obtask import names
from obtask.kube.api import ApiError, Json, Requests, path_of
from obtask.model.contract import Verb
from obtask.web.rendering import Renderer
from obtask.web.views.namespaces import place
from obtask.web.visitor import visitor_of

RULES: Final = path_of("apis", "authorization.k8s.io", "v1", "selfsubjectrulesreviews")
SEEING: Final = ("get", "list", "watch", "create", "delete")
LONGEST: Final = 63  # characters of a namespace


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the API server says the visitor may do with tasks in a namespace. It may leave out what only some authorizers know."""

    verbs: Mapping[str, bool]
    is_incomplete: bool


def routes(renderer: Renderer, namespaces: Sequence[str]) -> Sequence[BaseRoute]:
    """Return the routes of this page. ``namespaces``: the first is asked about unless the address names another."""

    async def show(request: Request) -> Response:
        api = visitor_of(request).api
        namespace = request.query_params.get("ns", "")[:LONGEST] or next(iter(namespaces), "default")
        allowed, server, group = await asyncio.gather(
            _allowed(api, namespace), api.send("GET", path_of("version")), api.send("GET", path_of("apis", names.GROUP))
        )
        return renderer.page(
            request,
            "help.html",
            here="help",
            namespace=namespace,
            place=place(namespace),
            allowed=allowed,
            server=str(server.get("gitVersion", "")) if isinstance(server, dict) else "",
            served=[str(each.get("groupVersion", "")) for each in group.get("versions") or ()] if isinstance(group, dict) else [],
        )

    return [Route("/help", show)]


async def _allowed(api: Requests, namespace: str) -> Allowed | ApiError:
    body: Json = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    answer = await api.send("POST", RULES, body=body)
    if isinstance(answer, ApiError):
        return answer
    status = answer.get("status") or {}
    may = {verb for rule in status.get("resourceRules") or () for verb in _verbs(rule)}
    return Allowed({verb: verb in may or "*" in may for verb in (*SEEING, *Verb)}, bool(status.get("incomplete")))


def _verbs(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a rule allows with all tasks."""
    groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
    if {names.GROUP, "*"}.intersection(groups) and {names.PLURAL, "*"}.intersection(resources) and not rule.get("resourceNames"):
        yield from rule.get("verbs") or ()
