"""Owns changing an object: keeping what was there if it may have to be put back, then the change itself."""

from obtask.executors.resource.conversation import Conversation
from obtask.executors.resource.keeping import Keeping
from obtask.executors.resource.seen import version_of
from obtask.executors.resource.target import Target, field_manager
from obtask.kube.api import Json, Refusal
from obtask.kube.client import MERGE_PATCH
from obtask.kube.impersonation import APPLY, Answer
from obtask.model.attempt import Attempt, Failed
from obtask.model.kubernetes_actions import ResourceAction

UNCHANGED = "unchanged"
TRIES = 4  # a write between the server's read and its write refuses a change that asks for no particular version


async def change(conversation: Conversation, keeping: Keeping, attempt: Attempt, action: ResourceAction, target: Target) -> str | Failed:
    """Change the object; return what that did."""
    before = await conversation.read(target)
    undo = attempt.counterpart
    if isinstance(undo, ResourceAction) and undo.restore:
        trouble = await keeping.keep(conversation, attempt, target, before)
        if trouble is not None:
            return trouble
    verb = "applying" if action.apply is not None else "patching"
    conversation.log.write(f"{verb} {target} ({target.served.api_version}) as {conversation.account.user}")
    answer = await _send(conversation, attempt, action, target)
    if isinstance(answer, Refusal):
        return conversation.failed(answer, target)
    effect = _effect(before, answer)
    if effect == UNCHANGED:
        conversation.report.touched = False
    did = f"{target} {effect}"
    conversation.log.write(f"{did}, {version_of(answer.body)}")
    return did


async def _send(conversation: Conversation, attempt: Attempt, action: ResourceAction, target: Target) -> Answer | Refusal:
    query = {"fieldManager": field_manager(attempt), "fieldValidation": "Strict"}
    if action.apply is not None:
        body, content_type = _placed(action.apply, target), APPLY
        query["force"] = "true"
    else:
        body, content_type = action.patch.patch if action.patch else {}, MERGE_PATCH
    answer = await conversation.write("PATCH", target.path, query=query, body=body, content_type=content_type)
    for _ in range(TRIES - 1):
        if not isinstance(answer, Refusal) or not answer.conflict or _asks_for_version(body):
            break
        answer = await conversation.write("PATCH", target.path, query=query, body=body, content_type=content_type)
    return answer


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
    same = not isinstance(before, Refusal) and before["metadata"]["resourceVersion"] == answer.body["metadata"]["resourceVersion"]
    return UNCHANGED if same else "changed"
