"""Owns changing an object, and restoring it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

from obtask.executors.resource.kept import Keeping, Kept, lost, name_of
from obtask.executors.resource.objects import Target, field_manager, identity_of
from obtask.executors.resource.target import ResourceConversation
from obtask.executors.resource.until import until_gone
from obtask.executors.resource.words import version_of
from obtask.kube.api import ApiError, Json
from obtask.kube.client import MERGE_PATCH
from obtask.kube.impersonation import APPLY, ApiAnswer
from obtask.model.attempt import NOTHING_KEPT, Attempt, Failed
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.reasons import FailureReason

UNCHANGED = "unchanged"
WRITE_TRIES = 4  # a write between the server's read and its write refuses a change that asks for no particular version
RESTORE_TRIES = 10  # each one lost to somebody who wrote in between


async def change(
    conversation: ResourceConversation, keeping: Keeping, attempt: Attempt, action: ResourceAction, target: Target
) -> str | Failed:
    """Change the object; return what that did. Those that are large are changed a few at once."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(conversation.room())
        before = await conversation.read(target)
        if not conversation.is_large:
            await stack.aclose()
        return await _changed(conversation, keeping, attempt, action, target, before=before)


async def _changed(
    conversation: ResourceConversation,
    keeping: Keeping,
    attempt: Attempt,
    action: ResourceAction,
    target: Target,
    *,
    before: Json | ApiError,
) -> str | Failed:
    if isinstance(before, ApiError) and conversation.kind_is_gone:
        return conversation.failed(before, target)
    if action.create_only and not isinstance(before, ApiError) and not _changed_by(before, attempt):
        return Failed(FailureReason.EXPECTATION_NOT_MET, f"{target} exists already; nothing was changed")
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
    if isinstance(answer, ApiError):
        return conversation.failed(answer, target)
    if target.served.with_status and action.apply is not None and "status" in action.apply:
        conversation.log.write("status: left out by the API server, as kinds like this have it changed apart; a patch can do that")
    effect = _effect(before, answer)
    if effect == UNCHANGED:
        conversation.report.touched = False
    did = f"{target} {effect}"
    conversation.log.write(f"{did}, {version_of(answer.body)}")
    return did


async def _send(conversation: ResourceConversation, attempt: Attempt, action: ResourceAction, target: Target) -> ApiAnswer | ApiError:
    query = {"fieldManager": field_manager(attempt), "fieldValidation": "Strict"}
    if action.apply is not None:
        return await _insist(conversation, target.path, query | {"force": "true"}, _placed(action.apply, target), APPLY)
    *first, last = _parts(action, target)
    for path, body in first:
        answer = await _insist(conversation, path, query, body, MERGE_PATCH)
        if isinstance(answer, ApiError):
            return answer
    return await _insist(conversation, last[0], query, last[1], MERGE_PATCH)


async def _insist(
    conversation: ResourceConversation, path: str, query: Mapping[str, str], body: Json, content_type: str
) -> ApiAnswer | ApiError:
    answer = await conversation.write("PATCH", path, query=query, body=body, content_type=content_type)
    for _ in range(WRITE_TRIES - 1):
        if not isinstance(answer, ApiError) or not answer.conflict or _asks_for_version(body):
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


def _effect(before: Json | ApiError, answer: ApiAnswer) -> str:
    if answer.created:
        return "created"
    same = not isinstance(before, ApiError) and _content(before) == _content(answer.body)
    return UNCHANGED if same else "changed"


def _content(live: Json) -> Json:
    """Return an object without the record of who applied what: that a field has one more owner is no change of the object."""
    meta = {key: value for key, value in live["metadata"].items() if key not in {"managedFields", "resourceVersion"}}
    return {**live, "metadata": meta}


