"""The wire to an obshell agent when something is odd: TLS, redirects, long answers, agents that are none."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.component.executors.obshell_bench import STOP, bench_for, operation, stages
from tests.support.agent.agent import Answered, FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import attempt, wall_clock
from tests.support.local import LOCAL

from devcluster.certificates import Authority
from devcluster.ports import free_port
from obtask.executors.connections.connection import AgentConnection
from obtask.executors.connections.public_key import read_public_key
from obtask.executors.obshell.answers import AgentAnswer, AgentFault, AgentFaultKind, read_answer
from obtask.executors.obshell.dag import read_dag
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.wire import LONGEST_ANSWER, Client
from obtask.masking.body import masked, secrets_of
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent with one operation."""
    with FakeAgent(operations={("POST", STOP): stages(Step("kill"))}).running() as running:
        yield running


def test_the_password_does_not_show() -> None:
    """A connection can be logged."""
    assert "hunter2" not in repr(AgentConnection("http://127.0.0.1:1", "hunter2"))


async def test_a_redirect_is_not_followed(agent: FakeAgent) -> None:
    """Where the Secret points is where the password goes, and nowhere else."""
    agent.operations["POST", STOP] = Answered(302, raw=b"elsewhere")

    end = await bench_for(agent).run(attempt(operation()))

    assert end == Failed(FailureReason.HTTP_STATUS, "POST /api/v1/ob/stop: obshell refused: HTTP 302", "302")


async def test_logs_that_are_too_long_are_left_out(agent: FakeAgent) -> None:
    """An answer over the limit is not read to its end; the attempt goes on without the subtasks' logs."""
    agent.operations["POST", STOP] = stages(Step("kill", logs=("x" * LONGEST_ANSWER,)))
    on = bench_for(agent)

    end = await on.run(attempt(operation()))

    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert "going on without the logs" in on.log.text
    assert len(on.log.text) < 4096


async def test_a_post_with_an_odd_answer_is_not_sent_again(agent: FakeAgent) -> None:
    """It was accepted, but nobody knows what it has started: Interrupted."""
    agent.operations["POST", STOP] = Answered(raw=b"<html>")

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INTERRUPTED
    assert len(agent.sent("POST")) == 1


