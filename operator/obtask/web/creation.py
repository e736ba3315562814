"""Owns creating a task as a visitor: first for show, then for good. What the API server says of it is taken apart field by field."""

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from obtask import names
from obtask.kube.access import Right, refused
from obtask.kube.api import BadName, Json, Requests, Response, path_of, read_answer, read_refusal
from obtask.kube.client import Api
from obtask.kube.foreign import parse
from obtask.kube.templates import template_path
from obtask.model.limits import one_line
from obtask.model.spec import TaskSpec
from obtask.model.task import InvalidSpec, read_as
from obtask.model.template import Template, read_template
from obtask.rules.expansion import expanded
from obtask.rules.lock_keys import LockKey, lock_key
from obtask.web.views.namespaces import granted

MOST_CAUSES = 100
CREATE = Right("create", names.PLURAL, names.GROUP)
LONGEST = 2000  # characters of a sentence of the API server
_STRICT = "strict decoding error: "


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a task cannot be created: (field of the object, sentence), the field is empty where none was named."""

    causes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that was, or would be, created as the API server has it; what it warns of."""

    body: Json
    warnings: tuple[str, ...] = ()

    @property
    def plan(self) -> TaskSpec | InvalidSpec:
        """Its spec."""
        return read_as(TaskSpec, self.body.get("spec"))

    @property
    def lock(self) -> LockKey | None:
        """What it would lock."""
        plan = self.plan
        return None if isinstance(plan, InvalidSpec) else lock_key(self.namespace, plan)

    @property
    def namespace(self) -> str:
        """Where it is."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.body["metadata"]["name"])


async def create(api: Api, body: Json, *, for_show: bool) -> Accepted | Refused:
    """Create a task, or find out whether that could be done; raises ApiUnavailable."""
    namespace = body.get("metadata", {}).get("namespace")
    try:
        path = path_of("apis", names.GROUP, names.VERSION, "namespaces", str(namespace or ""), names.PLURAL)
    except BadName as error:
        return Refused((("metadata.namespace", str(error)),))
    query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if for_show else {})
    response = await api.exchange("POST", path, query=query, body=body)
    if response.status == HTTPStatus.UNAUTHORIZED or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        read_answer("POST", path, response)  # raises what a page understands
    refusal = read_refusal(response)
    if refusal is not None:
        return Refused(_causes(response, refusal.message))
    answer = read_answer("POST", path, response)
    assert isinstance(answer, dict)  # noqa: S101 - a refusal was looked for before
    return Accepted(answer, response.warnings)


async def may_create(api: Requests, namespaces: Iterable[str]) -> bool:
    """Return whether a visitor may create tasks in all namespaces, or in one of the first of these."""
    if not await refused(api, [CREATE], None):
        return True
    async with aclosing(granted(api, CREATE, namespaces)) as found:
        async for _ in found:
            return True
    return False


async def fault_of_template(api: Requests, accepted: Accepted) -> str | None:
    """Return why the operator would reject a task of a template, naming the field; None if it would not. Raises ApiUnavailable."""
    plan = accepted.plan
    if isinstance(plan, InvalidSpec):
        return plan.message
    ref = plan.template_ref
    if ref is None or plan.steps:
        return None
    answer = await api.send("GET", template_path(ref.kind, accepted.namespace, ref.name))
    if not isinstance(answer, dict):
        return f"spec.templateRef: {answer.message}"
    template: Template = read_template(ref.kind, answer)
    found = expanded(plan, template)
    return found if isinstance(found, str) else None


def _causes(response: Response, message: str) -> tuple[tuple[str, str], ...]:
    details = _details(response)
    causes = details.get("causes") if isinstance(details, dict) else None
    found = [
        (str(each.get("field") or ""), _short(str(each.get("message") or message)))
        for each in (causes if isinstance(causes, list) else [])[:MOST_CAUSES]
        if isinstance(each, dict) and each.get("field") not in {None, "<nil>"}
    ]
    return tuple(dict.fromkeys(found)) or _strict(message)


def _strict(message: str) -> tuple[tuple[str, str], ...]:
    """Return what is said of fields that do not exist: ``unknown field "spec.foo", unknown field "spec.bar"``."""
    _, found, rest = message.partition(_STRICT)
    if not found:
        return (("", _short(message)),)
    return tuple((part.partition('"')[2].partition('"')[0], _short(part)) for part in rest.split(", "))[:MOST_CAUSES]


def _details(response: Response) -> Any:
    try:
        body = parse(response.data)
    except ValueError:
        return {}
    return body.get("details") if isinstance(body, dict) else {}


def _short(text: str) -> str:
    return one_line(text, LONGEST)
