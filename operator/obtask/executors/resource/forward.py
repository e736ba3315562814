"""Owns changing an object: keeping what was there if it may have to be put back, then the change itself."""

from obtask.executors.resource import kept
from obtask.executors.resource.conversation import Conversation
from obtask.executors.resource.seen import version_of
from obtask.executors.resource.target import Target, field_manager
from obtask.kube.api import MERGE_PATCH, Json, Refusal
from obtask.kube.impersonation import APPLY, Answer
from obtask.kube.objects import Objects
from obtask.model.attempt import Attempt, Failed
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.limits import one_line
from obtask.model.status import FailureReason

TRIES = 4  # a write between the server's read and its write refuses a change that asks for no particular version
KIB = 1024


async def change(conversation: Conversation, objects: Objects, attempt: Attempt, action: ResourceAction, target: Target) -> str | Failed:
    """Change the object; return what that did."""
    before = await conversation.read(target)
    undo = attempt.counterpart
    if isinstance(undo, ResourceAction) and undo.restore:
        trouble = await _keep(conversation, objects, attempt, target, before)
        if trouble is not None:
            return trouble
    verb = "applying" if action.apply is not None else "patching"
    conversation.log.write(f"{verb} {target} ({target.served.api_version}) as {conversation.account.user}")
    answer = await _send(conversation, attempt, action, target)
    if isinstance(answer, Refusal):
        return conversation.failed(answer, target)
    did = f"{target} {_effect(before, answer)}"
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
    return "unchanged" if same else "changed"


async def _keep(conversation: Conversation, objects: Objects, attempt: Attempt, target: Target, before: Json | Refusal) -> Failed | None:
    """Keep the object for restore, unless an earlier attempt did; return why that cannot be, and then nothing is to be changed."""
    if isinstance(before, Refusal) and not before.missing:
        return conversation.failed(before, target)
    if target.is_secret:
        return Failed(FailureReason.FORBIDDEN, "a Secret is not kept for restore; nothing was changed")
    text = kept.text_of(None if isinstance(before, Refusal) else kept.own_fields(before))
    size = len(text.encode())
    if size > kept.LARGEST_BYTES:
        message = f"{target} takes {size // KIB} KiB, more than the {kept.LARGEST_BYTES // KIB} KiB that can be kept for restore"
        return Failed(FailureReason.EXPECTATION_NOT_MET, f"{message}; nothing was changed")
    stored = await conversation.persist(lambda: objects.create_config_map(kept.manifest(attempt, text)))
    if isinstance(stored, Refusal) and not stored.conflict:
        message = one_line(f"what is there now cannot be kept for restore, so nothing was changed: {stored.message}")
        return Failed(FailureReason.FORBIDDEN, message, str(stored.status))
    when = "before" if isinstance(stored, Refusal) else "now"
    conversation.log.write(f"kept {when} for restore in ConfigMap {kept.name_of(attempt)}: {size} bytes")
    return None
