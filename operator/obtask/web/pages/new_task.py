"""Owns the page that makes new tasks: from a template's form or from YAML, checked by the API server before anything is created."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from obtask import names
from obtask.kube.api import BadName
from obtask.kube.yaml_text import written
from obtask.model.task import InvalidSpec
from obtask.model.template_contract import DEFAULT_KIND, TemplateKind
from obtask.web.catalogue import Entry, catalogue, entry
from obtask.web.creation import Accepted, Refused, create, fault_of_template, may_create
from obtask.web.drafts import Draft, Fault, form_draft, needed_fields, placed, suggested_name
from obtask.web.outlook import Outlook, outlook
from obtask.web.rendering import Renderer
from obtask.web.security import BODY_BYTES
from obtask.web.views.registry import view_of
from obtask.web.visitor import visitor_of
from obtask.web.words import N_
from obtask.web.yaml_source import Source, Unreadable, lines_of, read_source

MOST_FIELDS: Final = 200
LONGEST_FIELD: Final = 4096  # characters of what an address puts into a field
READY_SECONDS: Final = 3
EXAMPLE: Final = f"""\
apiVersion: {names.API_VERSION}
kind: {names.KIND}
metadata:
  name: my-task
  namespace: default
spec:
  type: Cluster
  cluster: obdemo
  maintenance: None
  steps:
  - name: wait-a-minute
    wait: {{seconds: 60}}
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check: what is wrong, or the task as the API server would have it."""

    draft: Draft
    faults: tuple[Fault, ...] = ()
    accepted: Accepted | None = None
    is_created: bool = False


def routes(renderer: Renderer, namespaces: Sequence[str]) -> Sequence[BaseRoute]:
    """Return the routes of this page. ``namespaces``: those that are offered to who may not see all."""

    async def show(request: Request) -> Response:
        if request.query_params.get("template"):
            return await _form(renderer, request, namespaces, None)
        if "yaml" in request.query_params:
            barred = await _barred(request, namespaces)
            return renderer.page(request, "new_yaml.html", here="new_task", text=EXAMPLE, lines=(), checked=None, barred=barred)
        found = await catalogue(visitor_of(request).api, namespaces)
        return renderer.page(request, "new_task.html", here="new_task", entries=found.entries, refusals=found.refusals)

    async def make(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=BODY_BYTES) as fields:
            upload = fields.get("file")
            text = str(fields.get("yaml", ""))
            if isinstance(upload, UploadFile) and upload.size:
                text = (await upload.read()).decode(errors="replace")
            given = {name: value for name, value in fields.items() if isinstance(value, str)}
        if request.query_params.get("template"):
            return await _form(renderer, request, namespaces, given)
        text = text.replace("\r\n", "\n")
        checked = await _check_yaml(request, text, for_good=_is_for_good(given))
        return await _answer(renderer, request, "new_yaml.html", checked, text=text, lines=lines_of(text))

    return [Route("/new", show, methods=["GET"]), Route("/new", make, methods=["POST"])]


async def _form(renderer: Renderer, request: Request, namespaces: Sequence[str], given: Mapping[str, str] | None) -> Response:
    """Return the form of a template; what was ``given`` is checked, and created if that was asked for."""
    found = await _template(request)
    if not isinstance(found, Entry):
        heading = renderer.gettext(request)(N_("This template cannot be used"))
        return renderer.page(request, "error.html", here="new_task", status=HTTPStatus.NOT_FOUND, heading=heading, detail=found)
    words = _first_words(request, found, namespaces, renderer.now()) if given is None else given
    checked = None if given is None else await _check_form(request, found, given)
    context = {"entry": found, "given": words, "needed": needed_fields(found.spec)}
    if given is None:
        context["barred"] = await _barred(request, namespaces)
    return await _answer(renderer, request, "new_form.html", checked, **context)


async def _answer(renderer: Renderer, request: Request, template: str, checked: Checked | None, **context: Any) -> Response:
    """Return the page again with what is wrong, or what would become of the task; a task that was created is shown itself."""
    if checked is not None and checked.is_created and checked.accepted is not None:
        return RedirectResponse(f"/t/{checked.accepted.namespace}/{checked.accepted.name}", HTTPStatus.SEE_OTHER)
    seen = await _outlook(request, checked.accepted, renderer.now()) if checked is not None and checked.accepted is not None else None
    status = HTTPStatus.UNPROCESSABLE_ENTITY if checked is not None and checked.faults else HTTPStatus.OK
    yaml = written(checked.draft.body) if checked is not None and checked.draft.body else ""
    context = {"barred": "", "checked": checked, "outlook": seen, "yaml": yaml, **context}
    return renderer.page(request, template, here="new_task", status=status, **context)


async def _barred(request: Request, namespaces: Sequence[str]) -> str:
    """Return where a visitor may not create a task who may do so nowhere, as far as is known; empty for anybody else.

    It is said, and keeps nobody from trying: a namespace that has no task yet is not known here. The API server decides.
    """
    view = view_of(request)
    await view.ready(READY_SECONDS)
    first = request.query_params.get("ns", "") or next(iter(namespaces), "default")
    return "" if await may_create(visitor_of(request).api, (first, *namespaces, *view.namespaces)) else first


def _is_for_good(given: Mapping[str, str]) -> bool:
    return given.get("do") == "create"


async def _template(request: Request) -> Entry | str:
    """Return the template that the address names, or why there is none; raises ApiUnavailable."""
    namespace = request.query_params.get("ns", "")
    kind = TemplateKind.NAMESPACED if namespace else DEFAULT_KIND
    try:
        found = await entry(visitor_of(request).api, kind, namespace, request.query_params["template"])
    except BadName as error:
        return str(error)
    return found if isinstance(found, Entry) else found.message


def _first_words(request: Request, found: Entry, namespaces: Sequence[str], now: datetime) -> Mapping[str, str]:
    """Return what stands in the form at first: what the address says, and a name."""
    said = {name: value[:LONGEST_FIELD] for name, value in request.query_params.items()}
    return {
        "name": suggested_name(found.name, now.strftime("%m%d-%H%M%S")),
        "cluster": "",
        **said,
        "ns": found.namespace or next(iter(namespaces), "default"),
    }


async def _check_form(request: Request, found: Entry, given: Mapping[str, str]) -> Checked:
    draft = form_draft(found.spec, found.template.kind, found.name, given)
    if draft.faults:
        return Checked(draft, draft.faults)
    return await _check(request, draft, None, for_good=_is_for_good(given))


async def _check_yaml(request: Request, text: str, *, for_good: bool) -> Checked:
    source = await asyncio.to_thread(read_source, text)
    if isinstance(source, Unreadable):
        return Checked(Draft({}), (Fault(N_("The YAML cannot be read."), source.message, line=source.line),))
    kind = (source.body.get("apiVersion"), source.body.get("kind"))
    if kind != (names.API_VERSION, names.KIND):
        wanted = f"apiVersion: {names.API_VERSION}, kind: {names.KIND}"
        return Checked(Draft(source.body), (Fault(N_("Only tasks are created here."), wanted, line=source.line("kind") or 1),))
    metadata = source.body.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("namespace"):
        fault = Fault(N_("This has to be given."), path="metadata.namespace", line=source.line("metadata") or 1)
        return Checked(Draft(source.body), (fault,))
    return await _check(request, Draft(source.body), source, for_good=for_good)


async def _check(request: Request, draft: Draft, source: Source | None, *, for_good: bool) -> Checked:
    """Return what the API server says of a draft; it is created for good only if nothing is wrong with it. Raises ApiUnavailable."""
    api = visitor_of(request).api
    line_of = source.line if source is not None else None
    result = await create(api, draft.body, for_show=True)
    if isinstance(result, Accepted) and (fault := await fault_of_template(api, result)) is not None:
        path, _, sentence = fault.partition(": ")
        result = Refused(((path, sentence),) if path.startswith("spec") else (("", fault),))
    if isinstance(result, Accepted) and for_good:
        result = await create(api, draft.body, for_show=False)
    if isinstance(result, Refused):
        return Checked(draft, placed(result.causes, line_of))
    return Checked(draft, (), result, is_created=for_good)


async def _outlook(request: Request, accepted: Accepted, now: datetime) -> Outlook | None:
    plan = accepted.plan
    if isinstance(plan, InvalidSpec):
        return None
    view = view_of(request)
    await view.ready(READY_SECONDS)
    return outlook(view.lines, accepted.name, accepted.lock, plan.on_conflict, now)
