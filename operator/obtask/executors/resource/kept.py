"""Owns keeping an object before it is changed: its own fields, bounded, in a ConfigMap of the task; and finding it again.

Whoever may write ConfigMaps could have made one of any name. What is kept is believed by its digest, which is in the status before
anything is changed.
"""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from obtask import names
from obtask.executors.resource.objects import Target, identity_of
from obtask.executors.resource.target import ResourceConversation
from obtask.kube.api import ApiError, Json
from obtask.kube.errors import explained, finding
from obtask.kube.objects import Objects
from obtask.model.attempt import NOTHING_KEPT, Attempt, Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.owned import is_owned, owner_reference, subtask_annotations, task_labels

KEY = "object.json"

_OF_THE_SERVER = (
    "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip
KIB = 1024
UNCHANGED = "nothing was changed"

# Returns the digest that the status has, once it has one.
Record = Callable[[Attempt, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """How an object was before; ``body`` is None if there was none."""

    body: Json | None


def own_fields(live: Json) -> Json:
    """Return an object without what the API server and controllers write into it."""
    meta = {key: value for key, value in live["metadata"].items() if key not in _OF_THE_SERVER}
    return {key: value for key, value in live.items() if key != "status"} | {"metadata": meta}


def text_of(body: Json | None) -> str:
    """Return how an object is stored."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def digest_of(text: str, target: Target) -> str:
    """Return the digest of a stored object together with what it is: that of one object is never that of another."""
    octets = hashlib.sha256(json.dumps([*target.identity, text]).encode()).digest()
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def name_of(attempt: Attempt, digest: str | None = None) -> str:
    """Return the name of the subtask's ConfigMap; without a digest the one that older operators gave it."""
    parts = (attempt.id.uid, attempt.id.step, attempt.id.subtask, *([digest] if digest else []))
    return f"obt-before-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:40]}"


def manifest(attempt: Attempt, text: str, digest: str) -> Json:
    """Return the ConfigMap; it goes when the task goes."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(attempt, digest),
            "namespace": attempt.namespace,
            "labels": task_labels(attempt),
            "annotations": subtask_annotations(attempt),
            "ownerReferences": [owner_reference(attempt)],
        },
        "data": {KEY: text},
        "immutable": True,
    }


def stored_text(stored: Json, attempt: Attempt) -> str | None:
    """Return the text in a ConfigMap that belongs to the attempt's task; None if there is none, or if it does not belong to it.

    What older operators kept has no digest in the status: the label, which the chart's policies keep for the operator, has to do.
    """
    text, meta = (stored.get("data") or {}).get(KEY), stored["metadata"]
    own = is_owned(meta, attempt.id.uid) and (meta.get("labels") or {}).get(names.TASK_UID_LABEL) == attempt.id.uid
    return text if isinstance(text, str) and own else None


def read(text: str) -> Kept | None:
    """Return what a text keeps; None if it is no object."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Kept(body) if body is None or isinstance(body, dict) else None


class Keeping:
    """The ConfigMaps in which objects are kept."""

    def __init__(self, objects: Objects, record: Record) -> None:
        self._objects = objects
        self._record = record

    async def keep(self, conversation: ResourceConversation, attempt: Attempt, target: Target, before: Json | ApiError) -> Failed | None:
        """Keep the object as it is, unless an earlier attempt did; return why that cannot be, and then nothing is to be changed."""
        trouble = _unkeepable(conversation, target, before)
        if trouble is not None:
            return trouble
        if attempt.kept not in {None, NOTHING_KEPT}:
            return await self._kept_before(conversation, attempt, target)
        if attempt.kept is None:
            older = await self.find(conversation, attempt, target)
            if older is not None:
                return older if isinstance(older, Failed) else await self._recorded(conversation, attempt, target, text_of(older.body))
        text = text_of(None if isinstance(before, ApiError) else own_fields(before))
        size = len(text.encode())
        if size > attempt.kept_room:
            message = f"{target} takes {size // KIB} KiB, more than the {attempt.kept_room // KIB} KiB that can be kept for restore"
            return Failed(FailureReason.EXPECTATION_NOT_MET, f"{message}; {UNCHANGED}")
        return await self._store(conversation, attempt, target, text) or await self._recorded(conversation, attempt, target, text)

    async def find(self, conversation: ResourceConversation, attempt: Attempt, target: Target) -> Kept | Failed | None:
        """Return what was kept of the object, None if nothing is there, or why what is there is not believed."""
        if attempt.kept == NOTHING_KEPT:
            return None
        foreign = None
        for name in dict.fromkeys((name_of(attempt, attempt.kept), name_of(attempt))):
            stored = await conversation.persist(partial(self._objects.config_map, attempt.namespace, name))
            if isinstance(stored, ApiError) and not stored.missing:
                message = one_line(f"the operator cannot read what was kept in ConfigMap {name}: {explained(stored)}")
                return Failed(FailureReason.FORBIDDEN, message, str(stored.status))
            if isinstance(stored, ApiError):
                continue
            text = stored_text(stored, attempt)
            found = read(text) if text is not None and attempt.kept in {None, digest_of(text, target)} else None
            if found is not None:
                return found
            foreign = foreign or name
        return _foreign(foreign) if foreign is not None else None

    async def _kept_before(self, conversation: ResourceConversation, attempt: Attempt, target: Target) -> Failed | None:
        found = await self.find(conversation, attempt, target)
        if isinstance(found, Failed):
            return replace(found, message=f"{found.message}; {UNCHANGED}")
        name = name_of(attempt, attempt.kept)
        if found is None:
            return Failed(FailureReason.NOT_FOUND, f"{lost(name, target)}; {UNCHANGED}")
        conversation.log.write(f"kept before for restore in ConfigMap {name}")
        return None

    async def _store(self, conversation: ResourceConversation, attempt: Attempt, target: Target, text: str) -> Failed | None:
        digest = digest_of(text, target)
        name = name_of(attempt, digest)
        made = await conversation.persist(lambda: self._objects.create_config_map(manifest(attempt, text, digest)))
        if isinstance(made, ApiError) and not made.conflict:
            message = one_line(f"what is there now cannot be kept for restore, so {UNCHANGED}: {explained(made)}")
            return Failed(FailureReason.FORBIDDEN, message, str(made.status), passing=finding(made).passes)
        if isinstance(made, ApiError):
            # By this operator before it was killed, or by somebody who knew what would be kept.
            found = await self.find(conversation, replace(attempt, kept=digest), target)
            if not isinstance(found, Kept):
                return replace(_foreign(name), message=f"{_foreign(name).message}; {UNCHANGED}")
        conversation.log.write(f"kept now for restore in ConfigMap {name}: {len(text.encode())} bytes")
        return None

    async def _recorded(self, conversation: ResourceConversation, attempt: Attempt, target: Target, text: str) -> Failed | None:
        digest = digest_of(text, target)
        recorded = await self._record(attempt, digest)
        return None if recorded == digest else await self._kept_before(conversation, replace(attempt, kept=recorded), target)


def lost(name: str, target: Target) -> str:
    """Return how to say that what was kept of an object is gone."""
    return f"ConfigMap {name}, which kept {target} as it was before, is not there any more"


def _foreign(name: str) -> Failed:
    text = f"ConfigMap {name} does not hold what this step has kept: somebody else has made it, or made it again"
    return Failed(FailureReason.FORBIDDEN, text)


def _unkeepable(conversation: ResourceConversation, target: Target, before: Json | ApiError) -> Failed | None:
    if isinstance(before, ApiError) and not before.missing:
        return conversation.failed(before, target)
    # What came back counts, too: names have led elsewhere before.
    if target.is_secret or (not isinstance(before, ApiError) and before.get("kind") == "Secret"):
        return Failed(FailureReason.FORBIDDEN, f"a Secret is not kept for restore; {UNCHANGED}")
    if not isinstance(before, ApiError) and identity_of(before) != target.identity:
        return Failed(FailureReason.FORBIDDEN, f"the API server answered with another object than {target}; {UNCHANGED}")
    return None
