"""Owns what can be asked of the Kubernetes API, and what its answers and refusals mean."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from obtask import names
from obtask.kube.foreign import TooDeep, parse, parse_shallow, parse_task
from obtask.model.constraints import SEGMENT_RULE, is_path_segment
from obtask.model.utf8 import beginning

Json = dict[str, Any]


class ApiUnavailable(Exception):  # noqa: N818 - it is a state of the API server, not a fault of the request
    """The API server did not answer, or asked to come back later: whether a write was applied is not known."""


class ApiUnauthorized(ApiUnavailable):
    """The API server does not know who asks, or not any more: nothing was changed."""


class ApiBusy(ApiUnavailable):
    """The API server answered that it wants to be asked again: nothing was changed, unless it is an error of its own."""


class ApiForbidden(Exception):  # noqa: N818 - what the API server did
    """The API server refuses what the operator must be able to do: rights, admission or a quota are in the way."""


@dataclass(frozen=True, slots=True)
class ApiError:
    """The API server said no, and nothing was changed."""

    status: int
    reason: str
    message: str

    @property
    def conflict(self) -> bool:
        """Someone else wrote first, or the object exists already."""
        return self.status == 409  # noqa: PLR2004

    @property
    def invalid(self) -> bool:
        """What was sent cannot be, for one thing because what is there must not change."""
        return self.status == 422  # noqa: PLR2004

    @property
    def missing(self) -> bool:
        """There is no such object."""
        return self.status == 404  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Response:
    """What the API server answered, whatever it was."""

    status: int
    data: bytes
    warnings: tuple[str, ...] = ()


class Requests(Protocol):
    """Sends one request to the API server."""

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Return the answer, or why it was refused; raises ApiUnavailable when nobody can tell."""


class Inspects(Requests, Protocol):
    """Sends requests, and reads the metadata of objects without the rest of them."""

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Return a list of PartialObjectMetadata, or why it was refused; raises ApiUnavailable when nobody can tell."""


class Streams(Requests, Protocol):
    """Sends requests, and reads texts that are too long to be held."""

    def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes] | ApiError]:
        """Yield the text at a path in pieces as it comes, or why it was refused; raises ApiUnavailable.

        Without ``seconds``, which is for how long, it may take any time, as long as something comes.
        """


RETRYABLE = frozenset({401, 408, 429})
SHOWN_BYTES = 200  # of what is no answer of the API server
LONGEST_SHOWN = 64  # of a name that is none
OWN_OBJECTS = re.compile(rf"/apis/{names.GROUP}/[^/]+/(?:namespaces/[^/]+/[^/]+|(?!namespaces/)[^/]+)/[^/]+")  # the path of one object


def read_answer(method: str, path: str, response: Response) -> Json | ApiError:
    """Return the object in a response, or why it was refused; raises ApiUnavailable when the server wants to be asked again."""
    if response.status >= 500 or response.status in RETRYABLE:  # noqa: PLR2004
        kind = ApiUnauthorized if response.status == HTTPStatus.UNAUTHORIZED else ApiBusy
        raise kind(f"{method} {path}: HTTP {response.status}: {_message(response.data)}")
    refusal = read_refusal(response)
    if refusal is not None:
        return refusal
    try:
        return _object((parse_task if _is_own(path) else parse)(response.data))
    except TooDeep as error:
        # What was written is written; what was read must not be taken for the whole.
        if method == "GET":
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "TooDeep", f"the answer cannot be read: {error}")
        return _object(parse_shallow(response.data))
    except ValueError:
        return {}


def _is_own(path: str) -> bool:
    return OWN_OBJECTS.match(path) is not None


def read_refusal(response: Response) -> ApiError | None:
    """Return why the server refused, if it did."""
    if response.status < 400:  # noqa: PLR2004
        return None
    reason = _parsed(response.data).get("reason") or str(response.status)
    return ApiError(response.status, reason, _message(response.data))


def _parsed(data: bytes) -> Json:
    try:
        return _object(parse(data))
    except ValueError:
        return {}


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _message(data: bytes) -> str:
    return str(_parsed(data).get("message") or beginning(data, SHOWN_BYTES))


class BadName(ValueError):  # noqa: N818 - what the part is
    """No object can have this name."""


def path_of(*parts: str) -> str:
    """Return a URL path of these parts, each one quoted; raises BadName for what is no path segment.

    The API server finds its way by the decoded path, so that a quoted slash would lead elsewhere.
    """
    for part in parts:
        if not is_path_segment(part):
            raise BadName(f"{part[:LONGEST_SHOWN]!r} cannot be a name: {SEGMENT_RULE}")
    return "/" + "/".join(quote(part, safe="") for part in parts)