async def test_an_old_agent_is_named(agent: FakeAgent) -> None:
    """What speaks only the first version of the protocol, or gives out no key, is refused before anything is sent."""

    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer as something that is no agent."""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": {"public_key": "bm9uZQ=="}}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(Old) as port:
        opened = await Client(clock=wall_clock, hosts=LOCAL).open(AgentConnection(f"http://127.0.0.1:{port}", "p"))

    assert isinstance(opened, AgentFault)
    assert opened.kind is AgentFaultKind.NOT_SENT
    assert opened.message.endswith("gives out no usable key: is it an obshell agent?")
    assert agent.asked == []


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve on a free port until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


async def test_tls_is_verified(tmp_path: Path) -> None:
    """With ca.crt the agent must show a certificate of that authority; one of another authority is not spoken to."""
    ours, other = Authority.create("ours"), Authority.create("other")
    pair = ours.server("agent")
    (tmp_path / "agent.pem").write_bytes(pair.certificate + pair.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "agent.pem")
    certificates = (ours.certificate.decode(), other.certificate.decode(), "no certificate")
    with FakeAgent(tls=tls).running() as agent:
        opened, *refused = [await Client(clock=wall_clock, hosts=LOCAL).open(AgentConnection(agent.url, "p", ca)) for ca in certificates]

    assert isinstance(opened, AgentLogin), opened
    assert refused == [
        AgentFault(AgentFaultKind.NOT_SENT, f"{agent.url} cannot be reached: its certificate is not trusted"),
        AgentFault(AgentFaultKind.NOT_SENT, "ca.crt cannot be read"),
    ]


@pytest.mark.parametrize(
    ("status", "octets", "answer"),
    [
        (200, b'{"successful": true, "data": {"a": 1}}', AgentAnswer(200, {"a": 1})),
        (200, b'{"successful": false}', AgentAnswer(200, error="not successful")),
        (204, b"", AgentAnswer(204)),
        (500, b"Internal Server Error", AgentAnswer(500)),
        (400, b'{"error": {"errCode": "Task.X", "message": "no"}}', AgentAnswer(400, error="Task.X", message="no")),
        (401, b'{"error": {"code": 10008, "message": null}}', AgentAnswer(401, error="10008", message="")),
        (400, b"[" * 100000, AgentAnswer(400)),
    ],
)
def test_reading_an_answer(status: int, octets: bytes, answer: AgentAnswer) -> None:
    """Whatever comes is a value."""
    assert read_answer(status, octets) == answer


@pytest.mark.parametrize(
    "change", [{"id": "../secret"}, {"id": 7}, {"id": "1" * 57}, {"state": "DONE"}, {"operator": None}, {"stage": ...}], ids=str
)
def test_what_is_no_dag(change: dict[str, object]) -> None:
    """An id that cannot be part of a path, or a word that nobody knows, is no DAG."""
    good: dict[str, object] = {"id": "11", "state": "READY", "operator": "RUN", "stage": 1}
    data = {key: value for key, value in (good | change).items() if value is not ...}

    assert read_dag(good) is not None
    assert read_dag(data) is None


def test_a_dag_of_odd_parts_is_read_all_the_same() -> None:
    """What is only shown may be anything."""
    parts = {"name": None, "nodes": [None, {"sub_tasks": [7, {"task_logs": "x", "execute_agent": None}]}], "max_stage": "2"}

    dag = read_dag({"id": "11", "state": "FAILED", "operator": "RUN", "stage": 9} | parts)

    assert dag is not None
    assert dag.failure() == 'obshell task 11 "" failed at 9/0'


def test_secrets_in_a_body() -> None:
    """Whatever a key calls a secret, however deep; numbers too; not the words around it."""
    body = {"rootPassword": "p1", "list": [{"secret": {"any": "p2"}}], "agentPwd": 42, "passenger": "bob", "flag": {"password": True}}

    assert list(secrets_of(body)) == ["p1", "p2", "42"]
    assert masked(body)["rootPassword"] == "******"
    assert masked(body)["passenger"] == "bob"


async def test_of_several_urls_the_first_that_answers_is_used(agent: FakeAgent) -> None:
    """An agent that is down costs a moment; where none answers, the message tells of each."""
    client = Client(clock=wall_clock, hosts=LOCAL)
    nobody = f"http://127.0.0.1:{free_port()}"

    opened = await client.open(AgentConnection(nobody, "p", others=(agent.url,)))
    failed = await client.open(AgentConnection(nobody, "p", others=(nobody,)))

    assert isinstance(opened, AgentLogin)
    assert opened.target.url == agent.url
    assert isinstance(failed, AgentFault)
    assert failed.message.startswith("none of 2 agents answers: ")


async def test_a_pinned_key_is_the_only_one(agent: FakeAgent) -> None:
    """Whoever is in the middle gives out a key of his own: the password is encrypted for the one in the Secret."""
    pinned = base64.b64encode(
        generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()

    opened = await Client(clock=wall_clock, hosts=LOCAL).open(AgentConnection(agent.url, "p", public_key=pinned))

    assert isinstance(opened, AgentLogin)
    assert opened.key == read_public_key(pinned)


def test_the_password_of_the_agent_is_for_its_own_paths() -> None:
    """What concerns OBProxy takes agent-password, the rest that of root@sys; without one there is one password for all."""
    key = generate_private_key(65537, 2048).public_key()
    two = AgentLogin(AgentConnection("http://a", "root", agent_password="agent"), key, "root")  # noqa: S106 - of a test
    one = AgentLogin(AgentConnection("http://a", "root"), key, "root")

    assert (two.password_for("/api/v1/ob/stop"), two.password_for("/api/v1/obproxy/stop")) == ("root", "agent")
    assert (one.password_for("/api/v1/ob/stop"), one.password_for("/api/v1/obproxy/stop")) == ("root", "root")


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """tls.crt and tls.key are for agents that ask who is there."""
    authority = Authority.create("tests")
    pair, mine = authority.server("agent"), authority.server("operator")
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    context.load_cert_chain(tmp_path / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    ca_cert = authority.certificate.decode()
    with FakeAgent(tls=context).running() as guarded:
        shown = AgentConnection(guarded.url, "p", ca_cert, client_cert=mine.certificate.decode(), client_key=mine.key.decode())
        opened = await Client(clock=wall_clock, hosts=LOCAL).open(shown)
        refused = await Client(clock=wall_clock, hosts=LOCAL).open(AgentConnection(guarded.url, "p", ca_cert))

    assert isinstance(opened, AgentLogin)
    assert isinstance(refused, AgentFault)
