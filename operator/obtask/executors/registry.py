"""Owns which executor carries out which action. A new action is a folder next to this module and a line in REGISTRY."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from obtask.executors.approve import executor as approve
from obtask.executors.base import Executor, Handler, Watching
from obtask.executors.dependencies import Dependencies, FromOperator, shared
from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.http import work as http
from obtask.executors.job import executor as job
from obtask.executors.obshell import executor as obshell
from obtask.executors.resource import work as resource
from obtask.executors.sql import work as sql
from obtask.executors.values import Valued, with_values
from obtask.executors.wait import executor as wait
from obtask.kube.access import Purpose
from obtask.model.actions import Action, action_type
from obtask.model.contract import ActionKind


@dataclass(frozen=True, slots=True)
class Registration:
    """How the executor of an action is built, and what the operator must be allowed to do for it besides what it always does."""

    build: Callable[[Dependencies], Executor]
    purposes: tuple[Purpose, ...] = ()


REGISTRY: Final[Mapping[ActionKind, Registration]] = {
    ActionKind.WAIT: Registration(wait.build),
    ActionKind.SQL: Registration(sql.build),
    ActionKind.JOB: Registration(job.build, job.PURPOSES),
    ActionKind.HTTP: Registration(http.build),
    ActionKind.RESOURCE: Registration(resource.build, resource.PURPOSES),
    ActionKind.OBSHELL: Registration(obshell.build),
    ActionKind.APPROVE: Registration(approve.build),
}


@dataclass(frozen=True, slots=True)
class Executors:
    """The executors of an operator, one for each kind of action."""

    of: Mapping[type[Action], Valued]
    expressions: Evaluator

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers of what the operator watches for them, by the plural of the kind."""
        return {plural: handler for one in self._watching() for plural, handler in one.handlers.items()}

    def mark_stale(self) -> None:
        """Have everything read anew: changes may have been missed."""
        for one in self._watching():
            one.mark_stale()

    async def stop(self, grace_seconds: float) -> None:
        """Stop working in this process; see ``Executor.stop``."""
        await asyncio.gather(*(executor.stop(grace_seconds) for executor in self.of.values()))

    async def close(self) -> None:
        """Release what is still open."""
        await asyncio.gather(*(executor.close() for executor in self.of.values()), self.expressions.close())

    def _watching(self) -> list[Watching]:
        return [executor.inner for executor in self.of.values() if isinstance(executor.inner, Watching)]


def build_executors(operator: FromOperator, share: Callable[[FromOperator], Dependencies] = shared) -> Executors:
    """Return the executors of all actions; ``share`` makes what they have in common. Needs a running event loop."""
    dependencies = share(operator)
    built = {action_type(kind): registration.build(dependencies) for kind, registration in REGISTRY.items()}
    expressions = dependencies.expressions
    return Executors({of: with_values(executor, expressions, operator.on_news) for of, executor in built.items()}, expressions)
