"""Owns reading a task (DAG) of obshell: how far it is, how it ended and why. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from obtask.executors.obshell.answers import told
from obtask.model.limits import EXTERNAL_CHARACTERS, one_line

_ID = re.compile(rf"[0-9A-Za-z]{{1,{EXTERNAL_CHARACTERS}}}")
SHOWN_NAME = 120
LONGEST_ID = 64
LONGEST_LINE = 16 * 1024
MOST_STAGES = 1_000_000
MOST_SUBTASKS = 4096  # of one DAG that are looked at
MOST_LINES = 10_000  # of the logs of one DAG that are looked at
SHOWN_LINE = 200


class State(StrEnum):
    """Where a DAG, a node or a subtask stands."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCEED = "SUCCEED"


class Operator(StrEnum):
    """What was last asked of it. Only together with the state does it say how a DAG ended."""

    RUN = "RUN"
    RETRY = "RETRY"
    ROLLBACK = "ROLLBACK"
    CANCEL = "CANCEL"
    PASS = "PASS"  # noqa: S105 - a word of obshell's


@dataclass(frozen=True, slots=True)
class Subtask:
    """What one agent does in a node."""

    id: str
    name: str
    state: str
    agent: str
    logs: tuple[str, ...]
    place: int = 0  # among all of its DAG


@dataclass(frozen=True, slots=True)
class Node:
    """A stage of a DAG."""

    name: str
    state: str
    subtasks: tuple[Subtask, ...]


@dataclass(frozen=True, slots=True)
class Dag:
    """A task of obshell."""

    id: str
    name: str
    state: State
    operator: Operator
    stage: int
    max_stage: int
    nodes: tuple[Node, ...]
    cut: bool = False  # it has more subtasks, or lines of logs, than are looked at

    @property
    def ended(self) -> bool:
        """True when it does nothing more by itself."""
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
    def progress(self) -> str:
        """What it is doing, in one line."""
        doing = {Operator.ROLLBACK: "is being rolled back", Operator.CANCEL: "is being cancelled"}.get(self.operator, "is running")
        return f"{self.title} {doing}: {self.position}"

    def subtasks(self) -> Iterator[Subtask]:
        """Return its subtasks in their order; the failed ones of a node last, so that a log ends with what went wrong."""
        for node in self.nodes:
            yield from sorted(node.subtasks, key=lambda sub: sub.state == State.FAILED)

    def failure(self) -> str:
        """Return why it failed, in one line: the node, the subtask and its last word."""
        how = {Operator.ROLLBACK: "could not be rolled back", Operator.CANCEL: "was cancelled in obshell"}.get(self.operator, "failed")
        text = f"{self.title} {how} at {self.position}"
        failed = next((sub for sub in self.subtasks() if sub.state == State.FAILED), None)
        if failed is None:
            return text
        return f'{text}, subtask "{failed.name}" on {failed.agent}{_last_word(failed.logs)}'


def read_dag(data: Any) -> Dag | None:
    """Return the DAG that the data of an answer describe, or None if they describe none."""
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not _ID.fullmatch(data["id"]):
        return None
    if data.get("state") not in set(State) or data.get("operator") not in set(Operator) or "stage" not in data:
        return None
    room = _Room()
    nodes = tuple(_node(node, room) for node in _parts(data.get("nodes"), room))
    return Dag(
        id=data["id"],
        name=_name(data),
        state=State(data["state"]),
        operator=Operator(data["operator"]),
        stage=_number(data["stage"]),
        max_stage=_number(data.get("max_stage")),
        nodes=nodes,
        cut=room.cut,
    )


@dataclass(slots=True)
class _Room:
    """How many more subtasks and lines are looked at: whoever sends more has no claim to our memory."""

    subtasks: int = MOST_SUBTASKS
    lines: int = MOST_LINES
    cut: bool = False


def _node(data: dict[str, Any], room: _Room) -> Node:
    subtasks = tuple(_subtask(sub, room) for sub in _parts(data.get("sub_tasks"), room))
    return Node(_name(data), told(data.get("state"), LONGEST_ID), subtasks)


def _subtask(data: dict[str, Any], room: _Room) -> Subtask:
    agent, logs = data.get("execute_agent"), data.get("task_logs")
    where = f"{told(agent.get('ip'), LONGEST_ID)}:{told(agent.get('port'), LONGEST_ID)}" if isinstance(agent, dict) else "?"
    lines = tuple(told(line, LONGEST_LINE) for line in logs[: room.lines]) if isinstance(logs, list) else ()
    room.lines -= len(lines)
    room.cut = room.cut or (isinstance(logs, list) and len(lines) < len(logs))
    return Subtask(told(data.get("id"), LONGEST_ID), _name(data), told(data.get("state"), LONGEST_ID), where, lines, room.subtasks)


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


def _last_word(logs: tuple[str, ...]) -> str:
    errors = [line for line in logs if line.startswith("ERROR")] or list(logs)
    return f": {one_line(errors[-1], SHOWN_LINE)}" if errors else ""
