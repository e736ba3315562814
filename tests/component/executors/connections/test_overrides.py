"""A task may choose another host, port, user or database than its Secret, and no password goes where the Secret's owner did not say."""

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.component.executors.connections.test_credentials import agent, data, sql, wrong
from tests.component.executors.obshell_bench import operation
from tests.component.executors.seekdb import sql_bench
from tests.support.agent.agent import FakeAgent
from tests.support.attempts import SECRET_NAME, PlainLog, Secrets, alone, attempt, bench, evaluated, wall_clock
from tests.support.attempts import sql as sql_action
from tests.support.local import LOCAL
from tests.support.scripted_server import Script, scripted_server

from devcluster.certificates import Authority
from obtask.executors.connections.connection import AgentConnection, Connection
from obtask.executors.connections.credentials import agent_connection, http_secret, sql_connection
from obtask.executors.connections.overrides import agent_target, sql_target
from obtask.executors.network.lookup import HostPolicy
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.target import ObshellConversation, ObshellTools
from obtask.executors.obshell.wire import Client
from obtask.executors.obshell.words import Transcript
from obtask.executors.sql.work import SqlWork
from obtask.model.attempt import Failed, Succeeded
from obtask.model.connections import AgentRef, ConnectionRef
from obtask.model.reasons import FailureReason
from obtask.shares import Pace, Slots

