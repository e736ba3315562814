"""Owns the other objects a task needs: Secrets to read, ConfigMaps with logs to write."""

from obtask import names
from obtask.kube.api import Json, Refusal, Requests, path_of


class Objects:
    """Secrets and ConfigMaps in the API server."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def secret(self, namespace: str, name: str) -> Json | Refusal:
        """Return a Secret as it is now."""
        return await self._api.send("GET", path_of("api", "v1", "namespaces", namespace, "secrets", name))

    async def config_map(self, namespace: str, name: str) -> Json | Refusal:
        """Return a ConfigMap as it is now."""
        return await self._api.send("GET", path_of("api", "v1", "namespaces", namespace, "configmaps", name))

    async def put_config_map(self, manifest: Json) -> Json | Refusal:
        """Create a ConfigMap, or replace the one of this name."""
        place = ("api", "v1", "namespaces", manifest["metadata"]["namespace"], "configmaps")
        query = {"fieldManager": names.FIELD_MANAGER}
        answer = await self._api.send("POST", path_of(*place), query=query, body=manifest)
        if isinstance(answer, Refusal) and answer.conflict:
            return await self._api.send("PUT", path_of(*place, manifest["metadata"]["name"]), query=query, body=manifest)
        return answer
