"""No way of authenticating in the MySQL protocol gives a password away, whatever a server asks for. API.md section 2.1."""

import asyncio
import base64
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.component.executors.certified import Certified
from tests.support.hostile.mysql import CAPABILITIES, CLIENT_SSL, OK, PLUGIN_AUTH, SALT, greeting, packet
from tests.support.local import LOCAL

from obtask.executors.connections.connection import Connection, Tls
from obtask.executors.sql.answers import SqlFault
from obtask.executors.sql.session import SqlSession, connect

PASSWORD = "S3cret-of-root!"  # noqa: S105 - of a test
OTHER_SALT = b"ABCDEFGHIJKLMNOPQRST"
TARGET = Connection("127.0.0.1", 1, "root@sys", PASSWORD)
REFUSED_PLUGINS = [
    "mysql_clear_password", "mysql_old_password", "dialog", "auth_gssapi_client", "authentication_ldap_simple_client",
    "authentication_ldap_sasl_client", "authentication_kerberos_client", "authentication_windows_client", "authentication_oci_client",
    "authentication_openid_connect_client", "authentication_webauthn_client", "authentication_fido_client", "authentication_pam",
    "client_ed25519", "parsec", "unix_socket", "cleartext", "MYSQL_NATIVE_PASSWORD", "x" * 4000, "\x1b[31m", "caching_sha2_password ",
]  # fmt: skip
HASHED_PLUGINS = ["mysql_native_password", "caching_sha2_password"]
WHOLE_PLUGINS = ["sha256_password", "caching_sha2_password"]


class Asker:
    """A server that greets with a plugin, then says one thing after the other, and remembers every byte that it gets."""

    def __init__(self, plugin: str, *says: bytes | tuple[bytes, ...], tls: ssl.SSLContext | None = None) -> None:
        flags = CAPABILITIES | (CLIENT_SSL if tls else 0)
        self.greeting = greeting(plugin.encode(), capabilities=flags)
        self.says = says
        self.tls = tls
        self.heard = b""
        self.proofs: list[bytes] = []
        self.port = 0
        self.secure = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Listen for one client."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            talk = asyncio.create_task(self._talk(listener))
            try:
                yield listener.getsockname()[1]
            finally:
                talk.cancel()
                await asyncio.gather(talk, return_exceptions=True)

    async def _talk(self, listener: socket.socket) -> None:
        while True:
            near, _ = await asyncio.get_running_loop().sock_accept(listener)
            try:
                await self._one(near)
            except (OSError, EOFError):
                pass
            finally:
                near.close()

    async def _one(self, near: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(near, packet(0, self.greeting))
        if self.tls is not None:
            head = await loop.sock_recv(near, 36)  # not one byte more: what follows is for the TLS layer
            self.heard += head
            if len(head) < 36 or not int.from_bytes(head[4:8], "little") & CLIENT_SSL:
                self.heard += await loop.sock_recv(near, 65536)
                return
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, near, ssl=self.tls)
        self.secure = self.tls is not None
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            for said in (*self.says, None):
                head = await reader.readexactly(4)
                self.heard += head
                proof = await reader.readexactly(int.from_bytes(head[:3], "little"))
                self.heard += proof
                self.proofs.append(proof)
                for number, payload in enumerate([said] if isinstance(said, bytes) else said or (), head[3] + 1):
                    writer.write(packet(number, payload))
            self.heard += await reader.read(65536)
        finally:
            transport.abort()


def switch(plugin: str, salt: bytes = OTHER_SALT) -> bytes:
    """Return the request for another plugin."""
    return b"\xfe" + plugin.encode() + b"\0" + salt + b"\0"


def forms(password: str) -> list[bytes]:
    """Return the password as whoever sees it could read it."""
    raw = password.encode()
    keys = [SALT, OTHER_SALT, SALT + OTHER_SALT, b"\xff" * 20, b"\0"]
    mixed = [bytes(letter ^ key[at % len(key)] for at, letter in enumerate(raw)) for key in keys]
    return [raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw), raw.decode().upper().encode(), *mixed]


async def asked(asker: Asker, target: Connection = TARGET) -> SqlFault | SqlSession:
    """Connect to the server, and leave."""
    async with asker.listening() as port:
        found = await connect(replace(target, port=port), lambda _: None, seconds=5, hosts=LOCAL)
        if isinstance(found, SqlSession):
            await found.close()
        return found


def assert_kept(asker: Asker) -> None:
    """Nothing that the server got can be turned back into the password."""
    for form in forms(PASSWORD):
        assert form not in asker.heard
    assert PASSWORD[:6].encode() not in asker.heard


@pytest.fixture(scope="session")
def stranger() -> RSAPrivateKey:
    """Return the key of whoever is in the middle."""
    return generate_private_key(65537, 2048)


