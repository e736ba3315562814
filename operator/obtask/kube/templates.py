"""Owns reading templates, and writing what the operator says of them."""

from collections.abc import Iterator

from obtask import names
from obtask.kube.api import ApiError, Inspects, Json, path_of
from obtask.model.template import Template, TemplateStatus
from obtask.model.template_contract import TemplateKind

CACHED = {"resourceVersion": "0"}  # as the API server remembers it: what is missed now is seen the next time


class Templates:
    """The templates of some namespaces, or of all when none is named, and those of the cluster."""

    def __init__(self, api: Inspects, namespaces: tuple[str, ...]) -> None:
        self._api = api
        self._namespaces = namespaces

    async def heads(self, kind: TemplateKind) -> list[Json]:
        """Return the metadata of all templates of a kind that can be listed; none where it is not installed, or not allowed."""
        found: list[Json] = []
        for path in self._collections(kind):
            answer = await self._api.metadata(path, query=CACHED)
            items = [] if isinstance(answer, ApiError) else answer.get("items") or []
            found += [item["metadata"] for item in items if isinstance(item, dict) and isinstance(item.get("metadata"), dict)]
        return found

    async def get(self, kind: TemplateKind, head: Json) -> Json | ApiError:
        """Return a template as it is now."""
        return await self._api.send("GET", self._path(kind, head))

    async def write_status(self, template: Template, status: TemplateStatus) -> Json | ApiError:
        """Store the status of a template at the version that was read; return the object that results."""
        meta = template.metadata
        head: Json = {"name": meta.name, "uid": meta.uid, "resourceVersion": meta.resource_version}
        head |= {"namespace": meta.namespace} if meta.namespace else {}
        body: Json = {"apiVersion": names.API_VERSION, "kind": template.kind.value, "metadata": head, "status": status.dump()}
        path = f"{self._path(template.kind, head)}/status"
        return await self._api.send("PUT", path, query={"fieldManager": names.FIELD_MANAGER}, body=body)

    def _collections(self, kind: TemplateKind) -> Iterator[str]:
        scopes: list[tuple[str, ...]] = [("namespaces", namespace) for namespace in self._namespaces] if kind.namespaced else []
        for scope in scopes or [()]:
            yield path_of("apis", names.GROUP, names.VERSION, *scope, kind.plural)

    def _path(self, kind: TemplateKind, head: Json) -> str:
        return template_path(kind, head.get("namespace", ""), head["name"])


def template_path(kind: TemplateKind, namespace: str, name: str) -> str:
    """Return the path of a template; the namespace counts where its kind has any."""
    scope = ("namespaces", namespace) if kind.namespaced else ()
    return path_of("apis", names.GROUP, names.VERSION, *scope, kind.plural, name)
