"""Owns attacks by servers that ask for the password of a connection. S6."""

import base64
import socket
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.attack.ground import Ground, Tenant, step, until
from tests.attack.listeners import Ear, Talk, ear
from tests.attack.verdict import Attack, Held, Through, Verdict
from tests.support.agent.agent import FakeAgent

from devcluster.certificates import Authority

LOOT = "Adm1n-Pa55!-of-root"
# The methods of the MySQL protocol, and some that are none.
PLUGINS = (
    "mysql_clear_password", "sha256_password", "caching_sha2_password", "mysql_old_password", "dialog", "authentication_ldap_simple_client",
    "authentication_oci_client", "client_ed25519", "parsec", "mysql_native_password", "",
)  # fmt: skip
CAPABILITIES = 0xFFFF_F7FF & ~0x0020
SSL = 0x0800


def _packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload


def _greeting(plugin: str, flags: int) -> bytes:
    low, high = flags & 0xFFFF, flags >> 16
    salt = b"abcdefghijklmnopqrst"
    head = b"\x0a8.0.36\0" + (7).to_bytes(4, "little") + salt[:8] + b"\0" + low.to_bytes(2, "little")
    return head + b"\xff\x02\0" + high.to_bytes(2, "little") + bytes([21]) + b"\0" * 10 + salt[8:] + b"\0" + plugin.encode() + b"\0"


def asks_for(plugin: str, key: rsa.RSAPrivateKey, *, switch: bool, tls: bool) -> Talk:
    """Return a server that asks for the password by this method, in the greeting or afterwards, and offers its own key."""

    def talk(line: socket.socket, heard: Ear) -> None:
        line.sendall(_packet(0, _greeting("mysql_native_password" if switch else plugin, CAPABILITIES | (SSL if tls else 0))))
        if not (tls and heard.tls):
            _ask(line, heard, plugin if switch else "", key)
            return
        line.recv(36)
        with heard.tls.wrap_socket(line, server_side=True) as secured:
            _ask(secured, heard, plugin if switch else "", key)

    return talk


def _ask(line: socket.socket, heard: Ear, switch: str, key: rsa.RSAPrivateKey) -> None:
    """Take the login, switch to another method if there is one, ask for the whole of it, and offer the own key, whatever comes."""
    number = heard.take(line)[3]
    if switch:
        line.sendall(_packet(number + 1, b"\xfe" + switch.encode() + b"\0abcdefghijklmnopqrst\0"))
        number = heard.take(line)[3]
    line.sendall(_packet(number + 1, b"\x01\x04"))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for _ in range(3):
        octets = heard.take(line)
        if not octets:
            return
        heard.heard += _opened(octets[4:], key)
        line.sendall(_packet(octets[3] + 1, b"\x01" + public))


def _opened(octets: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """Return what was encrypted for the server's own key; nothing if it was not."""
    try:
        plain = key.decrypt(octets, OAEP(MGF1(SHA1()), SHA1(), None))  # noqa: S303 - as the protocol has it
    except ValueError:
        return b""
    salt = b"abcdefghijklmnopqrst"
    return bytes(byte ^ salt[index % 20] for index, byte in enumerate(plain))


def passwords(ground: Ground) -> Verdict:
    """Ask for the password by every method of the protocol: in the greeting and by a switch, without TLS and with a stranger's."""
    key = rsa.generate_private_key(65537, 2048)
    with ground.tenant() as tenant, ExitStack() as stack, _stranger() as context:
        ears: dict[str, Ear] = {}
        for plugin in PLUGINS:
            for switch in (False, True):
                for tls in (False, True):
                    name = f"{plugin.replace('_', '-') or 'none'}-{'switch' if switch else 'greeting'}-{'tls' if tls else 'plain'}"
                    ears[name] = stack.enter_context(ear(asks_for(plugin, key, switch=switch, tls=tls), context))
                    tenant.secret(name, host="127.0.0.1", port=str(ears[name].port), user="root@sys", password=LOOT)
        _connect_all(tenant, list(ears))
        met = sum(found.connections > 0 for found in ears.values())
        lost = [name for name, found in ears.items() if LOOT.encode() in found.heard]
        return (
            Through(f"{len(lost)} of {met} servers have it: {', '.join(lost[:4])}") if lost else Held(f"{met} servers asked for it in vain")
        )


def _connect_all(tenant: Tenant, names: Sequence[str]) -> None:
    subtasks = [{"name": name[-60:].strip("-"), "sql": {"connection": {"secretName": name}, "statements": ["select 1"]}} for name in names]
    tenant.make("carol", "connect", step("a", parallel=subtasks, timeoutSeconds=20))
    tenant.ended("connect", 25)


@contextmanager
def _stranger() -> Iterator[ssl.SSLContext]:
    """Return the TLS of somebody whom nobody knows."""
    pair = Authority.create("stranger").server("localhost")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "crt").write_bytes(pair.certificate)
        (Path(folder) / "key").write_bytes(pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(folder) / "crt", Path(folder) / "key")
        yield context