def pem(key: RSAPrivateKey) -> bytes:
    """Return the public half, as MySQL gives it out."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def opened(key: RSAPrivateKey, octets: bytes, salt: bytes) -> bytes:
    """Return what was encrypted for the key."""
    plain = key.decrypt(octets, OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None))  # noqa: S303 - as the protocol has it
    return bytes(letter ^ salt[at % 20] for at, letter in enumerate(plain))


@pytest.fixture
def trust(tmp_path: Path) -> Certified:
    """Return a server's side of TLS."""
    return Certified(tmp_path, "sql")


def ways(trust: Certified) -> list[tuple[ssl.SSLContext | None, Connection]]:
    """Return how one may connect: without TLS, to a server without it, with TLS that is not verified, and with TLS that is."""
    return [
        (None, TARGET),
        (trust.server, replace(TARGET, tls=Tls.DISABLED)),
        (trust.server, TARGET),
        (trust.server, replace(TARGET, tls=Tls.REQUIRED)),
        (trust.server, replace(TARGET, ca_cert=trust.ca_cert)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("plugin", REFUSED_PLUGINS, ids=lambda name: repr(name)[:40])
async def test_no_other_plugin_is_answered(plugin: str, trust: Certified) -> None:
    """By the greeting, by a switch, by a second switch; with and without TLS, also where it is verified: nothing but hashes leaves."""
    for tls, target in ways(trust):
        for says in (
            [],
            [switch(plugin)],
            [switch("mysql_native_password"), switch(plugin)],
            [switch("caching_sha2_password"), switch(plugin)],
        ):
            asker = Asker("mysql_native_password" if says else plugin, *says, OK, OK, tls=tls)
            found = await asked(asker, target)

            assert isinstance(found, SqlFault)
            assert PASSWORD not in found.message
            assert "\x1b" not in found.message
            assert len(found.message) < 400
            if not (tls and target.tls is Tls.DISABLED):
                assert len(asker.proofs) == len(says)  # a login with a hash, a hash of the first switch, and nothing more
            assert_kept(asker)


@pytest.mark.parametrize("says", [b"\xfe", b"\xfe\0", b"\xfe\0" + OTHER_SALT, b"\xfe" + OTHER_SALT])
async def test_the_old_way_of_switching_is_not_followed(says: bytes) -> None:
    """Before MySQL 4.1 passwords were hashed in a way that is easily undone."""
    asker = Asker("mysql_native_password", says, OK, OK)

    assert isinstance(await asked(asker), SqlFault)
    assert len(asker.proofs) == 1
    assert_kept(asker)


@pytest.mark.parametrize(
    "flags", [CAPABILITIES & ~0x8000, CAPABILITIES & ~PLUGIN_AUTH, CAPABILITIES & ~(PLUGIN_AUTH | 0x8000), 0, 0xFFFFF7FF]
)
async def test_a_server_that_can_less_learns_no_more(flags: int) -> None:
    """Without plugins a hash is sent; to a server without the better hash nothing is."""
    asker = Asker("mysql_clear_password", OK, OK)
    asker.greeting = greeting(b"mysql_clear_password", capabilities=flags)

    await asked(asker)

    assert_kept(asker)


@pytest.mark.parametrize("salt", [b"", b"\0" * 20, b"a" * 8, b"a" * 200, PASSWORD.encode() * 2])
@pytest.mark.parametrize("plugin", HASHED_PLUGINS)
async def test_a_hash_with_a_salt_of_the_servers_choice(plugin: str, salt: bytes) -> None:
    """Whatever the salt is, what leaves is the hash that the protocol names, or nothing."""
    asker = Asker("mysql_native_password", switch(plugin, salt), OK, OK)

    found = await asked(asker)

    assert_kept(asker)
    assert isinstance(found, SqlSession) is (len(salt) >= 20)
    if isinstance(found, SqlSession):
        assert asker.proofs[1] == hashed(plugin, salt[:20])


def hashed(plugin: str, salt: bytes) -> bytes:
    """Return what leaves, by the documents of MySQL."""
    raw = PASSWORD.encode()
    if plugin == "mysql_native_password":
        once = hashlib.sha1(raw).digest()  # noqa: S324 - as the protocol has it
        mix = hashlib.sha1(salt + hashlib.sha1(once).digest()).digest()  # noqa: S324
    else:
        once = hashlib.sha256(raw).digest()
        mix = hashlib.sha256(hashlib.sha256(once).digest() + salt).digest()
    return bytes(left ^ right for left, right in zip(once, mix, strict=True))


@pytest.mark.parametrize("by_greeting", [True, False])
@pytest.mark.parametrize("plugin", WHOLE_PLUGINS)
async def test_the_key_of_a_stranger_is_not_used(plugin: str, by_greeting: bool, stranger: RSAPrivateKey, trust: Certified) -> None:
    """Whoever is in the middle has a key of his own: without a pinned one the password is encrypted for nobody."""
    for tls in (None, trust.server):
        wants = [b"\x01\x04", b"\x01" + pem(stranger), OK, OK]
        asker = Asker(plugin, *wants, tls=tls) if by_greeting else Asker("mysql_native_password", switch(plugin), *wants, tls=tls)

        found = await asked(asker)

        assert isinstance(found, SqlFault)
        assert "whole password" in found.message
        assert len(asker.proofs) <= 2
        assert not any(len(proof) >= 256 for proof in asker.proofs)
        assert_kept(asker)


@pytest.mark.parametrize("by_greeting", [True, False])
@pytest.mark.parametrize("plugin", WHOLE_PLUGINS)
async def test_a_pinned_key_is_the_only_one(plugin: str, by_greeting: bool, stranger: RSAPrivateKey) -> None:
    """With server-public-key the password is encrypted for that key, whatever key the server gives out."""
    ours = generate_private_key(65537, 2048)
    wants = [b"\x01\x04"] if plugin == "caching_sha2_password" else []
    before = [] if by_greeting else [switch(plugin)]
    asker = Asker(plugin if by_greeting else "mysql_native_password", *before, *wants, OK, OK)

    found = await asked(asker, replace(TARGET, server_public_key=pem(ours).decode()))

    assert isinstance(found, SqlSession)
    secret = next(proof for proof in asker.proofs if len(proof) >= 256)
    sent = secret if len(secret) == 256 else secret[secret.index(b"\xfc\x00\x01") + 3 :][:256]
    assert opened(ours, sent, SALT if by_greeting else OTHER_SALT) == PASSWORD.encode() + b"\0"
    with pytest.raises(ValueError, match="failed"):
        opened(stranger, sent, SALT)
    assert_kept(asker)


async def test_a_pinned_key_does_not_help_inside_tls_that_is_not_verified(stranger: RSAPrivateKey, trust: Certified) -> None:
    """There the protocol has no encryption of the password, and the other end may be anybody."""
    asker = Asker("caching_sha2_password", b"\x01\x04", OK, OK, tls=trust.server)

    found = await asked(asker, replace(TARGET, server_public_key=pem(stranger).decode()))

    assert isinstance(found, SqlFault)
    assert_kept(asker)


async def test_the_whole_password_goes_to_a_verified_server_only(trust: Certified) -> None:
    """caching_sha2_password needs it when the server has forgotten the hash: inside TLS that ca.crt verifies it may have it."""
    asker = Asker("caching_sha2_password", b"\x01\x04", OK, OK, tls=trust.server)

    found = await asked(asker, replace(TARGET, ca_cert=trust.ca_cert))

    assert isinstance(found, SqlSession)
    assert asker.proofs[1] == PASSWORD.encode() + b"\0"


async def test_a_hash_that_is_enough() -> None:
    """caching_sha2_password without the whole password: the usual case."""
    asker = Asker("caching_sha2_password", (b"\x01\x03", OK), OK)

    found = await asked(asker)

    assert isinstance(found, SqlSession)
    assert len(asker.proofs) == 1
    assert hashed("caching_sha2_password", SALT) in asker.proofs[0]
    assert_kept(asker)


@pytest.mark.parametrize("preference", [Tls.PREFERRED, Tls.REQUIRED])
async def test_tls_is_used_where_it_is_offered(preference: Tls, trust: Certified) -> None:
    """Also without a ca.crt: who only listens hears nothing, not even the user."""
    asker = Asker("mysql_native_password", OK, OK, tls=trust.server)

    found = await asked(asker, replace(TARGET, tls=preference))

    assert isinstance(found, SqlSession)
    assert found.security == " over TLS, not verified"
    assert asker.secure


async def test_tls_that_is_required_and_not_offered() -> None:
    """The server does not even learn the user."""
    asker = Asker("mysql_native_password", OK, OK)

    found = await asked(asker, replace(TARGET, tls=Tls.REQUIRED))

    assert isinstance(found, SqlFault)
    assert "tls is required, but the server offers no TLS" in found.message
    assert asker.heard == b""


async def test_tls_that_is_preferred_and_broken(trust: Certified) -> None:
    """An old server that offers what it cannot do is spoken to without TLS, and the log says so; where TLS is required, it is not."""
    asker = Asker("mysql_native_password", tls=trust.server)
    asker.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate
    told: list[str] = []

    async with asker.listening() as port:
        await connect(replace(TARGET, port=port), told.append, seconds=5, hosts=LOCAL)
        required = await connect(replace(TARGET, port=port, tls=Tls.REQUIRED), told.append, seconds=5, hosts=LOCAL)

    assert len(told) == 1
    assert "going on without TLS" in told[0]
    assert isinstance(required, SqlFault)
    assert_kept(asker)
