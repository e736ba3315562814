"""Owns the page of templates: the catalogue, and one template with its parameters, its steps and its YAML."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from obtask.kube.api import ApiError, BadName
from obtask.kube.yaml_text import written
from obtask.model.contract import Maintenance, TaskType
from obtask.model.task import InvalidSpec
from obtask.model.template_contract import DEFAULT_KIND, TemplateKind
from obtask.web.catalogue import Entry, catalogue, entry
from obtask.web.rendering import Renderer
from obtask.web.visitor import visitor_of
from obtask.web.words import N_

LONGEST_SEARCH = 200
SHOWN_METADATA = ("name", "namespace", "labels")


def routes(renderer: Renderer, namespaces: Sequence[str]) -> Sequence[BaseRoute]:
    """Return the routes of this page. ``namespaces``: whose templates are shown to who may not list those of all."""

    async def show(request: Request) -> Response:
        if name := request.query_params.get("name", ""):
            return await _one(renderer, request, name)
        found = await catalogue(visitor_of(request).api, _asked(request, namespaces))
        text = request.query_params.get("q", "").strip()[:LONGEST_SEARCH]
        chosen = [each for each in found.entries if _finds(each, text)]
        groups = [(key, list(entries)) for key, entries in groupby(sorted(chosen, key=_order), key=lambda each: each.group)]
        return renderer.page(request, "templates.html", here="templates", groups=groups, refusals=found.refusals, text=text)

    return [Route("/templates", show)]


async def _one(renderer: Renderer, request: Request, name: str) -> Response:
    namespace = request.query_params.get("ns", "")
    kind = TemplateKind.NAMESPACED if namespace else DEFAULT_KIND
    try:
        found = await entry(visitor_of(request).api, kind, namespace, name)
    except BadName as error:
        found = ApiError(HTTPStatus.NOT_FOUND, "NotFound", str(error))
    if isinstance(found, Entry):
        head = {name: value for name in SHOWN_METADATA if (value := found.body["metadata"].get(name))}
        shown = {"apiVersion": found.body.get("apiVersion"), "kind": kind.value, "metadata": head, "spec": found.body.get("spec")}
        return renderer.page(request, "template.html", here="templates", entry=found, yaml=written(shown))
    message, status = (found.message, HTTPStatus.OK) if isinstance(found, InvalidSpec) else (found.message, found.status)
    heading = renderer.gettext(request)(N_("This template cannot be shown"))
    return renderer.page(request, "error.html", here="templates", status=status, heading=heading, detail=message)


def _asked(request: Request, namespaces: Sequence[str]) -> Sequence[str]:
    asked = request.query_params.get("ns", "")
    return (asked,) if asked else namespaces


def _finds(entry: Entry, text: str) -> bool:
    title, about = entry.spec.title, entry.spec.description
    texts = (entry.name, title.en, title.zh or "", about.en if about else "", (about.zh if about else "") or "")
    return text.casefold() in "\n".join(texts).casefold()


def _order(entry: Entry) -> tuple[int, int, str, str]:
    kind, scope = entry.group
    return (list(TaskType).index(kind), list(Maintenance).index(scope), entry.name, entry.namespace)