PASSWORD = "s3cret-word"  # noqa: S105 - that of the scripted server
REFUSED = 'nothing was sent: the key "hosts" of Secret "s" does not list '
ODD_HOSTS = [
    "", " db", "db ", "db\n", "d b", "a,b", "db:2881", "10.0.0.5:2881", "[::1]:2881", "db/x", "db#x", "db?x", "u@db", "%64b", "db\0",
    "db\0.corp", "*.corp", "*", "-db", ".corp", "db..", "d\N{CYRILLIC SMALL LETTER BE}", "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021", "x\u202ecorp", "fe80::1%eth0", "[fe80::1%25eth0]", "[::1", "::1]", "[db]", "[127.0.0.1]", "[]", "$ { x }",
    "a" * 254, 5, True, ["db"],
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class OneAgent:
    """The connection of every Secret. Implements ``AgentSource``."""

    of: AgentConnection

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:  # noqa: ARG002 - the protocol's arguments
        """Return it."""
        return self.of

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:
        """Nobody asks for one."""
        raise NotImplementedError


def ref(**fields: Any) -> ConnectionRef:
    """Return the connection of a task."""
    return ConnectionRef.model_validate({"secretName": "s", **fields})


def aimed(own: str, hosts: str = "", **fields: Any) -> str:
    """Return the hosts that the password goes to, and the port; or nothing, if the task may not have it sent there."""
    secret = sql(host=own, hosts=hosts, password=PASSWORD)
    assert isinstance(secret, Connection), secret
    found = sql_target(ref(**fields), secret)
    if isinstance(found, Failed):
        assert found.reason is FailureReason.FORBIDDEN
        assert found.message.startswith(REFUSED)
        return ""
    return f"{found.host} {found.port}"


def asked(url: str, hosts: str = "", **fields: Any) -> str:
    """Return the URLs of the agents that are asked; or nothing, if the task may not have them asked."""
    secret = agent(url=url, hosts=hosts)
    assert isinstance(secret, AgentConnection), secret
    found = agent_target(AgentRef.model_validate({"secretName": "s", **fields}), secret)
    if isinstance(found, Failed):
        assert found.reason is FailureReason.FORBIDDEN
        assert found.message.startswith(REFUSED)
        return ""
    return ",".join((found.url, *found.others))


def test_without_overrides_the_secret_is_used_as_it_is() -> None:
    """Also if it lists other hosts."""
    assert aimed("a,b", "*.corp") == "a,b 2881"
    assert asked("http://a:1,https://b", "*.corp") == "http://a:1,https://b"


def test_user_and_database_may_be_any() -> None:
    """They are said to the same server, which gets a hash of the password and nothing else."""
    secret = sql(password=PASSWORD, database="one")
    assert isinstance(secret, Connection)

    assert sql_target(ref(user="root@租户#集群", database="two"), secret) == replace(secret, user="root@租户#集群", database="two")


@pytest.mark.parametrize(
    ("own", "host", "goes"),
    [
        ("db", "db", "db"),
        ("db", "DB", "db"),
        ("db", "db.", "db"),
        ("db.", "db", "db."),
        ("a,b,c", "b", "b"),
        ("127.0.0.1", "127.1", "127.0.0.1"),
        ("127.0.0.1", "0x7f.1", "127.0.0.1"),
        ("127.0.0.1", "2130706433", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "[::FFFF:7f00:1]", "127.0.0.1"),
        ("fd00::5", "[FD00:0::5]", "fd00::5"),
    ],
)
def test_the_secrets_own_hosts(own: str, host: str, goes: str) -> None:
    """They may be chosen in any spelling, and what is asked for is what the owner wrote: ``db.`` is not where ``db`` leads in a cluster."""
    assert aimed(own, host=host) == f"{goes} 2881"
    assert aimed(own, "elsewhere", host=host, port=2881) == f"{goes} 2881"


@pytest.mark.parametrize("hosts", ["", " ,\n", "other", "*.db", "db.corp", "db:2882", "10.0.0.0/8"])
@pytest.mark.parametrize("host", ["evil", "db.evil", "xdb", "127.0.0.1", "127.1", "0x7f.1", "[::1]", "::ffff:127.0.0.1", "db.evil."])
def test_a_host_that_is_not_listed(hosts: str, host: str) -> None:
    """An empty list is none, and another host is never near enough."""
    assert aimed("db", hosts, host=host) == ""
    assert asked("https://db:2881", hosts, host=host) == ""


@pytest.mark.parametrize(
    ("hosts", "host", "goes"),
    [
        ("Other.Corp", "other.corp", "other.corp"),
        ("other.corp", "OTHER.corp.", "other.corp"),
        ("other.corp.", "other.corp", "other.corp."),
        ("*.corp", "a.b.CORP", "a.b.corp"),
        ("*.corp", "corp", ""),
        ("*.corp", "evilcorp", ""),
        ("*.corp", "a.corp.evil", ""),
        ("10.0.0.0/8", "10.9.8.7", "10.9.8.7"),
        ("10.0.0.0/8", "10.9.2055", "10.9.8.7"),
        ("10.0.0.0/8", "012.9.8.7", "10.9.8.7"),
        ("10.0.0.0/8", "::ffff:10.9.8.7", "10.9.8.7"),
        ("10.0.0.0/8", "11.0.0.1", ""),
        ("10.0.0.0/8", "localhost", ""),
        ("0.0.0.0/0", "localhost", ""),
        ("*.0.0.1", "127.0.0.1", ""),
        ("*.1", "0x7f.1", ""),
        ("::/0", "::ffff:10.9.8.7", ""),
        ("::/0", "64:ff9b::10.9.8.7", ""),
        ("::/0", "2002:a09:807::1", ""),
        ("64:ff9b::a09:807", "64:ff9b::10.9.8.7", "64:ff9b::a09:807"),
        ("::/0,10.0.0.0/8", "64:ff9b::10.9.8.7", "64:ff9b::a09:807"),
        ("::ffff:10.9.8.7", "::ffff:10.9.8.7", "10.9.8.7"),
        ("::ffff:10.9.0.0/112", "10.9.8.7", "10.9.8.7"),
        ("::ffff:0:0/95", "10.9.8.7", ""),
        ("fd00::/8", "[fd00::5]", "fd00::5"),
        ("[::1]", "::1", "::1"),
        ("localhost", "127.0.0.1", ""),
        ("127.0.0.1", "localhost", ""),
    ],
)
def test_hosts_that_are_listed(hosts: str, host: str, goes: str) -> None:
    """Names by name or suffix, addresses by address or CIDR; no name is resolved, and no address hides in another one."""
    where = f"[{goes}]" if ":" in goes else goes
    assert aimed("db", hosts, host=host) == (goes and f"{goes} 2881")
    assert asked("https://db:2886", hosts, host=host) == (goes and f"https://{where}:2886")


@pytest.mark.parametrize(
    ("hosts", "fields", "goes"),
    [
        ("", {"port": 2881}, "db 2881"),
        ("", {"port": 2882}, ""),
        ("", {"port": 2882, "host": "db"}, ""),
        ("db", {"port": 2882}, "db 2882"),
        ("db:2882", {"port": 2882}, "db 2882"),
        ("db:2882", {"port": 2883}, ""),
        ("x:2882", {"host": "x"}, ""),
        ("x:2882", {"host": "x", "port": 2882}, "x 2882"),
        ("x", {"host": "x", "port": 1}, "x 1"),
        ("x:2881", {"host": "x"}, "x 2881"),
        ("10.0.0.0/8:2882", {"host": "10.0.0.1", "port": 2882}, "10.0.0.1 2882"),
        ("10.0.0.0/8:2882", {"host": "10.0.0.1"}, ""),
    ],
)
def test_ports(hosts: str, fields: dict[str, Any], goes: str) -> None:
    """Another port of the same host may be somebody else's: it must be listed, too. An entry without a port is about all of them."""
    assert aimed("db", hosts, **fields) == goes


def test_a_port_of_several_hosts() -> None:
    """It is refused if one of them is not listed with it."""
    assert aimed("a,b", "a,b", port=1) == "a,b 1"
    assert aimed("a,b", "a", port=1) == ""


@pytest.mark.parametrize(
    ("url", "hosts", "fields", "goes"),
    [
        ("http://a:1,https://b:2", "", {"host": "B"}, "https://b:2"),
        ("http://a:1,https://b:2", "", {"port": 2}, "https://b:2"),
        ("http://a:1,https://b:2", "", {"host": "a", "port": 2}, ""),
        ("http://a:1,https://b:2", "c", {"host": "c"}, "https://c:2"),
        ("http://a:1", "c", {"host": "c"}, "http://c:1"),
        ("http://a", "", {"port": 80}, "http://a:80"),
        ("https://a", "", {"port": 443}, "https://a:443"),
        ("https://a", "", {"port": 80}, ""),
        ("https://a", "c:443", {"host": "c"}, "https://c:443"),
        ("https://[::1]:2886", "", {"host": "0::1"}, "https://[::1]:2886"),
        ("http://a:1,http://a:2", "", {"host": "a"}, "http://a:1,http://a:2"),
    ],
)
def test_agents(url: str, hosts: str, fields: dict[str, Any], goes: str) -> None:
    """The scheme is the owner's: that of the URL with this host; of another host https, unless no URL has that."""
    assert asked(url, hosts, **fields) == goes


def test_what_was_right_stays_right() -> None:
    """TLS verifies the host that is asked, with the Secret's ca.crt; keys and passwords are the Secret's."""
    secret = agent(url="https://a", hosts="b", ca__crt="pem", password=PASSWORD, agent_password="q")  # noqa: S106 - of a test
    assert isinstance(secret, AgentConnection)

    assert agent_target(ref(host="b"), secret) == replace(secret, url="https://b:443")


def test_the_message_says_what_to_write() -> None:
    """It names the Secret, its key, and the host in the form that the key takes."""
    secret = sql(password=PASSWORD)
    assert isinstance(secret, Connection)

    for host, entry in (("127.1", "127.0.0.1:2881"), ("[::1]", "[::1]:2881"), ("Other.corp", "Other.corp:2881")):
        found = sql_target(ref(host=host), secret)
        assert isinstance(found, Failed)
        assert found.message == f"{REFUSED}{entry}; if its owner wants the password to go there, it must be added to that key"
        assert aimed("db", entry, host=host)


def test_a_list_that_is_wrong_or_huge() -> None:
    """It is said whether or not a task overrides something: nobody finds out only when it matters."""
    for read in (sql, agent):
        assert wrong(read(hosts="a,b c")) == ': key "hosts" has something else than HOST, HOST:PORT or *.SUFFIX as entry 2'
        assert wrong(read(hosts=b"\xff")) == ': key "hosts" is not text'
        assert wrong(read(hosts="a,\n" * 1001)) == ': key "hosts" has more than 1000 entries'
        assert wrong(read(hosts="a" * 70_000)) == ': key "hosts" has more than 64 KiB'
        assert len(wrong(read(hosts=",".join(["*"] * 1000)))) <= 512


def test_the_largest_list_costs_little() -> None:
    """Reading and looking through a thousand entries takes less than what a person would notice, for all tasks wait meanwhile."""
    hosts = ",".join(f"*.{'a.' * 20}{number}" for number in range(1000))
    began = time.thread_time()

    assert aimed("db", hosts, host="a" * 253) == ""

    assert time.thread_time() - began < 0.25


def test_a_final_dot_binds_values_for_headers_too() -> None:
    """Where ``db.dev`` is a Service of this cluster, ``db.dev.`` may be a stranger's: a URL is sent as it is written."""
    same = [("db.dev", "db.dev"), ("*.dev.", "a.dev."), ("10.0.0.0/8", "10.1.2.3")]
    other = [("db.dev", "db.dev."), ("db.dev.", "db.dev"), ("*.dev", "a.dev.")]
    for entry, host in same + other:
        found = http_secret("s", data(hosts=entry))
        assert not isinstance(found, Failed)
        assert found.may_go(host, 80) is ((entry, host) in same)


@pytest.mark.parametrize("host", ODD_HOSTS, ids=lambda host: ascii(host)[:40])
def test_odd_hosts_are_no_hosts(host: object) -> None:
    """What could be read in two ways gets no further than the API server."""
    for model in (ConnectionRef, AgentRef):
        with pytest.raises(ValidationError):
            model.model_validate({"secretName": "s", "host": host})


@pytest.mark.parametrize(
    "fields",
    [
        {"port": 0}, {"port": 65536}, {"port": "2881"}, {"port": 2881.5}, {"port": True}, {"user": ""}, {"user": "a\0b"}, {"user": "a\x85"},
        {"user": "a\n"}, {"user": "u" * 257}, {"database": ""}, {"database": "a\x1b[31m"}, {"database": "d" * 129}, {"password": "x"},
        {"tls": "disabled"},
    ],
    ids=lambda fields: ascii(fields)[:40],
)  # fmt: skip
def test_odd_fields(fields: dict[str, Any]) -> None:
    """Ports are numbers, names have no control characters; whatever protects the password cannot be overridden at all."""
    with pytest.raises(ValidationError):
        ref(**fields)


async def test_sql_goes_where_the_task_says() -> None:
    """Host, port, user and database of the task are those of the session; the log names them."""
    script, nobody = Script(), Script()
    async with scripted_server(script) as port, scripted_server(nobody) as other:
        secret = sql_connection("s", data(host="127.0.0.1", port=str(other), hosts=f"127.0.0.0/8:{port}", password=PASSWORD))
        assert isinstance(secret, Connection)
        on = sql_bench(secret)
        own = {"secretName": SECRET_NAME, "host": "127.1", "port": port, "user": "root@orders"}
        end = await on.run(attempt(sql_action("select 1", connection=own)))

    assert end == Succeeded("1 statement")
    assert (set(script.users), nobody.users) == ({"root@orders"}, [])
    assert f"connected to 127.0.0.1:{port} as root@orders" in on.log.text


async def test_the_database_of_the_action_comes_first(database: Connection) -> None:
    """Then that of the connection, then that of the Secret."""
    own = {"secretName": SECRET_NAME, "database": "oceanbase"}
    asked_for = {"expect": "rows[0].db == 'oceanbase'", "connection": own}
    on = sql_bench(replace(database, database="test"))

    assert await on.run(attempt(sql_action("select database() as db", **asked_for))) == Succeeded("1 statement")
    asked_for = {"expect": "rows[0].db == 'test'", "connection": own, "database": "test"}
    assert await on.run(attempt(sql_action("select database() as db", **asked_for), number=2)) == Succeeded("1 statement")


@pytest.mark.parametrize("fields", [{"host": "localhost"}, {"host": "127.0.0.2"}, {"host": "0x7f.2"}, {"host": "[::1]"}, {}])
async def test_sql_goes_nowhere_else(fields: dict[str, Any]) -> None:
    """Not one connection is opened: neither by sql.connection nor by the task's."""
    script = Script()
    async with scripted_server(script) as port:
        secret = sql_connection("s", data(host="127.0.0.1", hosts="127.0.0.1:2881,*.0.0.1", password=PASSWORD))
        assert isinstance(secret, Connection)
        own = ConnectionRef.model_validate({"secretName": SECRET_NAME, "port": port, **fields})
        on = sql_bench(secret)
        ends = [
            await on.run(attempt(sql_action("select 1", connection=own.dump()))),
            await on.run(replace(attempt(sql_action("select 1"), number=2), connection=own)),
        ]

    for end in ends:
        assert isinstance(end, Failed)
        assert end.reason is FailureReason.FORBIDDEN
    assert script.users == []
    assert PASSWORD not in on.log.text


async def test_the_administrators_list_counts_on_top() -> None:
    """A Secret's owner cannot allow what the operator does not."""
    secret = sql_connection("s", data(host="db.prod", hosts="127.0.0.1", password=PASSWORD))
    assert isinstance(secret, Connection)
    work = SqlWork(Secrets({SECRET_NAME: secret}), clock=wall_clock, confirmed=alone, expressions=evaluated, hosts=HostPolicy(("*.prod",)))

    end = await bench(work).run(attempt(sql_action(connection={"secretName": SECRET_NAME, "host": "127.0.0.1"})))

    assert end == Failed(FailureReason.FORBIDDEN, 'host "127.0.0.1" is not allowed: it is not in OBTASK_ALLOWED_HOSTS', untouched=True)


async def test_tls_verifies_the_host_that_the_task_names(tmp_path: Path) -> None:
    """The certificate must be for that one, by the Secret's ca.crt; it is not for the Secret's own host."""
    authority = Authority.create("tests")
    pair = authority.server("localhost")
    (tmp_path / "agent.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "agent.pem")
    with FakeAgent(tls=context).running() as running:
        port = running.url.rpartition(":")[2]
        keys = {"url": f"https://agent.invalid:{port}", "hosts": "127.0.0.0/8", "ca__crt": authority.certificate.decode()}
        secret = agent_connection("s", data(password=running.password, **keys))
        assert isinstance(secret, AgentConnection)
        target = agent_target(AgentRef.model_validate({"secretName": "s", "host": "127.1"}), secret)
        assert isinstance(target, AgentConnection)
        assert target.url == f"https://127.0.0.1:{port}"
        opened = await Client(clock=wall_clock, hosts=LOCAL).open(target)

    assert isinstance(opened, AgentLogin), opened


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_agent_elsewhere_is_not_asked(scheme: str) -> None:
    """Not even for its key: a request with a password encrypted for a stranger's key would be readable by him."""
    with FakeAgent().running() as stranger:
        secret = agent_connection("prod", data(url=f"{scheme}://10.0.0.5:2886", hosts="*.prod,10.0.0.0/8", password=PASSWORD))
        assert isinstance(secret, AgentConnection)
        log, port = PlainLog(), int(stranger.url.rpartition(":")[2])
        tools = ObshellTools(
            OneAgent(secret),
            Client(clock=wall_clock, hosts=LOCAL),
            wall_clock,
            alone,
            Slots(8),
            Pace(1000, burst=1000),
            evaluated,
            poll_seconds=0.02,
            stop_seconds=5,
        )
        for host in ("127.0.0.1", "127.1", "localhost", "::ffff:127.0.0.1"):
            own = AgentRef.model_validate({"secretName": SECRET_NAME, "host": host, "port": port})
            refused = await ObshellConversation(attempt(operation(connection=own.dump())), own, tools, Transcript(log)).open()
            assert isinstance(refused, Failed)
            assert refused.reason is FailureReason.FORBIDDEN

    assert stranger.asked == []
    assert PASSWORD not in log.text