def other_agent(ground: Ground) -> Verdict:
    """Be an obshell agent with another key than the one that the Secret names."""
    named = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with ground.tenant() as tenant, FakeAgent(password=LOOT).running() as agent:
        tenant.secret("agent", url=agent.url, password=LOOT, public_key=base64.b64encode(named).decode())
        tenant.make("carol", "agent", step("a", obshell={"path": "/api/v1/ob/stop", "body": {}, "connection": {"secretName": "agent"}}))
        phase = tenant.ended("agent", 15)
        heard = [asked for asked in agent.asked if asked.auth.get("auth") == LOOT]
        return Through("the agent has decrypted the password") if heard else Held(f"{phase}; nothing that it can read was sent")


def other_places(ground: Ground) -> Verdict:
    """Have the password of somebody's connection sent to a server of one's own: other hosts, ports and spellings, by sql and by obshell."""
    key = rsa.generate_private_key(65537, 2048)
    lists = {"none": "", "names": "*.prod,db.corp", "port": "127.0.0.1:2881", "networks": "10.0.0.0/8,::/0", "suffix": "*.0.0.1,*.1"}
    hosts = ("127.0.0.1", "127.1", "0x7f.1", "2130706433", "127.0.0.1.", "localhost", "LOCALHOST.", "::ffff:127.0.0.1", "64:ff9b::7f00:1")
    with ground.tenant() as tenant, ear(asks_for("mysql_native_password", key, switch=False, tls=False)) as heard:
        tried = 0
        for name, listed in lists.items():
            tenant.secret(f"sql-{name}", host="127.0.0.1", port="2881", hosts=listed, password=LOOT)
            tenant.secret(f"agent-{name}", url="http://db.prod:2886", hosts=listed, password=LOOT)
            subtasks = []
            for number, host in enumerate(hosts):
                there = {"host": host, "port": heard.port}
                subtasks += [
                    {"name": f"s{number}", "sql": {"connection": {"secretName": f"sql-{name}", **there}, "statements": ["select 1"]}},
                    {"name": f"o{number}", "obshell": {"connection": {"secretName": f"agent-{name}", **there}, "path": "/api/v1/ob/stop"}},
                ]
            tenant.make("carol", name, step("a", parallel=subtasks, timeoutSeconds=20))
            tried += len(subtasks)
        phases = {tenant.ended(name, 25) for name in lists}
        if heard.connections:
            return Through(f"{heard.connections} connections of {tried} have come")
        tenant.secret("allowed", host="127.0.0.1", hosts="127.0.0.1", password=LOOT)
        own = {"secretName": "allowed", "port": heard.port}
        tenant.make("carol", "allowed", step("a", sql={"connection": own, "statements": ["select 1"]}, timeoutSeconds=20))
        assert until(lambda: heard.connections), "not even an override that is allowed has come: the attack proves nothing"
        return Held(f"{tried} overrides, no connection: {', '.join(sorted(phases))}; the one that its owner allows has come")


ATTACKS = (
    Attack("S6", "a connection turned to another server", "not possible: nothing could be overridden", other_places),
    Attack("S6", "servers that ask for the password", "clear in the greeting; RSA with their own key", passwords),
    Attack("S6", "an agent with another key", "decrypts the password", other_agent),
)
