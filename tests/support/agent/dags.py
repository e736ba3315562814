"""Owns the state machine of a fake agent's tasks: DAG, nodes, subtasks, operators and what each step allows, as in obshell 4.5."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

RUN, RETRY, ROLLBACK, CANCEL, PASS = "RUN", "RETRY", "ROLLBACK", "CANCEL", "PASS"
PENDING, READY, RUNNING, FAILED, SUCCEED = "PENDING", "READY", "RUNNING", "FAILED", "SUCCEED"
EPOCH = datetime.fromtimestamp(0, UTC)
NO_MAINTENANCE, GLOBAL, TENANT, OBPROXY = 1, 2, 3, 4


def wall_clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


@dataclass
class Step:
    """One subtask: what it allows, how often it fails, and whether the test holds it."""

    name: str
    agent: str = "10.0.0.1:2886"
    fails: int = 0
    held: bool = False
    logs: tuple[str, ...] = ()
    rollback_fails: bool = False
    can_retry: bool = True
    can_rollback: bool = True
    can_cancel: bool = True
    can_pass: bool = True
    state: str = PENDING
    operator: str = RUN
    execute_times: int = 0
    written: list[str] = field(default_factory=list)


@dataclass
class Node:
    """One stage: one subtask, or several at the same time."""

    name: str
    steps: list[Step]
    state: str = PENDING
    operator: str = RUN

    def may(self, flag: str) -> bool:
        """Return whether all of its subtasks allow something."""
        return all(getattr(step, flag) for step in self.steps)


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """Why an operator is not accepted: an error code of obshell."""


@dataclass
class Dag:
    """A chain of nodes. Nothing happens but by ``turn``, which is one pass of the scheduler."""

    number: int
    name: str
    nodes: list[Node]
    kind: str = "1"
    state: str = READY
    operator: str = RUN
    stage: int = 1
    maintenance: int = NO_MAINTENANCE
    key: str = ""
    lets_go: bool = False  # when it fails, as DAGs with failure_exit_maintenance do
    sub_dags: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = wall_clock
    started: datetime = EPOCH
    ended: datetime = EPOCH

    def __post_init__(self) -> None:
        """Take the time it is made at for its start: a placeholder until it is started."""
        self.started = self.clock()

    @property
    def id(self) -> str:
        """Its generic id."""
        return f"{self.kind}{self.number}"

    @property
    def keeps_others_out(self) -> bool:
        """Whether it has the agent's lock."""
        return self.maintenance != NO_MAINTENANCE and self.state != SUCCEED and not (self.lets_go and self.state == FAILED)

    def turn(self) -> None:
        """Do one pass."""
        before = self.state
        self._turn()
        if self.state != before and self.state in {FAILED, SUCCEED}:
            self.ended = self.clock()

    def _turn(self) -> None:
        if self.state == READY:
            self.state, self.started = RUNNING, self.clock()
        elif self.state == RUNNING:
            node = self.nodes[self.stage - 1]
            self._advance(node)
            if node.state == FAILED:
                self.state = FAILED
            elif node.state == SUCCEED:
                self._next()

    def operate(self, operator: str) -> None:
        """Accept an operator, or raise Refused."""
        known = {RETRY: self._retry, ROLLBACK: self._roll_back, CANCEL: self._cancel, PASS: self._pass}
        if operator not in known:
            raise Refused("Task.Dag.Operator.NotSupport")
        known[operator]()
        if operator != PASS:
            self.started = self.ended = EPOCH

    def node_id(self, place: int) -> str:
        """Return the generic id of a node."""
        return f"{self.id}9{place}"

    def pass_node(self, place: int) -> None:
        """Set a failed node to successful, and go on with the next one; or raise Refused."""
        node = self.nodes[place]
        if self.state != FAILED:
            raise Refused("Task.Node.Operator.PassNotFailedDag")
        if node.state != FAILED:
            raise Refused("Task.Node.Operator.PassNotFailedNode")
        parts: list[Node | Step] = [node, *node.steps]
        for part in parts:
            part.state, part.operator = SUCCEED, PASS
        self.state, self.operator, self.started = READY, RUN, EPOCH

    def document(self, *, details: bool) -> dict[str, Any]:
        """Return it as the agent's API shows it."""
        nodes = [_node(node, self.node_id(place)) for place, node in enumerate(self.nodes)] if details else None
        more = {"dag_id": self.number, "name": self.name, "stage": self.stage, "max_stage": len(self.nodes), "nodes": nodes}
        times = {"start_time": self.started.isoformat(), "end_time": self.ended.isoformat()}
        extra = {"sub_dags": self.sub_dags} if details and self.sub_dags else None
        more |= times | {"maintenance_type": self.maintenance, "maintenance_key": self.key, "additional_data": extra}
        return _status(self.id, self.state, self.operator) | more

    def _next(self) -> None:
        back = self.operator == ROLLBACK
        if self.stage == (1 if back else len(self.nodes)):
            self.state = SUCCEED
        else:
            self.stage += -1 if back else 1

    def _advance(self, node: Node) -> None:
        if node.operator == CANCEL:
            for step in node.steps:
                if step.state != SUCCEED:
                    step.state, step.operator = FAILED, CANCEL
                    step.written.append("ERROR: sub task cancelled")
            node.state = FAILED
        elif node.state == PENDING:
            node.state = RUNNING
            for step in node.steps:
                _dispatch(step, node.operator)
        elif node.state == RUNNING and not any(step.held for step in node.steps):
            for step in node.steps:
                _finish(step)
            if any(step.state == RUNNING for step in node.steps):
                return
            node.state = FAILED if any(step.state == FAILED for step in node.steps) else SUCCEED

    def _retry(self) -> None:
        node = self._failed("Retry")
        if not node.may("can_retry"):
            raise Refused("Task.Dag.Operator.RetryNotAllowed")
        self.state, self.operator = READY, RUN
        node.state, node.operator = PENDING, RETRY

    def _roll_back(self) -> None:
        self._failed("Rollback")
        through = self.nodes[: self.stage]
        if not all(node.may("can_rollback") for node in through):
            raise Refused("Task.Dag.Operator.RollbackNotAllowed")
        self.state, self.operator = READY, ROLLBACK
        for node in through:
            node.state, node.operator = PENDING, ROLLBACK

    def _cancel(self) -> None:
        if self.state in {FAILED, SUCCEED}:
            raise Refused("Task.Dag.Operator.CancelFinishedDag")
        if not all(node.may("can_cancel") for node in self.nodes[: self.stage]):
            raise Refused("Task.Dag.Operator.CancelNotAllowed")
        self.state, self.operator = READY, CANCEL
        node = self.nodes[self.stage - 1]
        node.state, node.operator = PENDING, CANCEL

    def _pass(self) -> None:
        self._failed("Pass")
        rest = self.nodes[self.stage - 1 :]
        if not all(node.may("can_pass") for node in rest):
            raise Refused("Task.Dag.Operator.PassNotAllowed")
        self.state, self.operator = SUCCEED, PASS
        for node in rest:
            parts: list[Node | Step] = [node, *node.steps]
            for part in parts:
                part.state, part.operator = SUCCEED, PASS

    def _failed(self, verb: str) -> Node:
        if self.state != FAILED:
            raise Refused(f"Task.Dag.Operator.{verb}NotFailedDag")
        return self.nodes[self.stage - 1]


