"""Owns parsing an obshell task (DAG): its progress, how it ended and why. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from obtask.executors.obshell.answers import told
from obtask.masking.body import without_json_secrets
from obtask.masking.sql import masked_statement
from obtask.model.limits import EXTERNAL_CHARACTERS, cut_in_the_middle, one_line

_ID = re.compile(rf"[0-9A-Za-z]{{1,{EXTERNAL_CHARACTERS}}}")
SHOWN_NAME = 120
LONGEST_ID = 64
LONGEST_LINE = 16 * 1024
MOST_STAGES = 1_000_000
MOST_SUBTASKS = 4096  # of one DAG that are looked at
MOST_LINES = 10_000  # of the logs of one DAG that are looked at
MOST_SUB_DAGS = 64  # of other agents that are looked at
SHOWN_LINE = 240
SHOWN_AGENTS = 3
SHOWN_STAGE = 40
NO_MAINTENANCE = frozenset({0, 1})  # of a DAG: it keeps nobody out
TENANT_MAINTENANCE = 3  # it keeps out what is about the same tenant

_IPV4 = re.compile(r"[24](?P<host>[0-9]{10})(?P<port>[0-9]{5})[0-9]+")


Shown = Callable[[str], str]


class State(StrEnum):
    """Where a DAG, a node or a subtask stands."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCEED = "SUCCEED"


class DagOperator(StrEnum):
    """What was last asked of it. Only together with the state does it say how a DAG ended."""

    RUN = "RUN"
    RETRY = "RETRY"
    ROLLBACK = "ROLLBACK"
    CANCEL = "CANCEL"
    PASS = "PASS"  # noqa: S105 - a word of obshell's


@dataclass(frozen=True, slots=True)
class DagSubtask:
    """What one agent does in a node."""

    id: str
    name: str
    state: str
    agent: str
    logs: tuple[str, ...]
    position: int = 0  # among all of its DAG
    times: int = 0  # how often it was executed: a run or a rollback each


@dataclass(frozen=True, slots=True)
class DagNode:
    """A stage of a DAG."""

    name: str
    state: str
    subtasks: tuple[DagSubtask, ...]
    operator: str = DagOperator.RUN.value
    id: str = ""


@dataclass(frozen=True, slots=True)
class Dag:
    """A task of obshell.

    ``started_at`` is None where obshell has a placeholder only; ``sub_dags`` are the ids of tasks that it started on other agents.
    ``last_words`` is what is known of its logs where they are too long to be read.
    """

    id: str
    name: str
    state: State
    operator: DagOperator
    stage: int
    max_stage: int
    nodes: tuple[DagNode, ...]
    cut: bool = False  # it has more subtasks, or lines of logs, than are looked at
    started_at: datetime | None = None
    ended_at: datetime | None = None
    maintenance: int = 0
    maintenance_key: str = ""  # the tenant that it is about
    sub_dags: tuple[str, ...] = ()
    last_words: str | None = None

    @property
    def ended(self) -> bool:
        """True when it is no longer running."""
        return self.state in {State.FAILED, State.SUCCEED}

    @property
    def title(self) -> str:
        """How people are told of it."""
        return f'obshell task {self.id} "{self.name}"'

    @property
    def position(self) -> str:
        """How far it is: ``2/5 "Start observer"``."""
        node = f' "{self.nodes[self.stage - 1].name}"' if 0 < self.stage <= len(self.nodes) else ""
        return f"{self.stage}/{self.max_stage}{node}"

    @property
    def stage_name(self) -> str:
        """How far it is, in a few words: ``3/11 Start observer``."""
        name = self.nodes[self.stage - 1].name if 0 < self.stage <= len(self.nodes) else ""
        return one_line(f"{self.stage}/{self.max_stage} {name}", SHOWN_STAGE)

    @property
    def keeps_others_out(self) -> bool:
        """True while obshell may hold a lock for it: until it succeeds or is passed. Some release it when they fail."""
        return self.maintenance not in NO_MAINTENANCE and self.state is not State.SUCCEED

    @property
    def progress(self) -> str:
        """What it is doing, in one line."""
        doing = {DagOperator.ROLLBACK: "is being rolled back", DagOperator.CANCEL: "is being cancelled"}.get(self.operator, "is running")
        return f"{self.title} {doing}: {self.position}"

    def subtasks(self) -> Iterator[DagSubtask]:
        """Return its subtasks in their order; the failed ones of a node last, so that a log ends with what went wrong."""
        for node in self.nodes:
            yield from sorted(node.subtasks, key=lambda sub: sub.state == State.FAILED)

    def failure(self, shown: Shown | None = None) -> str:
        """Return why it failed, in one line: the node, the subtask and its last word, and which other agents failed, too.

        ``shown`` masks secrets in a log line, before it is cut.
        """
        how = {DagOperator.ROLLBACK: "could not be rolled back", DagOperator.CANCEL: "was cancelled in obshell"}.get(
            self.operator, "failed"
        )
        text = f"{self.title} {how} at {self.position}"
        failed = [sub for sub in self.subtasks() if sub.state == State.FAILED]
        if not failed:
            return f"{text}: {self.last_words}" if self.last_words else text
        first, *others = failed
        word = _last_word(first.logs, shown or shown_line) or (f": {self.last_words}" if self.last_words else "")
        agents = list(dict.fromkeys(sub.agent for sub in others if sub.agent != first.agent))
        more = f" and {len(agents) - SHOWN_AGENTS} more" if len(agents) > SHOWN_AGENTS else ""
        also = f"; also failed on {', '.join(agents[:SHOWN_AGENTS])}{more}" if agents else ""
        return f'{text}, subtask "{first.name}" on {first.agent}{word}{also}'


