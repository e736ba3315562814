"""Owns the other objects a task needs: Secrets to read, ConfigMaps to write and read."""

from http import HTTPStatus

from obtask import names
from obtask.kube.api import ApiError, BadName, Json, Requests, path_of


class Objects:
    """Secrets and ConfigMaps in the API server."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def secret(self, namespace: str, name: str) -> Json | ApiError:
        """Return a Secret as it is now."""
        return await self._get(namespace, "secrets", name)

    async def config_map(self, namespace: str, name: str) -> Json | ApiError:
        """Return a ConfigMap as it is now."""
        return await self._get(namespace, "configmaps", name)

    async def _get(self, namespace: str, plural: str, name: str) -> Json | ApiError:
        try:
            path = path_of("api", "v1", "namespaces", namespace, plural, name)
        except BadName as error:
            return ApiError(HTTPStatus.BAD_REQUEST, "BadRequest", str(error))
        return await self._api.send("GET", path)

    async def replace_config_map(self, manifest: Json, uid: str) -> Json | ApiError:
        """Replace the ConfigMap of this name and uid; another one of its name, or one that is gone, is refused."""
        meta = manifest["metadata"]
        path = path_of("api", "v1", "namespaces", meta["namespace"], "configmaps", meta["name"])
        body = {**manifest, "metadata": {**meta, "uid": uid}}
        return await self._api.send("PUT", path, query={"fieldManager": names.FIELD_MANAGER}, body=body)

    async def create_config_map(self, manifest: Json) -> Json | ApiError:
        """Create a ConfigMap; an ApiError with ``conflict`` means that it exists already."""
        path = path_of("api", "v1", "namespaces", manifest["metadata"]["namespace"], "configmaps")
        return await self._api.send("POST", path, query={"fieldManager": names.FIELD_MANAGER}, body=manifest)
