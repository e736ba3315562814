"""Owns what the parts of one obshell attempt share: its deadline, its conversation with the agent, and how its end is reported."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from obtask.executors.base import Log
from obtask.executors.connections.body import SecretBody, secret_body, shown_body
from obtask.executors.obshell.dag import Dag
from obtask.executors.obshell.deadline import Deadline
from obtask.executors.obshell.login import passwords_in
from obtask.executors.obshell.marks import mark_of
from obtask.executors.obshell.purpose import DagPurpose, purpose_of
from obtask.executors.obshell.target import ObshellConversation, ObshellTools
from obtask.executors.obshell.words import Transcript, shortened
from obtask.masking.body import masked, secrets_of
from obtask.masking.words import is_obshell_secret_name
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.contract import Left
from obtask.model.reasons import FailureReason


class Watcher(Protocol):
    """Receives the progress of an attempt, and tells it to stop."""

    stop: asyncio.Event

    def tell(self, progress: str, *, external: str | None = None, mark: str | None = None, stage: str | None = None) -> None:
        """Note what the attempt is doing, the DAG it has started (id and mark), and in a few words how far that is."""

    def is_of_another(self, dag: Dag) -> bool:
        """Return whether another attempt has started, or follows, this task of obshell."""

    def ended_at(self, mark: str) -> None:
        """Note the mark of the obshell task after its end."""


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt: what it is, and its means."""

    attempt: Attempt
    action: ObshellAction
    purpose: DagPurpose
    tools: ObshellTools
    log: Log
    watcher: Watcher
    conversation: ObshellConversation
    script: Transcript
    time: Deadline

    @property
    def shown_body(self) -> Any:
        """The body of the request as people may see it."""
        return masked(shown_body(self.action.body, self.action.body_from), is_obshell_secret_name)

    async def body(self) -> SecretBody | Failed:
        """Return the body of the request with the values of its Secrets, as they are now; its secrets are masked from now on."""
        to = await self.conversation.hosts() if self.action.body_from else ()
        if isinstance(to, Failed):
            return to
        value_of = partial(self.tools.source.value, self.attempt.namespace, to=to)
        made = await secret_body(self.action.body, self.action.body_from, value_of)
        if isinstance(made, SecretBody):
            passwords = tuple(passwords_in(made.body))
            self.script.hide(*made.values, *secrets_of(made.body, is_obshell_secret_name), *map(_hashed, passwords))
            self.conversation.set_by_body = passwords
        return made

    def shown_data(self, data: Any) -> str:
        """Return what was answered as people may see it, on one line."""
        if self.conversation.effort:
            return "a long answer"
        try:
            return shortened(self.script.shown(json.dumps(masked(data, is_obshell_secret_name), ensure_ascii=False)))
        except RecursionError:
            return "a deeply nested answer"

    def tell(self, dag: Dag) -> None:
        """Report the progress of an obshell task."""
        self.watcher.tell(dag.progress, stage=dag.stage_name)

    def note_end(self, dag: Dag) -> None:
        """Write the last log lines of an ended DAG, and note its mark."""
        self.watcher.ended_at(mark_of(dag))
        self.script.end(dag)

    def succeeded(self, message: str) -> Succeeded:
        """Return the attempt's success, and write it."""
        self.log.write(f"succeeded: {message}")
        return Succeeded(message)

    def failed(
        self,
        reason: FailureReason,
        message: str,
        code: str | None = None,
        *,
        untouched: bool = False,
        refused: bool = False,
        left: Left | None = None,
    ) -> Failed:
        """Return why the attempt failed, and write it; what the other arguments say is the same as in ``Failed``."""
        self.log.write(f"failed: {message}")
        return Failed(reason, message, code, untouched=untouched, refused=refused, left=left)


def context_of(attempt: Attempt, log: Log, watcher: Watcher, tools: ObshellTools) -> Context | Failed:
    """Return what an attempt has to do and its means, or why it can do nothing."""
    action = attempt.action
    if not isinstance(action, ObshellAction):
        raise TypeError(f"not an obshell action: {type(action).__name__}")
    ref = action.connection or attempt.connection
    if ref is None:
        return Failed(FailureReason.NOT_FOUND, "no connection: set spec.connection or obshell.connection", untouched=True)
    script = Transcript(log)
    script.hide(*secrets_of(action.body, is_obshell_secret_name), *map(_hashed, passwords_in(action.body)))
    conversation = ObshellConversation(attempt, ref, tools, script, tuple(passwords_in(action.body)))
    conversation.keeps_data = action.expect is not None or bool(action.outputs)
    time = Deadline(attempt, tools.clock, watcher.stop, tools.stop_seconds)
    conversation.stopping = lambda: time.over is not None
    return Context(attempt, action, purpose_of(action), tools, log, watcher, conversation, script, time)


def _hashed(password: str) -> str:
    """Return a password as obshell hands it to OBProxy, and writes it into its log."""
    return hashlib.sha1(password.encode(errors="replace"), usedforsecurity=False).hexdigest()
