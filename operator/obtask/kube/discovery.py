"""Owns API discovery: where objects of a kind are served, and the schema that is published for our kind."""

from dataclasses import dataclass
from typing import Any

from obtask import names
from obtask.kube.api import ApiError, BadName, Requests, path_of

GROUP_VERSION_KIND = {"group": names.GROUP, "version": names.VERSION, "kind": names.KIND}


@dataclass(frozen=True, slots=True)
class Served:
    """A kind as the API server serves it. ``with_status``: its status is changed apart from the rest, at a path of its own."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    with_status: bool = False

    def collection(self, namespace: str | None) -> str:
        """Return the path of all objects of the kind, in a namespace if the kind has them."""
        scope = ("namespaces", namespace) if namespace is not None else ()
        return path_of(*_root(self.api_version), *scope, self.plural)


class Discovery:
    """The kinds that the API server serves."""

    def __init__(self, api: Requests) -> None:
        self._api = api
        self._known: dict[tuple[str, str], Served] = {}

    async def find(self, api_version: str, kind: str) -> Served | ApiError:
        """Return how a kind is served; an ApiError that is ``missing`` says that it is not. Raises ApiUnavailable."""
        cached = self._known.get((api_version, kind))
        return cached or await self._ask(api_version, kind)

    def forget(self, served: Served) -> None:
        """Take note that the API server says that it has no such kind: what was remembered of it is not true any more."""
        self._known.pop((served.api_version, served.kind), None)

    async def _ask(self, api_version: str, kind: str) -> Served | ApiError:
        missing = ApiError(404, "NotFound", f'the API server has no kind "{kind}" in {api_version}')
        try:
            path = path_of(*_root(api_version))
        except BadName:
            return missing
        answer = await self._api.send("GET", path)
        if isinstance(answer, ApiError):
            return missing if answer.missing else answer
        served = _served(api_version, kind, answer.get("resources"))
        if served is None:
            return missing
        self._known[api_version, kind] = served  # no more than was asked for: an aggregated API may list what it likes
        return served


def is_about_kind(error: ApiError) -> bool:
    """Return whether a refusal says that there are no objects of the kind at all, rather than not this one.

    An API server has these words for paths that it does not serve; of an object that is missing it gives the name.
    """
    words = error.message.strip()
    return error.missing and (words == "404 page not found" or "could not find the requested resource" in words)


def _served(api_version: str, kind: str, resources: Any) -> Served | None:
    """Return how a discovery document says that the kind is served; what is no description of a kind is passed over."""
    listed = resources if isinstance(resources, list) else []
    for resource in listed:
        match resource:
            case {"kind": str(its), "name": str(plural), "namespaced": bool(namespaced)} if its == kind and "/" not in plural:
                status = any(isinstance(one, dict) and one.get("name") == f"{plural}/status" for one in listed)
                return Served(api_version, kind, plural, namespaced, with_status=status)
    return None


def _root(api_version: str) -> tuple[str, ...]:
    group, _, version = api_version.rpartition("/")
    return ("apis", group, version) if group else ("api", version)


async def published_schema(api: Requests) -> dict[str, Any] | ApiError:
    """Return the schema of OBTask from the OpenAPI documents, which every user may read, also without a right to read the CRD.

    An ApiError that is ``missing`` says that there is none, or none yet. Raises kube.api.ApiUnavailable.
    """
    answer = await api.send("GET", path_of("openapi", "v3", "apis", names.GROUP, names.VERSION))
    if isinstance(answer, ApiError):
        return answer
    for schema in answer.get("components", {}).get("schemas", {}).values():
        if GROUP_VERSION_KIND in schema.get("x-kubernetes-group-version-kind", ()):
            return dict(schema)
    return ApiError(404, "NotFound", f"the API server publishes no {names.KIND}")
