"""Owns continuing what an earlier attempt has left in obshell: having obshell retry its DAG, or roll it back."""

from dataclasses import dataclass

from obtask.executors.obshell.answers import Miss, NotDone
from obtask.executors.obshell.busy import Busy, DagInTheWay
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, DagOperator, State
from obtask.executors.obshell.ending import what_is_left
from obtask.executors.obshell.marks import is_same, mark_of
from obtask.executors.obshell.wire import ASK_SECONDS
from obtask.model.actions import only_looks
from obtask.model.attempt import Failed, Outcome
from obtask.model.contract import Direction, Left
from obtask.model.reasons import FailureReason

OPERATE_GRACE_SECONDS = 2.0  # after a cancel
GONE_AFTER = 10  # misses in a row: an agent whose database is away may not know its own tasks for a moment


@dataclass(frozen=True, slots=True)
class Begun:
    """A DAG to be followed, and what it is known by."""

    dag: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class TakeUpAgain:
    """Why the operation has to be started anew."""

    why: str


class TakeUp:
    """Continues a DAG that an earlier attempt has started."""

    def __init__(self, context: Context, busy: Busy) -> None:
        self._context = context
        self._busy = busy

    async def retry(self, before: str) -> Outcome | Begun | TakeUpAgain:
        """Have obshell retry the DAG; ``TakeUpAgain`` if the operation has to be started anew instead."""
        found = await self._rest(before)
        if isinstance(found, Failed):
            return found
        if isinstance(found, Miss):
            return TakeUpAgain(found.message)
        match found.state, found.operator:
            case State.SUCCEED, DagOperator.ROLLBACK:
                return TakeUpAgain(f"{found.title} was rolled back")
            case State.SUCCEED, DagOperator.PASS:
                return TakeUpAgain(f"{found.title} was passed in obshell")
            case State.FAILED, DagOperator.ROLLBACK:
                shown = found.failure(self._context.script.shown)
                text = f"{shown}; a retry there would leave out what is undone: finish that rollback in obshell first"
                return self._context.failed(FailureReason.OBSHELL_TASK_FAILED, text)
            case State.FAILED, _:
                if await self._in_vain(found):
                    return TakeUpAgain(f"{found.title} was retried before, and failed again")
                refused = await self._operate(found, DagOperator.RETRY)
                if isinstance(refused, NotDone) and refused.disallowed:
                    return TakeUpAgain(refused.message)
                return self._failed(found, refused) if isinstance(refused, NotDone) else refused
            case ((State.PENDING | State.READY | State.RUNNING | State.SUCCEED), _):
                return Begun(before, mark_of(found))

    async def _in_vain(self, dag: Dag) -> bool:
        """Return whether an undo has to be started anew: some RETRYs never succeed, and nobody can ask for a fresh start of an undo."""
        undoing = self._context.attempt.id.direction is Direction.ROLLBACK
        retried = any(node.operator == DagOperator.RETRY for node in dag.nodes)
        return undoing and retried and await what_is_left(self._context, dag) is Left.RELEASED

    async def undo(self, before: str | None) -> Outcome | Begun:
        """Let obshell roll the DAG back."""
        context = self._context
        if before is None:
            return context.succeeded("no obshell task of this step is known: nothing to roll back in obshell")
        undone = context.attempt.counterpart
        if undone is not None and only_looks(undone):
            return context.succeeded(f"the step only followed obshell task {before}: nothing to roll back")
        found = await self._rest(before)
        if isinstance(found, Failed):
            return found
        if isinstance(found, Miss):
            return context.failed(FailureReason.NOT_FOUND, f"{found.message}: nothing was changed", refused=True)
        if found.state is State.SUCCEED and found.operator is DagOperator.ROLLBACK:
            return context.succeeded(f"{found.title} is rolled back already")
        if found.state is State.SUCCEED:
            text = f"{found.title} has succeeded: obshell rolls back only what failed; nothing was changed"
            return context.failed(FailureReason.OBSHELL_TASK_FAILED, text, refused=True)
        refused = await self._operate(found, DagOperator.ROLLBACK)
        return self._failed(found, refused) if isinstance(refused, NotDone) else refused

    def _failed(self, dag: Dag, refused: NotDone) -> Failed:
        unchanged = "; nothing was changed" if refused.refused else ""
        text = f"{dag.title}: {refused.message}{unchanged}"
        return self._context.failed(FailureReason.OBSHELL_TASK_FAILED, text, refused=refused.refused)

    async def _operate(self, dag: Dag, operator: DagOperator) -> Begun | NotDone | Failed:
        """Command a DAG that is at rest, once obshell is not busy with another one; return why it was not done, if it was not."""
        context = self._context
        context.script.news(dag, silently=True)
        while (why := context.time.over) is None:
            tried = await context.time.unless_over(self._try(dag, operator), OPERATE_GRACE_SECONDS)
            if tried is None:
                return Begun(dag.id, mark_of(dag))  # whether it arrived or not, it is looked at, and cancelled, next
            (refused,) = tried
            if refused is None:
                return Begun(dag.id)
            if refused.uncertain:
                return await self._has_begun(dag, refused)
            if refused.busy is None:
                return refused
            found = await context.time.unless_over(self._busy.look(refused.busy)) or DagInTheWay()
            if not self._busy.waits:
                return NotDone(f"{refused.message}; in the way: {found.told()}")
            await self._busy.wait(str(operator), refused.busy, found)
        return context.failed(why, f"{context.time.cause(why)}: {operator} of {dag.title} was not sent or not accepted")

    async def _try(self, dag: Dag, operator: DagOperator) -> tuple[NotDone | None]:
        return (await self._context.conversation.operate(dag.id, operator, self._context.time.within(ASK_SECONDS)),)

    async def _has_begun(self, before: Dag, refused: NotDone) -> Begun | NotDone:
        """Return ``Begun`` if a command that may have arrived has: the DAG has changed since."""
        seen = await self._context.conversation.look(before.id, self._context.time.within(self._context.tools.look_seconds))
        if not isinstance(seen, Dag):
            return refused
        same = (seen.state, seen.operator, seen.started_at) == (before.state, before.operator, before.started_at)
        return refused if same else Begun(before.id, mark_of(seen))

    async def _rest(self, dag: str) -> Dag | Miss | Failed:
        """Return the earlier attempt's DAG, once its last command (such as a cancellation) has finished."""
        context, misses = self._context, 0
        while (why := context.time.over) is None:
            found = await context.time.unless_over(context.conversation.look(dag, context.time.within(context.tools.look_seconds)))
            context.conversation.forget()
            if isinstance(found, Dag):
                if not is_same(context.attempt.previous_mark, found):
                    return Miss(f"the obshell task {dag} of the attempt before is gone: its id is that of {found.title} now", gone=True)
                forward = found.operator in {DagOperator.RUN, DagOperator.RETRY} and context.action.operator is None
                if found.ended or forward:
                    return found
                context.tell(found)
            elif found is not None:
                misses = misses + 1 if found.gone else 0
                if not (found.gone or found.away or found.unasked):
                    return context.failed(FailureReason.CONNECTION_FAILED, f"obshell task {dag}: {found.message}")
                if misses >= GONE_AFTER:
                    return Miss(f"obshell does not know task {dag} any more", gone=True)
                context.watcher.tell(f"{found.message}; asking again")
            await context.time.pause(context.tools.poll_seconds)
        return context.failed(why, f"{context.time.cause(why)}: waited for {dag} to come to rest")
