"""Owns a fake obshell agent: a real HTTP server on 127.0.0.1 that speaks the agent's protocol, RSA and AES included."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.agent.dags import GLOBAL, NO_MAINTENANCE, Dag, Node, Refused, wall_clock

PASSWORD = "o'brien\"s p@ss"  # noqa: S105 - a password that needs care wherever it is quoted
DAG_PATH = "/api/v1/task/dag/"
TURN_SECONDS = 0.01


@dataclass(frozen=True)
class Asked:
    """One request as the agent understood it."""

    method: str
    path: str
    query: str
    header: str
    auth: dict[str, Any]
    body: Any
    content_type: str | None


@dataclass
class Answered:
    """What the agent says: a status, data or an error code; or it drops the connection, or keeps silent until it is let go."""

    status: int = 200
    data: Any = None
    error: str | None = None
    message: str | None = None
    raw: bytes | None = None
    drop: bool = False
    silent: threading.Event | None = None

    def octets(self) -> bytes:
        """Return the body."""
        if self.raw is not None or self.status == 204:
            return self.raw or b""
        document: dict[str, Any] = {"successful": self.error is None, "status": self.status, "traceId": "t", "data": self.data}
        if self.error:
            document["error"] = {"code": 1000, "errCode": self.error, "message": self.message or f"told: {self.error}"}
        return json.dumps(document).encode()


@dataclass
class Operation:
    """What a request starts: a DAG with this name, which takes the agent's lock if it is for maintenance."""

    nodes: Callable[[], list[Node]]
    name: str | None = None
    maintenance: int = GLOBAL
    lets_go: bool = False
    sub_dags: dict[str, str] = field(default_factory=dict)


Operations = dict[tuple[str, str], Callable[[], list[Node]] | Operation | Answered]


