"""Owns obshell agents that mean harm: each gives out a key, starts a task (DAG) for whoever asks, and tells of it in a way of its own."""

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.hostile.wire import Line, Talk

DAG = "42"
DEPTH = 10_000
MANY = 60_000


@cache
def _key() -> str:
    public = generate_private_key(65537, 2048).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _said(data: Any) -> bytes:
    return _http(json.dumps({"successful": True, "status": 200, "data": data}).encode())


def _dag(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": DAG, "dag_id": 42, "name": "Start", "state": "RUNNING", "operator": "RUN", "stage": 1, "max_stage": 2, "nodes": nodes}


def _node(subtasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "node", "state": "RUNNING", "sub_tasks": subtasks}


def agent(look: Callable[[int], bytes]) -> Talk:
    """Return an agent that answers each look at its task like this; the number of the look is given."""
    looks = 0

    async def talk(line: Line) -> None:
        nonlocal looks
        head = (await line.until(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1].partition("?")[0]
        if path == "/api/v1/info":
            await line.send(_said({"identity": "SINGLE", "security": False, "version": "4.2.5", "supportedAuth": ["v2"]}))
        elif path == "/api/v1/secret":
            await line.send(_said({"public_key": _key()}))
        elif head.startswith("GET") and path.startswith("/api/v1/task/dag/"):
            looks += 1
            await line.send(look(looks))
        else:
            await line.send(_said(_dag([])))

    return talk


def new_subtasks(look: int) -> bytes:
    """Tell of tens of thousands of subtasks, others at every look."""
    lines = ",".join(f'{{"id":"{look}-{at}","name":"n{look}{at}"}}' for at in range(MANY))
    head = json.dumps(_dag([])).removesuffix("[]}")
    return _http(f'{{"successful":true,"data":{head}[{{"name":"n","sub_tasks":[{lines}]}}]}}}}'.encode())


def many_nodes(look: int) -> bytes:
    """Tell of tens of thousands of nodes, each with a subtask."""
    return _said(_dag([_node([{"id": f"{look}-{at}"}]) for at in range(MANY // 2)]))


def changing_logs(look: int) -> bytes:
    """Tell of one subtask whose log has 40,000 new lines at every look."""
    return _said(_dag([_node([{"id": "1", "name": "n", "task_logs": [f"{look} line {at}" for at in range(min(look, 4) * 40_000)]}])]))


def long_lines(look: int) -> bytes:
    """Tell of log lines of a megabyte, of what secrets look like."""
    return _said(_dag([_node([{"id": f"{look}-{at}", "task_logs": ["PASSWORD" * 130_000]} for at in range(3)])]))


def deep(look: int) -> bytes:  # noqa: ARG001 - one of many looks
    """Tell of a task in lists in lists."""
    return _http(b'{"successful":true,"data":' + b"[" * DEPTH + b"]" * DEPTH + b"}")


def too_long(look: int) -> bytes:  # noqa: ARG001 - one of many looks
    """Answer with 5 MiB."""
    return _said({"id": DAG, "filler": "x" * (5 << 20)})


def empties(look: int) -> bytes:  # noqa: ARG001 - one of many looks
    """Answer with less than 4 MiB that are more than a million values."""
    return _http(b'{"successful":true,"status":200,"data":[' + b"{}," * 1_300_000 + b"{}]}")


def wrong_types(look: int) -> bytes:
    """Tell of a task whose fields have other types at every look."""
    odd: list[Any] = [None, [], {}, 1e308, 10**400, "x" * 100_000, True, [None], {"ip": []}]
    value = odd[look % len(odd)]
    nodes: Any = value if look % 2 else [{"name": value, "sub_tasks": [{"id": value, "execute_agent": value, "task_logs": [value]}]}]
    return _said({**_dag([]), "name": value, "stage": 1, "max_stage": value, "nodes": nodes})


AGENTS: dict[str, Talk] = {
    f"obshell-{look.__name__.replace('_', '-')}": agent(look)
    for look in (new_subtasks, many_nodes, changing_logs, long_lines, deep, too_long, empties, wrong_types)
}
