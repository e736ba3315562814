"""Owns waiting while obshell is busy: which of its own tasks are in the way, and what people are told. API.md section 2.1."""

import asyncio
import re
from dataclasses import dataclass, replace

from obtask.executors.obshell.answers import AgentAnswer, Miss
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, DagNode, State, moment
from obtask.model.contract import WhenBusy

LOOKS_APART = 2  # polls
TRY_AGAIN_AFTER = 30  # polls: an agent may become free without any visible change
SHOWN = 2

_IDS = re.compile(r"[0-9]{2,56}")


@dataclass(frozen=True, slots=True)
class DagInTheWay:
    """The obshell tasks that are in the way, as far as obshell names them."""

    dags: tuple[Dag, ...] = ()

    @property
    def state(self) -> tuple[tuple[str, State, str], ...]:
        """What has to change before it is worth asking again."""
        return tuple((dag.id, dag.state, dag.operator) for dag in self.dags)

    def told(self) -> str:
        """Return who is in the way, how far, since when, and what to do about those that have failed."""
        if not self.dags:
            return "a task of obshell that it does not name"
        more = f" and {len(self.dags) - SHOWN} more" if len(self.dags) > SHOWN else ""
        return "; ".join(map(_told, self.dags[:SHOWN])) + more


def _concerns(dag: Dag, refusal: AgentAnswer) -> bool:
    """Return whether a task can be what the refusal is about: one of a tenant keeps only that tenant."""
    about_tenant = "Tenant" in (refusal.error or "")
    return not about_tenant or not dag.maintenance_key or dag.maintenance_key in (refusal.message or "")


def _told(dag: Dag) -> str:
    at = dag.ended_at if dag.state is State.FAILED else dag.started_at
    since = f" since {moment(at)}" if at is not None else ""
    text = f"{dag.title} ({dag.state} {dag.position}{since})"
    if dag.state is State.FAILED:
        text += ", which keeps obshell's maintenance until it is retried, rolled back or passed in obshell"
    return text


class Busy:
    """Looks at, and waits for, what is in the way of one attempt."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shown: tuple[tuple[str, State, str], ...] | None = None
        self._nodes: dict[str, tuple[DagNode, ...]] = {}

    @property
    def waits(self) -> bool:
        """True if the action wants to wait."""
        return self._context.action.when_busy is not WhenBusy.FAIL

    def is_own(self, found: DagInTheWay) -> bool:
        """Return whether all that is in the way is what an earlier attempt of this subtask has left."""
        own = self._context.attempt.previous_external
        return bool(found.dags) and all(dag.id == own and dag.state is State.FAILED for dag in found.dags)

    async def look(self, refusal: AgentAnswer) -> DagInTheWay:
        """Return what is in the way, by the refusal and by what obshell has under way."""
        seconds = self._context.time.within(self._context.tools.look_seconds)
        found = await self._context.conversation.dags("dag/unfinish", seconds)
        if isinstance(found, Miss):
            last = await self._context.conversation.last_maintenance(seconds)
            found = [last] if last is not None else []
        named = set(_IDS.findall(refusal.message or ""))
        keeping = [dag for dag in found if dag.id in named] or [dag for dag in found if dag.keeps_others_out and _concerns(dag, refusal)]
        working = [dag for dag in keeping if not dag.ended]
        first, *rest = sorted(working or keeping, key=lambda dag: dag.id) or (None,)
        return DagInTheWay((await self._with_nodes(first, seconds), *filter(None, rest))) if first is not None else DagInTheWay()

    async def _with_nodes(self, dag: Dag, seconds: float) -> Dag:
        """Return a task of a list with the names of its stages, which lists do not have."""
        if dag.id not in self._nodes:
            seen = await self._context.conversation.look(dag.id, seconds)
            self._context.conversation.forget()
            self._nodes = {dag.id: tuple(replace(node, subtasks=()) for node in seen.nodes) if isinstance(seen, Dag) else ()}
        return replace(dag, nodes=self._nodes[dag.id])

    async def wait(self, what: str, refusal: AgentAnswer, found: DagInTheWay) -> None:
        """Wait until it is worth asking again, or until the attempt's time is over, without holding a slot."""
        self._context.conversation.slot.give_back()
        poll, loop = self._context.tools.poll_seconds, asyncio.get_running_loop()
        until, now = loop.time() + TRY_AGAIN_AFTER * poll, found
        if found.state != self._shown:
            self._shown = found.state
            self._context.log.write(f"{what}: obshell is busy ({refusal.refusal}): waiting for {found.told()}")
        while self._context.time.over is None and now.state == found.state and loop.time() < until:
            first = now.dags[0] if now.dags else None
            self._context.watcher.tell(f"waiting for {now.told()}", stage=f"waits for obshell {first.stage_name}" if first else None)
            await self._context.time.pause(poll * LOOKS_APART)
            looked = await self._context.time.unless_over(self.look(refusal))
            now = looked or now
