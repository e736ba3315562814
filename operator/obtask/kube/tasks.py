"""Owns reading and writing OBTask objects."""

from http import HTTPStatus

from obtask import names
from obtask.kube.api import ApiError, Json, Requests, path_of
from obtask.model.command import Command
from obtask.model.packed import fault_of
from obtask.model.status import TaskStatus
from obtask.model.task import Key, Task, Unreadable


class Tasks:
    """OBTasks in the API server. Every write carries the resourceVersion and uid that were read."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def get(self, key: Key) -> Json | ApiError:
        """Return the object as it is now."""
        return await self._api.send("GET", _path(key))

    async def write_status(self, task: Task | Unreadable, status: TaskStatus) -> Json | ApiError:
        """Store the status; return the object that results."""
        return await self._put_status(task, status.dump())

    async def _put_status(self, task: Task | Unreadable, status: Json) -> Json | ApiError:
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": _version(task), "status": status}
        return await self._api.send("PUT", f"{_path(task.key)}/status", query=_MANAGER, body=body)

    async def amend_status(self, task: Task | Unreadable, change: Json) -> Json | ApiError:
        """Change some fields of a status that is kept as it is otherwise; return the object that results.

        An ApiError that is neither ``conflict`` nor ``missing`` may also mean that the status cannot be kept.
        """
        answer = await self.get(task.key)
        if isinstance(answer, ApiError):
            return answer
        if answer["metadata"]["resourceVersion"] != task.metadata.resource_version:
            return ApiError(HTTPStatus.CONFLICT, "Conflict", "it has changed meanwhile")
        status = answer.get("status") or {}
        if (unfit := fault_of(status)) is not None:
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Unreadable", unfit)
        return await self._put_status(task, {key: value for key, value in (status | change).items() if value is not None})

    async def adopt(self, task: Task | Unreadable, *, guard: bool) -> Json | ApiError:
        """Note in the task which object it is; ``guard``: put the finalizer on, too. Return the object that results."""
        finalizers = {"finalizers": list(dict.fromkeys([*task.metadata.finalizers, names.FINALIZER]))} if guard else {}
        return await self._patch(task, {"annotations": _adopted(task)} | finalizers)

    async def remove_finalizer(self, task: Task | Unreadable) -> Json | ApiError:
        """Take the finalizer off, and the note of the last command with it; return the object that results."""
        change: Json = {"finalizers": [other for other in task.metadata.finalizers if other != names.FINALIZER]}
        if names.ACCEPTED_COMMAND_ANNOTATION in task.metadata.annotations:
            change["annotations"] = {names.ACCEPTED_COMMAND_ANNOTATION: None}
        return await self._patch(task, change)

    async def note_command(self, task: Task | Unreadable, command: Command) -> Json | ApiError:
        """Take the command annotations off and note the command, in one write; return the object that results."""
        taken = (
            names.ACTION_ANNOTATION,
            names.GROUP_ACTION_ANNOTATION,
            names.ACTION_REASON_ANNOTATION,
            names.ACTION_OPTION_ANNOTATION,
            names.REQUESTED_BY_ANNOTATION,
        )
        note = command.model_dump_json(by_alias=True, exclude_none=True)
        return await self._patch(task, {"annotations": dict.fromkeys(taken) | _adopted(task) | {names.ACCEPTED_COMMAND_ANNOTATION: note}})

    async def delete(self, key: Key, uid: str, version: str | None = None) -> Json | ApiError:
        """Delete this very object, not a namesake; if a version is given, only as long as it has that version."""
        same = {"uid": uid} if version is None else {"uid": uid, "resourceVersion": version}
        return await self._api.send("DELETE", _path(key), body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": same})

    async def _patch(self, task: Task | Unreadable, metadata: Json) -> Json | ApiError:
        return await self._api.send("PATCH", _path(task.key), query=_MANAGER, body={"metadata": _version(task) | metadata})


_MANAGER = {"fieldManager": names.FIELD_MANAGER}


def _path(key: Key) -> str:
    return path_of("apis", names.GROUP, names.VERSION, "namespaces", key.namespace, names.PLURAL, key.name)


def _adopted(task: Task | Unreadable) -> dict[str, str | None]:
    return {names.ADOPTED_ANNOTATION: task.metadata.uid}


def _version(task: Task | Unreadable) -> Json:
    meta = task.metadata
    return {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version}
