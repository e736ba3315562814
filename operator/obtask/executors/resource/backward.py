"""Owns putting an object back as it was before a step changed it."""

from dataclasses import replace

from obtask.executors.resource import kept
from obtask.executors.resource.keeping import Keeping, lost
from obtask.executors.resource.kept import Kept
from obtask.executors.resource.objects import Target, field_manager, identity_of
from obtask.executors.resource.seen import version_of
from obtask.executors.resource.target import Conversation
from obtask.executors.resource.until import until_gone
from obtask.kube.api import Json, Refusal
from obtask.model.attempt import NOTHING_KEPT, Attempt, Failed
from obtask.model.status import FailureReason

TRIES = 10  # each one lost to somebody who wrote in between


async def restore(conversation: Conversation, keeping: Keeping, attempt: Attempt, target: Target | Failed) -> str | Failed:
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
    for _ in range(TRIES):
        end = await _put_back(conversation, attempt, target, before)
        if not isinstance(end, Failed) or end.reason is not FailureReason.EXPECTATION_NOT_MET:
            return end
    return end


async def _nothing_kept(conversation: Conversation, attempt: Attempt, target: Target) -> str | Failed:
    """Keeping comes first: without it the step changed nothing, unless the object itself says otherwise."""
    live = await conversation.read(target)
    if not isinstance(live, Refusal) and _changed_by(live, attempt):
        return Failed(FailureReason.NOT_FOUND, f"{lost(kept.name_of(attempt, attempt.kept), target)}: put it back by hand")
    return "nothing to put back: the step changed nothing"


async def _put_back(conversation: Conversation, attempt: Attempt, target: Target, before: Kept) -> str | Failed:
    """Try once, against the object as it is now; ExpectationNotMet says that it changed meanwhile."""
    live = await conversation.read(target)
    if isinstance(live, Refusal) and not live.missing:
        return conversation.failed(live, target)
    if not isinstance(live, Refusal) and not _changed_by(live, attempt):
        return f"{target} was not changed by this step: left as it is"
    if before.body is None:
        return f"{target} is gone, as before" if isinstance(live, Refusal) else await _delete(conversation, target, live)
    query = {"fieldManager": field_manager(attempt)}
    conversation.log.write(f"putting back {target} as {conversation.account.user}")
    if isinstance(live, Refusal):
        answer = await conversation.write("POST", target.collection, query=query, body=before.body)
    else:
        answer = await conversation.write("PUT", target.path, query=query, body=_over(live, before.body))
    if isinstance(answer, Refusal):
        return conversation.failed(answer, target)
    conversation.log.write(f"{target} put back, {version_of(answer.body)}")
    return f"{target} put back"


def _changed_by(live: Json, attempt: Attempt) -> bool:
    return any(writer.get("manager") == field_manager(attempt) for writer in live["metadata"].get("managedFields") or [])


def _over(live: Json, before: Json) -> Json:
    """Return the kept object as a replacement of this very version; the status is not ours to change."""
    meta = {**before["metadata"], "resourceVersion": live["metadata"]["resourceVersion"], "uid": live["metadata"]["uid"]}
    status = {"status": live["status"]} if "status" in live else {}
    return {**before, "metadata": meta, **status}


async def _delete(conversation: Conversation, target: Target, live: Json) -> str | Failed:
    conversation.log.write(f"deleting {target}, which was not there before, as {conversation.account.user}")
    options = {"propagationPolicy": "Background", "preconditions": {"uid": live["metadata"]["uid"]}}
    answer = await conversation.write("DELETE", target.path, body={"apiVersion": "v1", "kind": "DeleteOptions", **options})
    if isinstance(answer, Refusal) and not answer.missing:
        return conversation.failed(answer, target)
    trouble = await until_gone(conversation, target)
    if trouble is not None:
        return trouble
    conversation.log.write(f"{target} is gone")
    return f"{target} deleted: it was not there before"
