"""Owns ConfigMaps that the operator has made, as many: finding those of a task, and deleting one."""

from obtask import names
from obtask.kube.api import ApiError, Inspects, Json, path_of

PAGE = 500
MOST_PAGES = 20  # anybody may put the label on a ConfigMap
MOST_PAGES_OF_ALL = 4
LONGEST_NOTE = 256
NOTES = (
    names.STEP_ANNOTATION,
    names.SUBTASK_ANNOTATION,
    names.DIRECTION_ANNOTATION,
    names.ATTEMPT_ANNOTATION,
    names.STARTED_AT_ANNOTATION,
    names.FINISHED_AT_ANNOTATION,
    names.REASON_ANNOTATION,
    names.CODE_ANNOTATION,
    names.LOG_BYTES_ANNOTATION,
)


class ConfigMaps:
    """ConfigMaps of tasks in the API server."""

    def __init__(self, api: Inspects) -> None:
        self._api = api

    async def of_task(self, namespace: str, uid: str) -> list[Json] | ApiError:
        """Return the metadata of the ConfigMaps that bear the task's label, whoever made them; 10,000 of them at most.

        What others may have written there, of any size, is left out.
        """
        return await self._listed(namespace, f"{names.TASK_UID_LABEL}={uid}", MOST_PAGES)

    async def of_tasks(self, namespace: str) -> list[Json] | ApiError:
        """Return the same of all tasks of a namespace; 2,000 of them at most."""
        return await self._listed(namespace, names.TASK_UID_LABEL, MOST_PAGES_OF_ALL)

    async def _listed(self, namespace: str, selector: str, pages: int) -> list[Json] | ApiError:
        query = {"labelSelector": selector, "limit": str(PAGE)}
        listed: list[Json] = []
        for _ in range(pages):
            answer = await self._api.metadata(path_of("api", "v1", "namespaces", namespace, "configmaps"), query=query)
            if isinstance(answer, ApiError):
                return answer
            listed += [_of_interest(item["metadata"]) for item in answer.get("items") or []]
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                break
            query["continue"] = token
        return listed

    async def delete(self, namespace: str, name: str, uid: str) -> Json | ApiError:
        """Delete the ConfigMap of this name and uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        return await self._api.send("DELETE", path_of("api", "v1", "namespaces", namespace, "configmaps", name), body=body)


def _of_interest(meta: Json) -> Json:
    uid = (meta.get("labels") or {}).get(names.TASK_UID_LABEL)
    notes = meta.get("annotations") or {}
    short = {key: notes[key] for key in NOTES if len(notes.get(key, "")) <= LONGEST_NOTE and key in notes}
    owners = [owner for owner in meta.get("ownerReferences") or [] if (owner.get("kind"), owner.get("uid")) == (names.KIND, uid)]
    return {key: meta.get(key) for key in ("name", "uid", "creationTimestamp")} | {"annotations": short, "ownerReferences": owners[:1]}
