"""Owns reading and writing OBTask objects, and reading the templates that they name."""

import json
from http import HTTPStatus

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, Json, Requests, path_of
from obtask.kube.errors import explained
from obtask.kube.templates import template_path
from obtask.model.command import Command
from obtask.model.packed import fault_of
from obtask.model.status import TaskStatus
from obtask.model.task import Key, Task, Unreadable
from obtask.model.template import Template, read_template
from obtask.rules.decision import MarkTask


class Tasks:
    """OBTasks in the API server. Every write carries the resourceVersion and uid that were read."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def get(self, key: Key) -> Json | ApiError:
        """Return the object as it is now."""
        return await self._api.send("GET", task_path(key))

    async def write_status(self, task: Task | Unreadable, status: TaskStatus) -> Json | ApiError:
        """Store the status; return the object that results."""
        return await self._put_status(task, status.dump())

    async def _put_status(self, task: Task | Unreadable, status: Json) -> Json | ApiError:
        body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": _version(task), "status": status}
        return await self._api.send("PUT", f"{task_path(task.key)}/status", query=_MANAGER, body=body)

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

    async def adopt(self, task: Task, mark: MarkTask) -> Json | ApiError:
        """Mark the task, in one write; return the object that results."""
        finalizers = {"finalizers": list(dict.fromkeys([*task.metadata.finalizers, names.FINALIZER]))} if mark.guard else {}
        expanded = mark.expanded
        if expanded is None:
            return await self._patch(task, {"annotations": _adopted(task)} | finalizers)
        noted = _adopted(task) | {names.TEMPLATE_ANNOTATION: json.dumps(expanded.note.dump(), ensure_ascii=False, separators=(",", ":"))}
        return await self._patch(task, {"annotations": noted} | finalizers, spec={"steps": list(expanded.steps)})

    async def template(self, task: Task) -> Template | None:
        """Return the template that the task names, or None if there is none; raises ApiForbidden if it cannot be read."""
        ref = task.plan.template_ref
        if ref is None:
            return None
        answer = await self._api.send("GET", template_path(ref.kind, task.metadata.namespace, ref.name))
        if isinstance(answer, ApiError) and not answer.missing:
            raise ApiForbidden(f"cannot read {ref}: {explained(answer)}")
        return None if isinstance(answer, ApiError) else read_template(ref.kind, answer)

    async def remove_finalizer(self, task: Task | Unreadable) -> Json | ApiError:
        """Take the finalizer off, and the note of the last command with it; return the object that results."""
        change: Json = {"finalizers": [other for other in task.metadata.finalizers if other != names.FINALIZER]}
        if names.ACCEPTED_COMMAND_ANNOTATION in task.metadata.annotations:
            change["annotations"] = {names.ACCEPTED_COMMAND_ANNOTATION: None}
        return await self._patch(task, change)

    async def note_command(self, task: Task | Unreadable, command: Command, *, again: bool = False) -> Json | ApiError:
        """Take the command annotations off and note the command, in one write; return the object that results.

        ``again``: only the note is written anew. What is in the command annotations is another command, and stays.
        """
        given = (
            names.ACTION_ANNOTATION,
            names.GROUP_ACTION_ANNOTATION,
            names.ACTION_REASON_ANNOTATION,
            names.ACTION_OPTION_ANNOTATION,
            names.REQUESTED_BY_ANNOTATION,
            names.APPROVER_GROUP_ANNOTATION,
        )
        taken = (*(() if again else given), names.GROUPS_STAMPED_ANNOTATION)
        note = command.model_dump_json(by_alias=True, exclude_none=True)
        return await self._patch(task, {"annotations": dict.fromkeys(taken) | _adopted(task) | {names.ACCEPTED_COMMAND_ANNOTATION: note}})

    async def delete(self, key: Key, uid: str, version: str | None = None) -> Json | ApiError:
        """Delete this very object, not a namesake; if a version is given, only as long as it has that version."""
        same = {"uid": uid} if version is None else {"uid": uid, "resourceVersion": version}
        return await self._api.send("DELETE", task_path(key), body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": same})

    async def _patch(self, task: Task | Unreadable, metadata: Json, **more: Json) -> Json | ApiError:
        return await self._api.send("PATCH", task_path(task.key), query=_MANAGER, body={"metadata": _version(task) | metadata, **more})


_MANAGER = {"fieldManager": names.FIELD_MANAGER}


def task_path(key: Key) -> str:
    """Return the path of a task; raises kube.api.BadName."""
    return path_of("apis", names.GROUP, names.VERSION, "namespaces", key.namespace, names.PLURAL, key.name)


def _adopted(task: Task | Unreadable) -> dict[str, str | None]:
    return {names.ADOPTED_ANNOTATION: task.metadata.uid}


def _version(task: Task | Unreadable) -> Json:
    meta = task.metadata
    return {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version}