def read_dag(data: Any) -> Dag | None:
    """Return the DAG that the data of an answer describe, or None if they describe none."""
    return _dag(data, _Room())


def _dag(data: Any, room: "_Room") -> Dag | None:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not _ID.fullmatch(data["id"]):
        return None
    if data.get("state") not in set(State) or data.get("operator") not in set(DagOperator) or "stage" not in data:
        return None
    nodes = tuple(_node(node, room) for node in _parts(data.get("nodes"), room))
    return Dag(
        id=data["id"],
        name=_name(data),
        state=State(data["state"]),
        operator=DagOperator(data["operator"]),
        stage=_number(data["stage"]),
        max_stage=_number(data.get("max_stage")),
        nodes=nodes,
        cut=room.cut,
        started_at=_moment(data.get("start_time")),
        ended_at=_moment(data.get("end_time")),
        maintenance=_number(data.get("maintenance_type")),
        maintenance_key=told(data.get("maintenance_key") or "", SHOWN_NAME),
        sub_dags=_sub_dags(data.get("additional_data")),
    )


def read_dags(data: Any) -> list[Dag]:
    """Return the DAGs of a list as obshell sends it, bare or under ``contents``; what describes none is left out."""
    listed = data.get("contents") if isinstance(data, dict) else data
    room = _Room()
    found = (_dag(one, room) for one in listed) if isinstance(listed, list) else ()
    return [one for one in found if one is not None]


def agent_of(dag: str) -> str | None:
    """Return the agent whose task this is, by its id; None for a task of the cluster, and for agents with IPv6 addresses."""
    parts = _IPV4.fullmatch(dag)
    if parts is None or (number := int(parts["host"])) >= 1 << 32:
        return None
    return f"{'.'.join(str(number >> shift & 255) for shift in (24, 16, 8, 0))}:{int(parts['port'])}"


def moment(at: datetime) -> str:
    """Return a time as messages show it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(slots=True)
class _Room:
    """How many more subtasks and log lines are read; the rest is ignored, to bound memory."""

    subtasks: int = MOST_SUBTASKS
    lines: int = MOST_LINES
    cut: bool = False


def _node(data: dict[str, Any], room: _Room) -> DagNode:
    subtasks = tuple(_subtask(sub, room) for sub in _parts(data.get("sub_tasks"), room))
    operator, own_id = told(data.get("operator"), LONGEST_ID), told(data.get("id"), LONGEST_ID)
    return DagNode(_name(data), told(data.get("state"), LONGEST_ID), subtasks, operator, own_id)


def _subtask(data: dict[str, Any], room: _Room) -> DagSubtask:
    agent, logs = data.get("execute_agent"), data.get("task_logs")
    where = f"{told(agent.get('ip'), LONGEST_ID)}:{told(agent.get('port'), LONGEST_ID)}" if isinstance(agent, dict) else "?"
    lines = tuple(told(line, LONGEST_LINE) for line in logs[: room.lines]) if isinstance(logs, list) else ()
    room.lines -= len(lines)
    room.cut = room.cut or (isinstance(logs, list) and len(lines) < len(logs))
    return DagSubtask(
        told(data.get("id"), LONGEST_ID),
        _name(data),
        told(data.get("state"), LONGEST_ID),
        where,
        lines,
        room.subtasks,
        _number(data.get("execute_times")),
    )


def _parts(data: Any, room: _Room) -> Iterator[dict[str, Any]]:
    """Return the nodes, or the subtasks of a node, as long as there is room; a node takes as much of it as a subtask."""
    for part in data if isinstance(data, list) else ():
        if room.subtasks <= 0:
            room.cut = True
            return
        room.subtasks -= 1
        if isinstance(part, dict):
            yield part


def _name(data: dict[str, Any]) -> str:
    return one_line(told(data.get("name") or "", SHOWN_NAME + 1), SHOWN_NAME)


def _number(data: Any) -> int:
    return data if isinstance(data, int) and 0 <= data <= MOST_STAGES else 0


def _moment(data: Any) -> datetime | None:
    """Return a time, or None: there is a placeholder of 1970 until it is known."""
    try:
        at = datetime.fromisoformat(data) if isinstance(data, str) and len(data) < LONGEST_ID else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None and at.timestamp() > 0 else None
    except (ValueError, OverflowError):
        return None


def _sub_dags(data: Any) -> tuple[str, ...]:
    known = data.get("sub_dags") if isinstance(data, dict) else None
    ids = list(known.values())[:MOST_SUB_DAGS] if isinstance(known, dict) else []
    return tuple(one for one in ids if isinstance(one, str) and _ID.fullmatch(one))


def shown_line(line: str) -> str:
    """Return a line of a log of obshell without what it gives away itself: values of keys, parameters and SQL that name a secret."""
    return masked_statement(without_json_secrets(line.rstrip()))


def _last_word(logs: tuple[str, ...], shown: Shown) -> str:
    errors = [line for line in logs if line.startswith("ERROR")] or list(logs)
    return f": {short_line(shown(errors[-1]))}" if errors else ""


def short_line(text: str) -> str:
    """Return a line of a log as a message shows it: cut in the middle, as the cause of an error is at its end."""
    return one_line(cut_in_the_middle(" ".join(text.split()), SHOWN_LINE), SHOWN_LINE)
