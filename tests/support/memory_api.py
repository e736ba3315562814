"""Owns an API server in memory: what becomes of the objects of a namespace by one request, or by one act of a person.

The only one there is for tests: the explorer keeps what is stored in a form of its own, the world of the unit tests in plain JSON.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from obtask.kube.api import ApiError, Json


class Stored(Protocol):
    """What is stored, as a value: objects by place, which is "plural/name". A place keeps its last version when its object goes."""

    def body(self, place: str) -> Json | None:
        """Return the object at a place."""

    def bodies(self, resource: str) -> Iterable[Json]:
        """Return all objects of a resource."""

    def last(self, place: str) -> int:
        """Return the last version at a place; 0 if there never was one."""

    def having(self, place: str, body: Json | None, version: int) -> Self:
        """Return this with one object written, or taken away."""


S = TypeVar("S", bound=Stored)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as ``kube.api.Requests`` sends it."""

    method: str
    path: str
    selector: str
    body: Json


def answer(stored: S, request: Request, now: str) -> tuple[S, Json | ApiError]:
    """Return what is stored after a request, and the answer to it.

    A PUT leaves the metadata that it does not mention. A PUT of a Lease that is gone makes it again, whatever version it carries.
    """
    _, resource, *name = request.path.partition("/namespaces/")[2].split("/")
    if not name:
        return _answer_collection(stored, resource, request, now)
    place, subresource = f"{resource}/{name[0]}", name[1:]
    old = stored.body(place)
    if old is None and (request.method, resource) == ("PUT", "leases"):
        return create(stored, resource, request.body, now)
    if old is None:
        return stored, ApiError(404, "NotFound", place)
    if request.method == "GET":
        return stored, old
    refusal = _refusal(old, request)
    if refusal is not None:
        return stored, refusal
    match request.method, subresource:
        case "DELETE", []:
            return delete(stored, place, now)
        case "PUT", ["status"]:
            return write(stored, place, old | {"status": request.body["status"]})
        case "PUT", []:
            return write(stored, place, old | request.body | {"metadata": old["metadata"] | request.body["metadata"]})
        case "PATCH", []:
            return write(stored, place, _of_next_generation(old, merged(old, request.body)))
        case _:
            raise NotImplementedError(f"{request.method} {request.path}")


def _of_next_generation(old: Json, new: Json) -> Json:
    """Return an object whose generation, if it has one, is the next one where its spec has changed."""
    generation = old["metadata"].get("generation")
    if generation is None or old.get("spec") == new.get("spec"):
        return new
    return new | {"metadata": new["metadata"] | {"generation": generation + 1}}


def _answer_collection(stored: S, resource: str, request: Request, now: str) -> tuple[S, Json | ApiError]:
    if request.method == "POST":
        return create(stored, resource, request.body, now)
    key, _, value = request.selector.partition("=")
    return stored, {"items": [body for body in stored.bodies(resource) if not key or body["metadata"].get("labels", {}).get(key) == value]}


def _refusal(old: Json, request: Request) -> ApiError | None:
    """Return why a write is refused that expects another version or another object; a patch of the right version may not change the uid."""
    expected = request.body.get("preconditions", {}) if request.method == "DELETE" else request.body["metadata"]
    others = [key for key in ("resourceVersion", "uid") if expected.get(key) not in (None, old["metadata"].get(key))]
    if not others:
        return None
    invalid = request.method == "PATCH" and others == ["uid"]
    return ApiError(422, "Invalid", request.path) if invalid else ApiError(409, "Conflict", request.path)


def create(stored: S, resource: str, body: Json, now: str) -> tuple[S, Json | ApiError]:
    """Return what is stored once an object is created, and the object."""
    place = f"{resource}/{body['metadata']['name']}"
    if stored.body(place) is not None:
        return stored, ApiError(409, "AlreadyExists", place)
    return new_version(stored, place, body | {"metadata": {"creationTimestamp": now} | body["metadata"]})


def delete(stored: S, place: str, now: str) -> tuple[S, Json]:
    """Return what is stored once an object is deleted, and the object: it is only marked as long as it has a finalizer."""
    old = _there(stored, place)
    if old["metadata"].get("deletionTimestamp"):
        return stored, old
    return new_version(stored, place, old | {"metadata": old["metadata"] | {"deletionTimestamp": now}})


def write(stored: S, place: str, new: Json) -> tuple[S, Json]:
    """Return what is stored once an object is written, and the object: a write that changes nothing makes no new version."""
    return (stored, new) if new == _there(stored, place) else new_version(stored, place, new)


def _there(stored: Stored, place: str) -> Json:
    body = stored.body(place)
    if body is None:
        raise LookupError(f"there is no {place}")
    return body


def new_version(stored: S, place: str, new: Json) -> tuple[S, Json]:
    """Return what is stored once an object has a new version, and the object: it is gone if it was deleted and nobody holds it any more."""
    version = stored.last(place) + 1
    new = new | {"metadata": new["metadata"] | {"resourceVersion": str(version)}}
    gone = bool(new["metadata"].get("deletionTimestamp")) and not new["metadata"].get("finalizers")
    return stored.having(place, None if gone else new, version), new


def merged(old: Json, change: Json) -> Json:
    """Return what a JSON merge patch makes of an object (RFC 7386)."""
    new = {key: value for key, value in old.items() if change.get(key, ...) is not None}
    for key, value in change.items():
        if isinstance(value, dict):
            new[key] = merged(old.get(key) or {}, value)
        elif value is not None:
            new[key] = value
    return new


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects as JSON. Implements ``Stored``."""

    objects: Mapping[str, Json] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    def body(self, place: str) -> Json | None:
        """Return the object at a place."""
        return self.objects.get(place)

    def bodies(self, resource: str) -> Iterable[Json]:
        """Return all objects of a resource."""
        return [body for place, body in self.objects.items() if place.startswith(f"{resource}/")]

    def last(self, place: str) -> int:
        """Return the last version at a place; 0 if there never was one."""
        return self.versions.get(place, 0)

    def having(self, place: str, body: Json | None, version: int) -> Self:
        """Return this with one object written, or taken away."""
        others = {other: kept for other, kept in self.objects.items() if other != place}
        return replace(self, objects=others | ({place: body} if body is not None else {}), versions={**self.versions, place: version})


class MemoryApi:
    """Answers at once. Implements ``kube.api.Requests``."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.stored = Objects()

    @property
    def now(self) -> str:
        """The time as it is written into objects."""
        return self._clock().isoformat()

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Answer from what is stored."""
        self.stored, found = answer(self.stored, Request(method, path, query.get("labelSelector", ""), body or {}), self.now)
        return found


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    coroutine.close()
    raise AssertionError("it waits for something")
