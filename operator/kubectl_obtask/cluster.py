"""Owns reading from the cluster: paths of the API, pages of lists, and what their answers are."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlencode

from kubectl_obtask.kubectl import Call, Kubectl
from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.tasks import FINISHED, GROUP, IN_LINE, Fields, Task

API: Final = f"/apis/{GROUP}/v1alpha1"
CORE: Final = "/api/v1"
PAGE: Final = 500
Query = Mapping[str, str | int]
ESCAPES: Final = str.maketrans({each: f"\\{each}" for each in "\\,="})
UNFINISHED: Final = ",".join(f"status.phase!={phase}" for phase in sorted(FINISHED))


def tasks_path(namespace: str | None, name: str | None = None, query: Query = MappingProxyType({})) -> str:
    """Return the path of tasks: of all namespaces without one, of one task with its name."""
    return path_of(API, "obtasks", namespace, name, query)


def equal(field: str, value: str) -> str:
    """Return the field selector of what has this value: whatever is in it ends no term, and begins no other."""
    return f"{field}={value.translate(ESCAPES)}"


def path_of(api: str, plural: str, namespace: str | None, name: str | None = None, query: Query = MappingProxyType({})) -> str:
    """Return a path of the API server. Names come from the command line, and cannot leave their segment."""
    where = f"{api}/namespaces/{quote(namespace, safe='')}" if namespace is not None else api
    what = f"{where}/{plural}" if name is None else f"{where}/{plural}/{quote(name, safe='')}"
    given = {key: value for key, value in query.items() if value not in {"", None}}
    return f"{what}?{urlencode(given)}" if given else what


def read_task(kubectl: Kubectl, namespace: str, name: str) -> Task | Fault:
    """Return one task."""
    found = objects_in(kubectl.get(tasks_path(namespace, name)))
    return found if isinstance(found, Fault) else Task(found)


def first_page(kubectl: Kubectl, namespace: str | None, fields: str = "") -> Call:
    """Start reading tasks; what comes next is imported meanwhile."""
    return kubectl.get(tasks_path(namespace, query={"fieldSelector": fields, "limit": PAGE}))


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks of a list, and whether there are more."""

    tasks: list[Task]
    goes_on: bool


def pages(kubectl: Kubectl, namespace: str | None, first: Call, fields: str = "") -> Iterator[Page | Fault]:
    """Yield the tasks page by page, or at last why there are no more."""
    call = first
    while True:
        found = objects_in(call)
        if isinstance(found, Fault):
            yield found
            return
        token = Fields(found).at("metadata").text("continue")
        yield Page([Task(each.raw) for each in Fields(found).all("items")], bool(token))
        if not token:
            return
        call = kubectl.get(tasks_path(namespace, query={"fieldSelector": fields, "limit": PAGE, "continue": token}))


def objects_in(call: Call) -> Mapping[str, Any] | Fault:
    """Return the object that a call brings, or why it brings none."""
    answer = call.answer()
    return answer if isinstance(answer, Fault) else parsed(answer)


def parsed(answer: bytes) -> Mapping[str, Any] | Fault:
    """Return the object in an answer."""
    try:
        found = json.loads(answer)
    except ValueError as error:
        return Fault(ExitCode.ERROR, f"the API server has sent what is no JSON: {error}", passing=True)
    return found if isinstance(found, dict) else Fault(ExitCode.ERROR, "the API server has sent what is no object")


def unfinished(kubectl: Kubectl, namespace: str | None) -> list[Task] | Fault:
    """Return all unfinished tasks of a namespace, or of all; those in line, who may be very many, with what a list shows of them."""
    found: list[Task] = []
    for page in pages(kubectl, namespace, first_page(kubectl, namespace, UNFINISHED), UNFINISHED):
        if isinstance(page, Fault):
            return page
        found += [task.brief() if task.phase in IN_LINE else task for task in page.tasks]
    return found
