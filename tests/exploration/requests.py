"""Owns requests that wait: the code under test stops at each one until the scheduler hands it an answer."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.exploration.catalogue import Catalogue, Json

from obtask import names
from obtask.kube.api import ApiError


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as it was sent."""

    method: str
    path: str
    selector: str
    body: str

    @property
    def json(self) -> Json:
        """The body of the request."""
        body: Json = json.loads(self.body)
        return body


@dataclass(frozen=True, slots=True)
class Found:
    """The answer is one object."""

    number: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer is a list of objects."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer is no."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The answer is the value of an expression, as JSON; None: it comes later."""

    value: str | None


Answer = Found | Listed | Refused | Evaluated


def numbers_in(answer: Answer) -> tuple[int, ...]:
    """Return the versions that an answer holds."""
    match answer:
        case Found(number=number):
            return (number,)
        case Listed(numbers=numbers):
            return numbers
        case Refused() | Evaluated():
            return ()


def spoken(catalogue: Catalogue, answer: Answer) -> Json | ApiError:
    """Return the answer as kube.api speaks it."""
    match answer:
        case Found(number=number):
            return catalogue.entries[number].body
        case Listed(numbers=numbers):
            return {"items": [catalogue.entries[number].body for number in numbers]}
        case Refused(status=status, reason=reason):
            return ApiError(status, reason, reason)
        case Evaluated(value=value):
            return {} if value is None else {"value": json.loads(value)}


class Waiting:
    """What a coroutine that sent a request waits for."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __await__(self) -> Generator[Call, Json | ApiError, Json | ApiError]:
        """Hand the call to whoever drives the coroutine, and take the answer from there."""
        return (yield self._call)


class SuspendedRequests:
    """Implements ``kube.api.Requests``: every request suspends the reconcile that sent it."""

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Return the answer that the scheduler chose to give."""
        text = json.dumps(body, sort_keys=True) if body is not None else "{}"
        return await Waiting(Call(method, path, query.get("labelSelector", ""), text))

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Be asked by nobody: no attempt writes a log here."""
        raise AssertionError(f"unexpected request: {path} {query}")


def shown(call: Call) -> str:
    """Return the call as a person reads it."""
    if call.method == "EVALUATE":
        return f"evaluates {call.path}"
    *_, resource, name = call.path.split("/")
    body: dict[str, Any] = call.json
    meta = body.get("metadata") or {}
    at = f" at v{meta['resourceVersion']}" if "resourceVersion" in meta else ""
    if call.selector or (name == "leases" and call.method == "GET"):
        return "LIST leases of the domain"
    if name == "leases":
        return f"POST lease {meta['name']} holder={body['spec'].get('holderIdentity', '')}"
    if name == "status":
        status = body["status"]
        lock = " lock" if "lock" in status else ""
        return f"PUT status of {resource}{at}: {status['phase']}/{status.get('reason', '')}{lock}"
    if call.method == "PUT":
        return f"PUT lease {name}{at} holder={body['spec'].get('holderIdentity', '') or 'nobody'}"
    if call.method == "PATCH":
        changed = ", ".join(f"{key}={value}" for key, value in meta.items() if key in ("finalizers", "annotations"))
        return f"PATCH {resource.removesuffix('s')} {name}{at}: {changed.replace(names.GROUP + '/', '')}"
    return f"{call.method} {resource.removesuffix('s')} {name}"


def said(answer: Answer) -> str:
    """Return the answer as a person reads it."""
    match answer:
        case Found():
            return "done"
        case Listed(numbers=numbers):
            return f"{len(numbers)} of them"
        case Refused(status=status):
            return f"refused, {status}"
        case Evaluated(value=value):
            return "not yet" if value is None else value
