"""Owns the tasks that a task (DAG) of obshell has started on other agents: how far they are, in the log and in messages."""

import re
from collections.abc import Iterable

from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import MOST_SUB_DAGS, Dag, State, agent_of
from obtask.executors.obshell.words import Transcript

MOST_LOOKED_AT = 8
SHOWN = 3

# So its subtasks tell of what they wait for elsewhere.
_REMOTE = re.compile(r"remote task (?P<id>[23][0-9]{16,55}) ")


def ids_of(dag: Dag) -> tuple[str, ...]:
    """Return the ids of the tasks that a DAG names as started on other agents, the first 64 of them."""
    told = (found["id"] for sub in dag.subtasks() for line in sub.logs for found in _REMOTE.finditer(line[:1024]))
    return tuple(dict.fromkeys(one for one in (*dag.sub_dags, *told) if one != dag.id))[:MOST_SUB_DAGS]


async def look_at(context: Context, ids: Iterable[str], seconds: float) -> list[Dag]:
    """Return what the agents say of these tasks now, as far as they answer: of up to 8 that are not done, the last ones."""
    found = []
    for one in list(ids)[-MOST_LOOKED_AT:]:
        seen = await context.speech.look(one, seconds)
        if isinstance(seen, Dag):
            found.append(seen)
    return found


def told(dags: Iterable[Dag]) -> str:
    """Return what people have to know of those that are not done, to be put behind a message; nothing if all are."""
    undone = [dag for dag in dags if dag.state is not State.SUCCEED]
    if not undone:
        return ""
    more = f" and {len(undone) - SHOWN} more" if len(undone) > SHOWN else ""
    return "; on other agents: " + "; ".join(map(_told, undone[:SHOWN])) + more


def _told(dag: Dag) -> str:
    where = agent_of(dag.id)
    after = " and may keep that agent's maintenance" if dag.state is State.FAILED else " and goes on"
    return f"{dag.title}{f' of {where}' if where else ''} is {dag.state} {dag.position}{after}"


def write(context: Context, dags: Iterable[Dag]) -> None:
    """Write how far they are, and what they say."""
    for dag in dags:
        context.log.write(f"{dag.title} of {agent_of(dag.id) or 'another agent'}: {dag.state} {dag.position}")
        Transcript(context.log).end(dag)
