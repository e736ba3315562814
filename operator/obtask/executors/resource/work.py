"""Owns the order of a resource action: find the kind, change or restore the object, until. API.md section 2.1."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from obtask.executors.base import Executor, Log
from obtask.executors.dependencies import Dependencies
from obtask.executors.evaluation.evaluator import Expressions, first_fault
from obtask.executors.inprocess import Reporter
from obtask.executors.records import Records
from obtask.executors.resource.change import change, restore
from obtask.executors.resource.kept import Keeping, Record
from obtask.executors.resource.objects import Target, named, secrets_in
from obtask.executors.resource.target import ResourceConversation
from obtask.executors.resource.until import until_holds
from obtask.executors.until import Judge
from obtask.kube.access import Purpose, rights
from obtask.kube.api import ApiError
from obtask.kube.discovery import Discovery
from obtask.kube.impersonation import Impersonation, ServiceAccount
from obtask.kube.objects import Objects
from obtask.model.attempt import Attempt, Failed, Outcome, Succeeded
from obtask.model.kubernetes_actions import ResourceAction
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import Vocabulary
from obtask.shares import Slots

DEFAULT_ACCOUNT = "default"
ROOMS = 12  # objects in memory at once: each may have megabytes, and several times that as Python values
PURPOSES = (Purpose(rights("impersonate", "serviceaccounts"), "resource steps fail", opened=True),)
WATCH_SECONDS = 300  # one watch; then the object is read again, should a silent connection have lost an event


class ResourceWork:
    """Carries out resource actions; a ``Work`` for an ``InProcess`` that resumes. The deadline is the caller's business.

    ``confirmed`` is awaited before every change: it returns while no other operator can have taken over. ``record`` has the
    digest of what is kept recorded.
    """

    def __init__(
        self,
        impersonation: Impersonation,
        discovery: Discovery,
        objects: Objects,
        *,
        record: Record,
        confirmed: Callable[[], Awaitable[None]],
        expressions: Expressions,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watch_seconds: int = WATCH_SECONDS,
    ) -> None:
        self._impersonation = impersonation
        self._discovery = discovery
        self._keeping = Keeping(objects, record)
        self._confirmed = confirmed
        self._expressions = expressions
        self._sleep = sleep
        self._watch_seconds = watch_seconds
        self._rooms = Slots(ROOMS)

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:
        """Change the attempt's object, or put it back, and return how that ended."""
        action = attempt.action
        if not isinstance(action, ResourceAction):
            raise TypeError(f"not a resource action: {type(action).__name__}")
        report.touched = False
        for secret in secrets_in(action):
            log.hide(secret)
        conversation = ResourceConversation(
            ServiceAccount(attempt.namespace, attempt.service_account or DEFAULT_ACCOUNT),
            self._impersonation,
            self._discovery,
            log=log,
            report=report,
            confirmed=self._confirmed,
            sleep=self._sleep,
            watch_seconds=self._watch_seconds,
            rooms=self._rooms,
        )
        broken = await first_fault(self._expressions, attempt.namespace, action, attempt.variables)
        end = broken or await self._carry_out(conversation, attempt, action)
        log.write(f"failed: {end.message}" if isinstance(end, Failed) else f"succeeded: {end.message}")
        return end

    async def _carry_out(self, conversation: ResourceConversation, attempt: Attempt, action: ResourceAction) -> Outcome:
        changed = attempt.counterpart if action.restore else action
        if not isinstance(changed, ResourceAction):
            return Failed(FailureReason.NOT_FOUND, "restore has nothing to put back: the subtask changes no object")
        target, did = await self._change(conversation, attempt, action, changed)
        if isinstance(did, Failed) and conversation.kind_is_gone:
            # Discovery was cached and is out of date: try again with the current one.
            target, did = await self._change(conversation, attempt, action, changed)
        if isinstance(did, Failed):
            return did
        if isinstance(target, Failed):
            return Succeeded(did)
        judge = Judge(self._expressions, attempt.namespace, Vocabulary.RESOURCE, discreet=target.is_secret, around=attempt.variables)
        if action.until is not None:
            seen = await until_holds(conversation, target, action.until, judge, task=attempt.id.uid)
            if isinstance(seen, Failed):
                return seen
            did = f"{did}; {seen}"
        outputs = await self._outputs(conversation, target, action, judge)
        return outputs if isinstance(outputs, Failed) else Succeeded(one_line(did), outputs=outputs)

    @staticmethod
    async def _outputs(conversation: ResourceConversation, target: Target, action: ResourceAction, judge: Judge) -> dict[str, Any] | Failed:
        if not action.outputs:
            return {}
        live = await conversation.read(target)
        return conversation.failed(live, target) if isinstance(live, ApiError) else await judge.outputs(action.outputs, {"object": live})

    async def _change(
        self, conversation: ResourceConversation, attempt: Attempt, action: ResourceAction, changed: ResourceAction
    ) -> tuple[Target | Failed, str | Failed]:
        target = await conversation.find(named(changed), attempt.namespace)
        if action.restore:
            return target, await restore(conversation, self._keeping, attempt, target)
        if isinstance(target, Failed):
            return target, target
        return target, await change(conversation, self._keeping, attempt, action, target)


def build(of: Dependencies) -> Executor:
    """Return the executor of resource actions. Requests as service accounts have a client of their own."""
    operator, acting = of.operator, of.operator.api.apart()
    records = Records(operator.on_news)
    work = ResourceWork(
        Impersonation(acting),
        Discovery(operator.api),
        operator.objects,
        record=records.record,
        confirmed=operator.confirmed,
        expressions=of.expressions,
        sleep=operator.sleep,
    )
    return of.in_process(work, slots=of.own_slots(), idle=of.own_slots(), records=records, closing=acting.close)