def _dispatch(step: Step, operator: str) -> None:
    if operator == ROLLBACK and step.execute_times == 0:
        return
    if operator != RETRY or step.state != SUCCEED:
        again = operator == RETRY and step.state == FAILED
        step.execute_times += 2 if again else 1  # a retry rolls back first
        step.state, step.operator = RUNNING, ROLLBACK if operator == ROLLBACK else RUN


def _finish(step: Step) -> None:
    if step.state != RUNNING:
        return
    if step.operator == ROLLBACK:
        step.written.append(f"undid {step.name}")
        step.state = FAILED if step.rollback_fails else SUCCEED
        return
    step.written += step.logs or (f"doing {step.name}",)
    if step.fails:
        step.fails -= 1
        step.written.append(f"ERROR: {step.name} broke")
    step.state = FAILED if step.written[-1].startswith("ERROR") else SUCCEED


def _status(name: str, state: str, operator: str) -> dict[str, Any]:
    return {
        "id": name,
        "state": state,
        "operator": operator,
        "start_time": EPOCH.isoformat(),
        "end_time": EPOCH.isoformat(),
        "additional_data": None,
    }


def _node(node: Node, own_id: str) -> dict[str, Any]:
    subtasks = [_step(step, f"{own_id}{node.name}") for step in node.steps]
    return _status(own_id, node.state, node.operator) | {"node_id": 1, "name": node.name, "sub_tasks": subtasks}


def _step(step: Step, prefix: str) -> dict[str, Any]:
    shown = [] if step.state in {PENDING, READY} else list(step.written)
    more = {"task_id": 1, "name": step.name, "execute_times": step.execute_times, "task_logs": shown}
    ip, _, port = step.agent.rpartition(":")
    return _status(f"{prefix}{step.name}", step.state, step.operator) | more | {"execute_agent": {"ip": ip, "port": int(port)}}
