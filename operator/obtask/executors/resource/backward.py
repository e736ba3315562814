"""Owns putting an object back as it was before a step changed it."""

from obtask.executors.resource import kept
from obtask.executors.resource.conversation import Conversation
from obtask.executors.resource.kept import Kept
from obtask.executors.resource.seen import version_of
from obtask.executors.resource.target import Target, field_manager
from obtask.executors.resource.until import until_gone
from obtask.kube.api import Json, Refusal
from obtask.kube.objects import Objects
from obtask.model.attempt import Attempt, Failed
from obtask.model.limits import one_line
from obtask.model.status import FailureReason

TRIES = 10  # each one lost to somebody who wrote in between


async def restore(conversation: Conversation, objects: Objects, attempt: Attempt, target: Target | Failed) -> str | Failed:
    """Put the object back; return what that did."""
    stored = await conversation.persist(lambda: objects.config_map(attempt.namespace, kept.name_of(attempt)))
    if isinstance(stored, Refusal) and not stored.missing:
        message = one_line(f"the operator cannot read what was kept in ConfigMap {kept.name_of(attempt)}: {stored.message}")
        return Failed(FailureReason.FORBIDDEN, message, str(stored.status))
    before = None if isinstance(stored, Refusal) else kept.read(stored)
    if before is None:
        return await _nothing_kept(conversation, attempt, target)
    if isinstance(target, Failed):
        return target
    for _ in range(TRIES):
        end = await _put_back(conversation, attempt, target, before)
        if not isinstance(end, Failed) or end.reason is not FailureReason.EXPECTATION_NOT_MET:
            return end
    return end


async def _nothing_kept(conversation: Conversation, attempt: Attempt, target: Target | Failed) -> str | Failed:
    """Keeping comes first: without it the step changed nothing, unless the object itself says otherwise."""
    if not isinstance(target, Failed):
        live = await conversation.read(target)
        writers = [] if isinstance(live, Refusal) else live["metadata"].get("managedFields") or []
        if any(writer.get("manager") == field_manager(attempt) for writer in writers):
            lost = f"ConfigMap {kept.name_of(attempt)}, which kept {target} as it was before, is not there any more"
            return Failed(FailureReason.NOT_FOUND, f"{lost}: put it back by hand")
    return "nothing to put back: the step changed nothing"


async def _put_back(conversation: Conversation, attempt: Attempt, target: Target, before: Kept) -> str | Failed:
    """Try once, against the object as it is now; ExpectationNotMet says that it changed meanwhile."""
    live = await conversation.read(target)
    if isinstance(live, Refusal) and not live.missing:
        return conversation.failed(live, target)
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
