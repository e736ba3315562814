"""Owns reading the schema that the API server publishes for our kind: every user may, who may read no CustomResourceDefinition."""

from typing import Any

from obtask import names
from obtask.kube.api import Refusal, Requests, path_of

GROUP_VERSION_KIND = {"group": names.GROUP, "version": names.VERSION, "kind": names.KIND}


async def published_schema(api: Requests) -> dict[str, Any] | Refusal:
    """Return the schema of OBTask; a Refusal that is ``missing`` says that there is none, or none yet. Raises kube.api.Unavailable."""
    answer = await api.send("GET", path_of("openapi", "v3", "apis", names.GROUP, names.VERSION))
    if isinstance(answer, Refusal):
        return answer
    for schema in answer.get("components", {}).get("schemas", {}).values():
        if GROUP_VERSION_KIND in schema.get("x-kubernetes-group-version-kind", ()):
            return dict(schema)
    return Refusal(404, "NotFound", f"the API server publishes no {names.KIND}")
