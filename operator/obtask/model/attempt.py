"""Owns one attempt of a subtask and what can be seen of it. Executors and the engine speak in these values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from obtask.model.actions import Action
from obtask.model.connections import ConnectionRef
from obtask.model.contract import Direction, Left
from obtask.model.limits import KEPT_OBJECT_BYTES
from obtask.model.reasons import FailureReason

NOTHING_KEPT = "none"


@dataclass(frozen=True, slots=True)
class AttemptId:
    """Names an attempt for ever: the same name is the same attempt, after any restart."""

    uid: str
    step: str
    subtask: str
    direction: Direction
    number: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything an executor needs to know of an attempt.

    ``external`` names what this attempt has started elsewhere, ``previous_external`` what the attempt before it had;
    both as executors once told (in ``Running``, ``Succeeded`` or ``Failed``), also after a restart of the operator. Their marks tell them
    from others that have the same name later. ``fresh``: a person wants it begun anew, whatever the attempt before has left.
    ``counterpart`` is what the subtask does in the other direction. ``nonce_digests`` tell which objects were made for the attempt;
    there are none if an older operator recorded it. ``kept`` is the digest of what was kept for restore, ``NOTHING_KEPT`` if
    nothing was yet, and None of a subtask that an older operator began; ``kept_room`` is how many bytes may be kept.
    ``created_by`` is the user who created the task, where the API server says so; ``created_at`` is when, by its clock. ``variables`` are
    those of values that the action may use, ``values`` the values of the expressions inside of SQL texts.
    """

    id: AttemptId
    namespace: str
    task: str
    action: Action
    connection: ConnectionRef | None
    service_account: str | None
    started_at: datetime
    deadline: datetime | None
    lock_token: int | None
    runner: str | None = None
    external: str | None = None
    previous_external: str | None = None
    external_mark: str | None = None
    previous_mark: str | None = None
    fresh: bool = False
    counterpart: Action | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    nonce_digests: tuple[str, ...] = ()
    kept: str | None = None
    kept_room: int = KEPT_OBJECT_BYTES
    variables: Mapping[str, Any] = field(default_factory=dict, compare=False)
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Running:
    """The attempt goes on; ``wake_at`` is when to look again at the latest, if nothing enqueues the task before.

    ``nonce_digest`` and ``kept`` have to be in the status before the attempt can go on. ``stage`` says in a few words how far it is.
    """

    message: str | None = None
    wake_at: datetime | None = None
    external: str | None = None
    nonce_digest: str | None = None
    kept: str | None = None
    external_mark: str | None = field(default=None, compare=False)
    stage: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt did what it should. ``untouched``: it found that done, and changed nothing. ``outputs``: what the action gives away.

    ``seen``: what its outputs are to be evaluated over, if the executor leaves that to others.
    """

    message: str | None = None
    external: str | None = None
    untouched: bool = False
    outputs: Mapping[str, Any] = field(default_factory=dict, hash=False)  # a mapping has no hash
    seen: Mapping[str, Any] | None = field(default=None, compare=False)
    external_mark: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended otherwise; ``message`` is one line without secrets. ``permanent``: trying again without a person is in vain.

    ``passing``: what is in the way may go away by itself, whatever the reason is. ``untouched``: nothing of it can have reached the target.
    ``refused``: an undo that the target does not allow, now or later. ``left``: whether what it has started elsewhere keeps others out.
    """

    reason: FailureReason
    message: str
    code: str | None = None
    permanent: bool = False
    external: str | None = None
    untouched: bool = False
    passing: bool = False
    refused: bool = False
    external_mark: str | None = field(default=None, compare=False)
    left: Left | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows what became of the attempt: it is not alive and left no result. ``message``: what a search for it has brought."""

    message: str | None = field(default=None, compare=False)


Outcome = Succeeded | Failed
AttemptState = Running | Succeeded | Failed | Lost
