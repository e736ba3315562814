"""Owns changing an object: keeping what was there if it may have to be put back, then the change itself."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from obtask.executors.resource.keeping import Keeping
from obtask.executors.resource.objects import Target, field_manager
from obtask.executors.resource.seen import version_of
from obtask.executors.resource.target import Conversation
from obtask.kube.api import Json, Refusal
from obtask.kube.client import MERGE_PATCH
from obtask.kube.impersonation import APPLY, Answer
from obtask.model.attempt import Attempt, Failed
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.status import FailureReason

UNCHANGED = "unchanged"
TRIES = 4  # a write between the server's read and its write refuses a change that asks for no particular version


async def change(conversation: Conversation, keeping: Keeping, attempt: Attempt, action: ResourceAction, target: Target) -> str | Failed:
    """Change the object; return what that did. Those that are large are changed a few at once."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(conversation.room())
        before = await conversation.read(target)
        if not conversation.is_large:
            await stack.aclose()
        return await _changed(conversation, keeping, attempt, action, target, before=before)


async def _changed(
    conversation: Conversation, keeping: Keeping, attempt: Attempt, action: ResourceAction, target: Target, *, before: Json | Refusal
) -> str | Failed:
    if isinstance(before, Refusal) and conversation.kind_is_gone:
        return conversation.failed(before, target)
    undo = attempt.counterpart
    if isinstance(undo, ResourceAction) and undo.restore:
        if "status" in _patched(action, target):
            return Failed(FailureReason.EXPECTATION_NOT_MET, f"the status of {target} cannot be put back by restore; nothing was changed")
        trouble = await keeping.keep(conversation, attempt, target, before)
        if trouble is not None:
            return trouble
    verb = "applying" if action.apply is not None else "patching"
    conversation.log.write(f"{verb} {target} ({target.served.api_version}) as {conversation.account.user}")
    answer = await _send(conversation, attempt, action, target)
    if isinstance(answer, Refusal):
        return conversation.failed(answer, target)
    if target.served.with_status and action.apply is not None and "status" in action.apply:
        conversation.log.write("status: left out by the API server, as kinds like this have it changed apart; a patch can do that")
    effect = _effect(before, answer)
    if effect == UNCHANGED:
        conversation.report.touched = False
    did = f"{target} {effect}"
    conversation.log.write(f"{did}, {version_of(answer.body)}")
    return did


async def _send(conversation: Conversation, attempt: Attempt, action: ResourceAction, target: Target) -> Answer | Refusal:
    query = {"fieldManager": field_manager(attempt), "fieldValidation": "Strict"}
    if action.apply is not None:
        return await _insist(conversation, target.path, query | {"force": "true"}, _placed(action.apply, target), APPLY)
    *first, last = _parts(action, target)
    for path, body in first:
        answer = await _insist(conversation, path, query, body, MERGE_PATCH)
        if isinstance(answer, Refusal):
            return answer
    return await _insist(conversation, last[0], query, last[1], MERGE_PATCH)


async def _insist(conversation: Conversation, path: str, query: Mapping[str, str], body: Json, content_type: str) -> Answer | Refusal:
    answer = await conversation.write("PATCH", path, query=query, body=body, content_type=content_type)
    for _ in range(TRIES - 1):
        if not isinstance(answer, Refusal) or not answer.conflict or _asks_for_version(body):
            break
        answer = await conversation.write("PATCH", path, query=query, body=body, content_type=content_type)
    return answer


def _patched(action: ResourceAction, target: Target) -> Json:
    """Return the status that a patch changes at the status's own path, if it does: sent with the rest, it would be left out silently."""
    body = action.patch.patch if action.patch else {}
    return {"status": body["status"]} if target.served.with_status and "status" in body else {}


def _parts(action: ResourceAction, target: Target) -> list[tuple[str, Json]]:
    """Return the patches that make up the action's: of the object, and of its status if that is changed apart."""
    body, status = action.patch.patch if action.patch else {}, _patched(action, target)
    if not status:
        return [(target.path, body)]
    rest = {field: value for field, value in body.items() if field != "status"}
    if rest.keys() <= {"apiVersion", "kind", "metadata"} and set(rest.get("metadata") or {}) <= {"name", "namespace", "resourceVersion"}:
        return [(target.status_path, body)]
    return [(target.path, rest), (target.status_path, status)]


def _placed(manifest: Json, target: Target) -> Json:
    if target.namespace is None:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": target.namespace}}


def _asks_for_version(body: Json) -> bool:
    meta = body.get("metadata")
    return isinstance(meta, dict) and meta.get("resourceVersion") is not None


def _effect(before: Json | Refusal, answer: Answer) -> str:
    if answer.created:
        return "created"
    same = not isinstance(before, Refusal) and _content(before) == _content(answer.body)
    return UNCHANGED if same else "changed"


def _content(live: Json) -> Json:
    """Return an object without the record of who applied what: that a field has one more owner is no change of the object."""
    meta = {key: value for key, value in live["metadata"].items() if key not in {"managedFields", "resourceVersion"}}
    return {**live, "metadata": meta}