async def restore(conversation: ResourceConversation, keeping: Keeping, attempt: Attempt, target: Target | Failed) -> str | Failed:
    """Put the object back; return what that did."""
    if isinstance(target, Failed):
        return "nothing to put back: the step changed nothing" if attempt.kept == NOTHING_KEPT else target
    before = await keeping.find(conversation, attempt, target)
    if isinstance(before, Failed):
        return replace(before, message=f"{before.message}: put {target} back by hand")
    if before is None:
        return await _nothing_kept(conversation, attempt, target)
    if before.body is not None and identity_of(before.body) != target.identity:
        return Failed(FailureReason.FORBIDDEN, f"another object than {target} was kept: put it back by hand")
    for _ in range(RESTORE_TRIES):
        end = await _put_back(conversation, attempt, target, before)
        if not isinstance(end, Failed) or end.reason is not FailureReason.EXPECTATION_NOT_MET:
            return end
    return end


async def _nothing_kept(conversation: ResourceConversation, attempt: Attempt, target: Target) -> str | Failed:
    """Keeping comes first: without it the step changed nothing, unless the object itself says otherwise."""
    live = await conversation.read(target)
    if not isinstance(live, ApiError) and _changed_by(live, attempt):
        return Failed(FailureReason.NOT_FOUND, f"{lost(name_of(attempt, attempt.kept), target)}: put it back by hand")
    return "nothing to put back: the step changed nothing"


async def _put_back(conversation: ResourceConversation, attempt: Attempt, target: Target, before: Kept) -> str | Failed:
    """Try once, against the object as it is now; ExpectationNotMet says that it changed meanwhile."""
    live = await conversation.read(target)
    if isinstance(live, ApiError) and not live.missing:
        return conversation.failed(live, target)
    if not isinstance(live, ApiError) and not _changed_by(live, attempt):
        return f"{target} was not changed by this step: left as it is"
    if before.body is None:
        return f"{target} is gone, as before" if isinstance(live, ApiError) else await _delete(conversation, target, live)
    query = {"fieldManager": field_manager(attempt)}
    conversation.log.write(f"putting back {target} as {conversation.account.user}")
    if isinstance(live, ApiError):
        answer = await conversation.write("POST", target.collection, query=query, body=before.body)
    else:
        answer = await conversation.write("PUT", target.path, query=query, body=_over(live, before.body))
    if isinstance(answer, ApiError):
        return conversation.failed(answer, target)
    conversation.log.write(f"{target} put back, {version_of(answer.body)}")
    return f"{target} put back"


def _changed_by(live: Json, attempt: Attempt) -> bool:
    """Return whether this step has changed the object. An earlier task of the same name had the same field manager."""
    writers = [writer for writer in live["metadata"].get("managedFields") or [] if writer.get("manager") == field_manager(attempt)]
    return any(attempt.created_at is None or _moment(writer.get("time")) >= attempt.created_at.replace(microsecond=0) for writer in writers)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.max.replace(tzinfo=UTC)


def _over(live: Json, before: Json) -> Json:
    """Return the kept object as a replacement of this very version; the status is not ours to change."""
    meta = {**before["metadata"], "resourceVersion": live["metadata"]["resourceVersion"], "uid": live["metadata"]["uid"]}
    status = {"status": live["status"]} if "status" in live else {}
    return {**before, "metadata": meta, **status}


async def _delete(conversation: ResourceConversation, target: Target, live: Json) -> str | Failed:
    conversation.log.write(f"deleting {target}, which was not there before, as {conversation.account.user}")
    options = {"propagationPolicy": "Background", "preconditions": {"uid": live["metadata"]["uid"]}}
    answer = await conversation.write("DELETE", target.path, body={"apiVersion": "v1", "kind": "DeleteOptions", **options})
    if isinstance(answer, ApiError) and not answer.missing:
        return conversation.failed(answer, target)
    trouble = await until_gone(conversation, target)
    if trouble is not None:
        return trouble
    conversation.log.write(f"{target} is gone")
    return f"{target} deleted: it was not there before"
