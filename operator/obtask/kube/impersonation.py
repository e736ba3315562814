"""Owns requests in the name of a service account: the operator lends its connection, the rights are the account's."""

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import partial

from obtask.kube.api import RETRYABLE, ApiError, ApiUnavailable, Json, Response, read_answer, read_refusal
from obtask.kube.client import Api
from obtask.kube.foreign import lines_of, off_loop, parse_shallow

APPLY = "application/apply-patch+yaml"  # JSON is YAML, too

WATCH_SLACK_SECONDS = 30  # the server ends a watch; whoever hears nothing for this much longer has lost it

_INTERNAL = 500
_TO_ESCAPE = re.compile(r"([\\,=])")
_ESCAPED = re.compile(r"\\(.)")
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account of a namespace."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """Its name among the users of the API server."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def headers(self) -> dict[str, str]:
        """What makes the API server judge a request as the account's. The account's groups are added by the API server itself."""
        return {"Impersonate-User": self.user}


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What the API server answered, and what it warns of; ``octets`` is how long the answer was as text."""

    body: Json
    created: bool = False
    warnings: tuple[str, ...] = ()
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch: ADDED, MODIFIED, DELETED or BOOKMARK, and the object as it is then; ``octets`` is how long that was as text."""

    kind: str
    body: Json
    octets: int = 0


class Impersonation:
    """Sends requests as service accounts."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send(
        self,
        account: ServiceAccount,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        body: Json | None = None,
        content_type: str | None = None,
    ) -> ApiAnswer | ApiError:
        """Return the answer, or why it was refused; raises ApiUnavailable when nobody can tell."""
        headers = account.headers | ({"Content-Type": content_type} if content_type else {})
        response = await self._api.exchange(method, path, query=query, body=body, headers=headers)
        # An answer of webhooks, or to an object that no schema allows: asked again, the server would say the same.
        reading = partial(read_refusal, response) if response.status == _INTERNAL else partial(read_answer, method, path, response)
        refusal: Json | ApiError | None = await off_loop(response.data, reading)
        if isinstance(refusal, ApiError):
            return refusal
        warnings = tuple(_ESCAPED.sub(r"\1", found[1]) for text in response.warnings for found in _WARNING.finditer(text))
        return ApiAnswer(refusal or {}, created=response.status == 201, warnings=warnings, octets=len(response.data))  # noqa: PLR2004

    async def watch(
        self, account: ServiceAccount, path: str, name: str, *, version: str | None, seconds: int
    ) -> AsyncGenerator[Change | ApiError]:
        """Yield what becomes of one object of a collection, for about that long; without a version it begins with what is there.

        An ApiError ends it; status 410 means that the version is too old. Raises ApiUnavailable when it breaks off.
        """
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={_escaped(name)}",
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "true",
        }
        if version is not None:
            query["resourceVersion"] = version
        async with self._api.stream(path, query=query, headers=account.headers, seconds=seconds + WATCH_SLACK_SECONDS) as lines:
            if isinstance(lines, Response):
                yield _refused(path, lines)
                return
            async for line in lines_of(lines):
                change = await off_loop(line, partial(_read, line))
                del line  # nothing is kept of what may be large while the next one is waited for
                yield change
                if isinstance(change, ApiError):
                    return
                del change


def _refused(path: str, response: Response) -> ApiError:
    refusal = read_refusal(response)
    if refusal is None or response.status > _INTERNAL or response.status in RETRYABLE:
        raise ApiUnavailable(f"watch {path}: HTTP {response.status}")
    return refusal


def _read(line: bytes) -> Change | ApiError:
    try:
        event = parse_shallow(line)
    except ValueError as error:
        raise ApiUnavailable("a watch broke off in the middle of an event") from error
    body: Json = event["object"]
    if event["type"] == "ERROR":
        return ApiError(body.get("code") or _INTERNAL, body.get("reason") or "", body.get("message") or "")
    return Change(event["type"], body, len(line))


def _escaped(value: str) -> str:
    """Return a value as a field selector spells it: Kubernetes' fields.EscapeValue."""
    return _TO_ESCAPE.sub(r"\\\1", value)
