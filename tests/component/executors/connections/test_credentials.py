"""What a Secret of the operator's own types says, as people write it; and everything that is wrong with one, at once."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from obtask.executors.connections.connection import AgentConnection, Connection, HttpSecret, Tls
from obtask.executors.connections.credentials import agent_connection, http_secret, sql_connection
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

PUBLIC = generate_rsa_key(65537, 2048).public_key()
PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
DER = base64.b64encode(PUBLIC.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
OTHER_PEM = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
DB = Connection("db", 2881, "root@sys", "")


def data(**values: str | bytes) -> dict[str, str]:
    """Return the data of a Secret; a dot in a key is written as two underscores, a dash as one."""
    named = {key.replace("__", ".").replace("_", "-"): value for key, value in values.items()}
    return {key: base64.b64encode(value.encode() if isinstance(value, str) else value).decode() for key, value in named.items()}


def wrong(found: object) -> str:
    """Return what is wrong with the Secret."""
    assert isinstance(found, Failed)
    assert found.reason is FailureReason.CONNECTION_FAILED
    return found.message.removeprefix('Secret "s"')


def sql(**values: str | bytes) -> Connection | Failed:
    """Read a Secret of a SQL server."""
    return sql_connection("s", data(**{"host": "db", **values}))


def agent(**values: str | bytes) -> AgentConnection | Failed:
    """Read a Secret of an obshell agent."""
    return agent_connection("s", data(**{"url": "https://a:2886", **values}))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("word\n", "word"),
        ("word\r\n", "word"),
        ("word\n\n", "word\n"),
        (" word ", " word "),
        ("wo\nrd", "wo\nrd"),
        ("\n", ""),
        ("", ""),
        ("wörd", "wörd"),
    ],
)
def test_a_password_from_a_file(written: str, meant: str) -> None:
    """Exactly one line break at the end is the editor's; everything else is the password."""
    assert sql(password=written) == replace(DB, password=meant)
    found = agent(password=written, agent_password=written)
    assert isinstance(found, AgentConnection)
    assert (found.password, found.agent_password or "") == (meant, meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("word\n", "word"), ("word\r\n", "word"), ("word\n\n", "word\n"), (" pa ss \n", " pa ss "), (PEM + "\n", PEM), ("\n", "")],
)
def test_a_value_for_a_body(written: str, meant: str) -> None:
    """It arrives as it is in the Secret, but for the line break of an editor."""
    found = http_secret("s", data(key=written, hosts="a"))

    assert isinstance(found, HttpSecret)
    assert found.values == {"key": meant}


def test_empty_keys_count_as_absent() -> None:
    """Whoever fills in a form leaves fields empty."""
    nothing = dict.fromkeys(["port", "user", "password", "database", "ca__crt", "tls", "server_public_key"], "")
    lines = dict.fromkeys(["port", "user", "password", "database", "ca__crt", "tls", "server_public_key"], "\n")

    assert sql(**nothing) == sql(**lines) == sql() == DB
    assert agent(**dict.fromkeys(["ca__crt", "tls__crt", "tls__key", "public_key", "agent_password"], "\n")) == AgentConnection(
        "https://a:2886", ""
    )


@pytest.mark.parametrize(
    ("host", "meant"),
    [("[::1]", "::1"), ("::1", "::1"), ("[fd00::5], 10.0.0.5 ,c\n", "fd00::5,10.0.0.5,c"), (" db ", "db"), ("db.", "db.")],
)
def test_hosts_as_people_write_them(host: str, meant: str) -> None:
    """Brackets belong to addresses in URLs."""
    assert sql(host=host) == replace(DB, host=meant)


@pytest.mark.parametrize("host", ["10.0.0.5:2881", "db:2881", "[::1]:2881", "a,b:2881"])
def test_a_port_in_the_host(host: str) -> None:
    """The message says where it belongs."""
    assert wrong(sql(host=host)) == ': key "host" holds a port: write it into key "port"'


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "٣", "1" * 9000])
def test_a_port_that_is_none(port: str) -> None:
    """The message names the key, and does not repeat what may be a password in the wrong place."""
    assert wrong(sql(port=port)) == ': key "port" is not a port number'


def test_tls() -> None:
    """Preferred unless said otherwise; a ca.crt and no TLS cannot both be meant."""
    assert sql(tls="required\n") == replace(DB, tls=Tls.REQUIRED)
    assert sql(tls="disabled") == replace(DB, tls=Tls.DISABLED)
    assert sql(ca__crt="pem\n") == replace(DB, ca_cert="pem\n")
    assert wrong(sql(tls="on")) == ': key "tls" is none of disabled, preferred, required'
    assert wrong(sql(tls="disabled", ca__crt="pem")) == " has a ca.crt, and tls: disabled: take one of them away"