@dataclass
class FakeAgent:
    """An agent of a cluster. A test says what its operations start; what it was asked is kept.

    ``away`` is the error of its database, while it does not answer: then it knows none of its tasks. ``ahead`` is how far its clock is
    before ours. ``frozen``: it takes requests and answers none until the event is set. ``lost``: what a fault keeps from being answered is
    carried out all the same.
    """

    password: str = PASSWORD
    agent_password: str | None = None
    identity: str = "CLUSTER AGENT"
    security: bool = False
    away: str | None = None
    ahead: timedelta = timedelta()
    frozen: threading.Event | None = None
    lost: bool = False
    operations: Operations = field(default_factory=dict)
    faults: list[tuple[str, str, Answered]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    dags: dict[str, Dag] = field(default_factory=dict)
    kind: str = "1"
    port: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        """Make its key."""
        self.lock = threading.RLock()
        self.new_key()

    def new_key(self) -> None:
        """Take another key, as an agent does whose home was made again."""
        self.key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - as obshell has it

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def sent(self, method: str) -> list[Asked]:
        """Return the requests of this method, without the two that come first."""
        with self.lock:
            return [one for one in self.asked if one.method == method]

    def operated(self) -> list[str]:
        """Return the operators that were asked for."""
        return [one.body["operator"].upper() for one in self.sent("POST") if one.path.startswith(DAG_PATH)]

    def starts(self) -> list[str]:
        """Return the paths of the operations that were asked for."""
        return [one.path for one in self.sent("POST") if not one.path.startswith(DAG_PATH)]

    def seconds(self) -> float:
        """The time by which requests expire, in seconds since 1970."""
        return time.time()

    def now(self) -> datetime:
        """The time of day as the agent has it."""
        return wall_clock() + self.ahead

    def start(self, operation: Operation) -> Dag:
        """Start a task by hand, as a person does in obshell."""
        with self.lock:
            number = len(self.dags) + 1
            dag = Dag(
                number,
                operation.name or f"Operation {number}",
                operation.nodes(),
                self.kind,
                maintenance=operation.maintenance,
                lets_go=operation.lets_go,
                sub_dags=operation.sub_dags,
                clock=self.now,
            )
            self.dags[dag.id] = dag
            return dag

    def make_again(self) -> None:
        """Forget all tasks, as an agent does whose meta data are lost: ids begin again."""
        with self.lock:
            self.dags.clear()

    def in_the_way(self, but: Dag | None = None) -> Dag | None:
        """Return the task that has the lock."""
        return next((dag for dag in self.dags.values() if dag.keeps_others_out and dag is not but), None)

    def dag(self, number: int = 1) -> Dag:
        """Return a DAG by its number."""
        return next(dag for dag in self.dags.values() if dag.number == number)

    def release(self) -> None:
        """Let every step go on that is held."""
        with self.lock:
            for step in (step for dag in self.dags.values() for node in dag.nodes for step in node.steps):
                step.held = False

    @contextmanager
    def running(self) -> Iterator["FakeAgent"]:
        """Serve until the block ends; the scheduler runs beside it."""
        agent = self
        handler = type("Handler", (_Handler,), {"agent": agent})
        server = _Server(("127.0.0.1", self.port), handler)
        self.port = server.server_address[1]
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        ending = threading.Event()
        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)), threading.Thread(target=self._schedule, args=(ending,))]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            ending.set()
            server.shutdown()
            server.server_close()
            for thread in threads:
                thread.join()

    def _schedule(self, ending: threading.Event) -> None:
        while not ending.wait(TURN_SECONDS):
            with self.lock:
                for dag in self.dags.values():
                    dag.turn()

    def has_obproxy(self) -> bool:
        """Return whether the agent manages an OBProxy."""
        return False

    def answer(self, method: str, target: str, headers: dict[str, str], octets: bytes) -> Answered:
        """Answer one request."""
        parts = urlsplit(target)
        if self.frozen is not None:
            return Answered(silent=self.frozen)
        if parts.path == "/api/v1/info":
            info = {"identity": self.identity, "version": "4.5.0.0", "supportedAuth": ["v2"], "security": self.security}
            return Answered(data=info | {"isObproxyAgent": self.has_obproxy()})
        if parts.path == "/api/v1/secret":
            der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return Answered(data={"public_key": base64.b64encode(der).decode()})
        name = "X-OCS-Agent-Header" if headers.get("X-OCS-Agent-Header") else "X-OCS-Header"
        try:
            auth = self._opened(headers.get(name) or "")
        except ValueError:
            return Answered(401, error="Security.Authentication.Header.DecryptFailed")
        keys = base64.b64decode(auth["keys"])
        body = json.loads(_decrypted(octets, keys)) if octets else None
        with self.lock:
            asked = Asked(method, unquote(parts.path), parts.query, name, auth, body, headers.get("Content-Type"))
            self.asked.append(asked)
            return self._refusal(asked, target) or self._fault(asked) or self._served(asked)

    def _opened(self, header: str) -> dict[str, Any]:
        octets, size = base64.b64decode(header), self.key.key_size // 8
        pieces = [self.key.decrypt(octets[at : at + size], PKCS1v15()) for at in range(0, len(octets), size)]
        auth: dict[str, Any] = json.loads(b"".join(pieces))
        return auth

    def _refusal(self, asked: Asked, target: str) -> Answered | None:
        if asked.auth["uri"] != target:
            return Answered(401, error="Security.Authentication.Header.UriMismatch")
        if self.identity == "SINGLE" and not self.security:
            return None
        by_agent = asked.header == "X-OCS-Agent-Header" and self.agent_password is not None
        if asked.auth["auth"] != (self.agent_password if by_agent else self.password):
            what = "Agent" if by_agent else "Oceanbase"
            return Answered(401, error=f"Security.Authentication.Incorrect{what}Password")
        if not self.seconds() <= int(asked.auth["ts"]) <= self.seconds() + 120:
            return Answered(401, error="Security.Authentication.Expired")
        obproxy = asked.path.startswith(("/api/v1/obproxy", DAG_PATH + "4", DAG_PATH + "5"))
        agent_only = obproxy or (self.security and self.identity == "SINGLE")
        if (asked.header == "X-OCS-Agent-Header") not in {agent_only, agent_only or self.security}:
            return Answered(401, error="Security.Authentication.WithAgentPassword")
        return None

    def _fault(self, asked: Asked) -> Answered | None:
        for index, (method, prefix, _) in enumerate(self.faults):
            if method == asked.method and asked.path.startswith(prefix):
                fault = self.faults.pop(index)[2]
                if self.lost:
                    self.lost = False
                    self._served(asked)
                return fault
        return None

    def _served(self, asked: Asked) -> Answered:
        if asked.path == "/api/v1/status":
            state = {"underMaintenance": self.in_the_way() is not None, "obState": 1 if self.away else 3}
            return Answered(data=state | {"identity": self.identity})
        if asked.path.startswith("/api/v1/task/"):
            return self._task(asked)
        operation = self.operations.get((asked.method, asked.path))
        if operation is None:
            return Answered(404, error="Request.NotFound")
        if isinstance(operation, Answered):
            return operation
        if not isinstance(operation, Operation):
            operation = Operation(operation, maintenance=NO_MAINTENANCE)
        if operation.maintenance != NO_MAINTENANCE and self.in_the_way() is not None:
            return _under_maintenance(f"Create task '{operation.name}' failed: 10.0.0.1:2886")
        return Answered(data=self.start(operation).document(details=False))

    def _task(self, asked: Asked) -> Answered:
        name, details = asked.path.removeprefix("/api/v1/task/"), "show_details=False" not in asked.query
        match name:
            case "dag/unfinish" | "dag/agent/unfinish":
                unfinished = [dag for dag in self.dags.values() if dag.state != "SUCCEED"]
                return Answered(data={"contents": [dag.document(details=details) for dag in unfinished]})
            case "dags/agent" | "dags/ob":
                mine = [dag for dag in self.dags.values() if dag.kind.startswith("1") == (name == "dags/ob")]
                return Answered(data={"contents": [dag.document(details=details) for dag in mine]})
            case "dag/maintain/agent":
                last = max((dag for dag in self.dags.values() if dag.maintenance != NO_MAINTENANCE), key=_number, default=None)
                return Answered(404, error="Task.NotFound") if last is None else Answered(data=last.document(details=details))
            case _:
                pass
        if name.startswith("node/"):
            return self._node(name.removeprefix("node/"))
        dag = self.dags.get(asked.path.removeprefix(DAG_PATH))
        if self.away is not None and self.kind.startswith("1"):
            return Answered(404, error="Task.NotFound", message=f"Task not found: {self.away}")
        if dag is None:
            return Answered(404, error="Task.NotFound", message="Task not found: record not found")
        if asked.method == "GET":
            return Answered(data=dag.document(details=details))
        return self._operated(dag, asked.body["operator"].upper())

    def _node(self, node: str) -> Answered:
        for dag in self.dags.values():
            for place in range(len(dag.nodes)):
                if dag.node_id(place) == node:
                    try:
                        dag.pass_node(place)
                    except Refused as refused:
                        return Answered(400, error=str(refused))
                    return Answered()
        return Answered(404, error="Task.NotFound")

    def _operated(self, dag: Dag, operator: str) -> Answered:
        back = operator in {"RETRY", "ROLLBACK"} and dag.state == "FAILED" and dag.lets_go
        if back and self.in_the_way(dag) is not None:
            return _under_maintenance("10.0.0.1:2886")
        try:
            dag.operate(operator)
        except Refused as refused:
            return Answered(400, error=str(refused))
        return Answered()


def _under_maintenance(what: str) -> Answered:
    return Answered(500, error="Agent.UnderMaintenance", message=f"{what} is under maintenance")


def _number(dag: Dag) -> int:
    return dag.number


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is what a test wanted."""


class _Handler(BaseHTTPRequestHandler):
    """Hands requests to the agent."""

    agent: FakeAgent

    def handle_any(self) -> None:
        octets = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.agent.answer(self.command, self.path, dict(self.headers.items()), octets)
        if answer.silent is not None:
            answer.silent.wait(60)
        self.close_connection = True
        if answer.drop:
            return
        body = answer.octets()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names of http.server

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the agent's time."""
        return super().date_time_string(self.agent.now().timestamp() if timestamp is None else timestamp)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _decrypted(octets: bytes, keys: bytes) -> bytes:
    decryptor, unpadder = Cipher(AES(keys[:16]), CBC(keys[16:])).decryptor(), PKCS7(128).unpadder()
    padded = decryptor.update(base64.b64decode(octets)) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()