def test_keys_that_passwords_are_encrypted_for() -> None:
    """RSA keys only, of a size that costs nothing."""
    assert sql(server_public_key=PEM) == replace(DB, server_public_key=PEM)
    for text in ("key", OTHER_PEM, DER, PEM[:100], PEM * 100):
        assert wrong(sql(server_public_key=text)) == ': key "server-public-key" is not an RSA public key in PEM'
    for text in (PEM, DER, DER + "\n"):
        found = agent(public_key=text)
        assert isinstance(found, AgentConnection)
        assert found.public_key == text
    assert "is not an RSA public key" in wrong(agent(public_key=OTHER_PEM))


def test_several_urls() -> None:
    """They are tried in this order."""
    found = agent(url="https://a:2886, https://b:2886/,\n[https://c]".replace("[", "").replace("]", ""))

    assert isinstance(found, AgentConnection)
    assert (found.url, found.others) == ("https://a:2886", ("https://b:2886", "https://c"))
    assert "is not of the form" in wrong(agent(url="https://a, ftp://b"))
    assert "is not of the form" in wrong(agent(url=",".join(["https://a"] * 17)))


def test_a_client_certificate_needs_its_key_and_tls() -> None:
    """Either both or none, and nothing of them without https."""
    assert wrong(agent(tls__crt="pem")) == " has only one of tls.crt and tls.key"
    assert wrong(agent(tls__crt="pem", tls__key="key", url="http://a")) == " has a tls.crt, but its url is not https"
    assert wrong(agent(ca__crt="pem", url="https://a,http://b")) == " has a ca.crt, but its url is not https"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """A person mends it in one go."""
    found = sql(host="", port="x", tls="y", user=b"\xff", server_public_key="z")

    assert wrong(found) == (
        ': key "tls" is none of disabled, preferred, required; key "server-public-key" is not an RSA public key in PEM; has no key "host";'
        ' key "port" is not a port number; key "user" is not text'
    )


def test_large_values_are_not_read() -> None:
    """A Secret has up to a megabyte; no password has."""
    assert wrong(sql(password="x" * 20_000)) == ': key "password" has more than 16 KiB'
    assert wrong(sql(host="a," * 400_000)) == ': key "host" has more than 16 KiB; has no key "host"'
    assert wrong(http_secret("s", {str(number): "" for number in range(1001)})) == " has more than 1000 keys"


def test_where_the_values_of_headers_may_go() -> None:
    """The key hosts lists it, and is no value itself; what is no text is no value either."""
    found = http_secret("s", data(hosts="api.example.com:8443, *.corp\n10.0.0.0/8\n\n[::1]:80", key="t\n", odd=b"\xff"))

    assert isinstance(found, HttpSecret)
    assert found.values == {"key": "t"}
    yes = [("API.example.com", 8443), ("a.corp", 1), ("a.b.corp", None), ("10.1.2.3", 80), ("::1", 80), ("[::1]", 80)]
    no = [("api.example.com", 443), ("api.example.com.", 8443)]
    no += [("corp", 1), ("xcorp", 1), ("10.1.2.3.corp.evil", 80), ("::1", 81), ("10.example.com", 80), ("", 80)]
    assert all(found.may_go(*place) for place in yes)
    assert not any(found.may_go(*place) for place in no)


@pytest.mark.parametrize("hosts", ["", "\n", " , ,\n"])
def test_without_hosts_nothing_is_sent(hosts: str) -> None:
    """The message says what to write where."""
    found = http_secret("s", data(key="t", hosts=hosts))

    assert isinstance(found, Failed)
    assert found.reason is FailureReason.FORBIDDEN
    assert found.message.startswith(
        'Secret "s" has no key "hosts": write there to which hosts its values may be sent, as HOST, HOST:PORT or *.SUFFIX'
    )


@pytest.mark.parametrize("entry", ["https://api.example.com", "api/x", "*", "a b", "a:0", "a:65536", "*.*.corp"])
def test_an_entry_that_is_no_host(entry: str) -> None:
    """What cannot be read allows nothing: the whole Secret is refused, with the number of the entry."""
    assert wrong(http_secret("s", data(key="t", hosts=f"a,{entry}"))) == (
        ': key "hosts" has something else than HOST, HOST:PORT or *.SUFFIX as entry 2'
    )
