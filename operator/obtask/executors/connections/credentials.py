"""Owns what the Secrets of the operator's own types say: one function for each kind, with everything that is wrong. Pure.

An empty key counts as absent. Of a password exactly one line break at its end is left out: ``--from-file`` brings it along.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from obtask.executors.connections.connection import AgentConnection, Connection, HttpSecret, Tls
from obtask.executors.connections.public_key import read_public_key
from obtask.hosts import HostEntry, InvalidEntry, listed, read_entry, same_host
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

DEFAULT_PORT = 2881
DEFAULT_USER = "root@sys"
LONGEST_VALUE = 16 * 1024
LONGEST_CERTIFICATES = 256 * 1024  # a Secret has a megabyte at most
LONGEST_HOSTS = 64 * 1024
MOST_HOSTS = 1000
MOST_URLS = 16
MOST_KEYS = 1000
AGENT_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
HOST_WITH_PORT = re.compile(r"([^:]+|\[[^\]]*\]):\d+")
HOSTS_KEY = "hosts"

_BETWEEN = re.compile(r"[,\n]")

Data = Mapping[str, str]
"""The ``data`` of a Secret: base64 by key."""


class _Keys:
    """Reads the keys of one Secret, and collects what is wrong with them, each as it follows after the name of the Secret."""

    def __init__(self, name: str, data: Data) -> None:
        self.name = name
        self._data = data
        self.faults: list[str] = []

    def raw(self, key: str, limit: int = LONGEST_VALUE) -> str:
        """Return the text under a key as it is; an empty text if there is no such key."""
        packed = self._data.get(key) or ""
        if len(packed) > (limit + 2) * 4 // 3 + 4:
            self.wrong(key, f"has more than {limit // 1024} KiB")
            return ""
        try:
            return base64.b64decode(packed).decode()
        except (binascii.Error, UnicodeDecodeError):
            self.wrong(key, "is not text")
            return ""

    def text(self, key: str) -> str:
        """Return the text under a key without the spaces and line breaks around it."""
        return self.raw(key).strip()

    def password(self, key: str = "password") -> str:
        """Return the text under a key, without the one line break that editors put at the end of a file."""
        value = self.raw(key)
        return value[:-2] if value.endswith("\r\n") else value.removesuffix("\n")

    def pem(self, key: str) -> str | None:
        """Return the text under a key, or None if it is blank."""
        value = self.raw(key, LONGEST_CERTIFICATES)
        return value if value.strip() else None

    def wrong(self, key: str, how: str) -> None:
        """Note a fault of a key."""
        self.faults.append(f': key "{key}" {how}')

    def failed(self) -> Failed | None:
        """Return everything that is wrong as one failure, if anything is."""
        if not self.faults:
            return None
        first, *others = self.faults
        rest = "".join(f";{fault.removeprefix(':')}" for fault in others)
        return Failed(FailureReason.CONNECTION_FAILED, one_line(f'Secret "{self.name}"{first}{rest}'))


def sql_connection(name: str, data: Data) -> Connection | Failed:
    """Return what a Secret says of a SQL server, or why it cannot be used."""
    keys = _Keys(name, data)
    ca_cert, tls = keys.pem("ca.crt"), _tls(keys)
    if ca_cert is not None and tls is Tls.DISABLED:
        keys.faults.append(" has a ca.crt, and tls: disabled: take one of them away")
    public_key = keys.pem("server-public-key")
    if public_key is not None and ("BEGIN" not in public_key or read_public_key(public_key) is None):
        keys.wrong("server-public-key", "is not an RSA public key in PEM")
    found = Connection(
        host=_host(keys),
        port=_port(keys),
        user=keys.text("user") or DEFAULT_USER,
        password=keys.password(),
        database=keys.text("database") or None,
        ca_cert=ca_cert,
        tls=tls,
        server_public_key=public_key,
        others_allowed=_hosts(keys),
    )
    return keys.failed() or found


def agent_connection(name: str, data: Data) -> AgentConnection | Failed:
    """Return what a Secret says of an obshell agent, or why it cannot be used."""
    keys = _Keys(name, data)
    urls = _urls(keys)
    ca_cert, certificate, key = keys.pem("ca.crt"), keys.pem("tls.crt"), keys.pem("tls.key")
    if (certificate is None) is not (key is None):
        keys.faults.append(" has only one of tls.crt and tls.key")
    plain = any(not url.startswith("https:") for url in urls)
    for given, what in ((ca_cert, "a ca.crt"), (certificate, "a tls.crt")):
        if given is not None and plain:
            keys.faults.append(f" has {what}, but its url is not https")
    public_key = keys.pem("public-key")
    if public_key is not None and read_public_key(public_key) is None:
        keys.wrong("public-key", "is not an RSA public key (PEM, or base64 as obshell gives it out)")
    found = AgentConnection(
        url=urls[0] if urls else "",
        others=tuple(urls[1:]),
        password=keys.password(),
        agent_password=keys.password("agent-password") or None,
        ca_cert=ca_cert,
        client_cert=certificate,
        client_key=key,
        public_key=public_key,
        others_allowed=_hosts(keys),
    )
    return keys.failed() or found


def http_secret(name: str, data: Data) -> HttpSecret | Failed:
    """Return the values of a Secret for HTTP headers and bodies and where they may go, or why it cannot be used.

    Of a value exactly one line break at its end is left out.
    """
    keys = _Keys(name, data)
    hosts = _hosts(keys)
    if len(data) > MOST_KEYS:
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}" has more than {MOST_KEYS} keys')
    values = {}
    for key in data:
        apart = _Keys(name, data)  # keys that no header uses may contain anything
        value = apart.password(key)
        if key != HOSTS_KEY and not apart.faults:
            values[key] = value
    if not hosts and not keys.faults:
        text = (
            f'Secret "{name}" has no key "{HOSTS_KEY}": write there to which hosts its values may be sent, as HOST, HOST:PORT or *.SUFFIX, '
            "separated by commas; nothing was sent"
        )
        return Failed(FailureReason.FORBIDDEN, text)
    return keys.failed() or HttpSecret(values, hosts)


def secret_value(name: str, data: Data, key: str, to: Sequence[str]) -> str | Failed:
    """Return the text under one key of a Secret, without the one line break at its end, or why it cannot be used.

    ``to`` are the hosts that it will be sent to. The Secret of a connection goes to its own hosts, and to those that its key ``hosts``
    lists; one that names no host has been made for what it is used for.
    """
    keys = _Keys(name, data)
    value = keys.password(key)
    own = [host.strip("[]") for host in _several(keys, "host")]
    urls = _several(keys, "url")
    own += [form["host"].strip("[]") for url in urls if (form := AGENT_URL.fullmatch(url.rstrip("/")))]
    others = _hosts(keys)
    fault = keys.failed()
    if fault is not None:
        return fault
    for host in to if own or urls or others else ():
        if not any(same_host(endpoint, host) for endpoint in own) and listed(others, host, None) is None:
            owner = f'nothing was sent: Secret "{name}" is for hosts of its own, and {host} is none of them'
            text = f'{owner}; if the value may go there, its owner adds the host to the key "{HOSTS_KEY}"'
            return Failed(FailureReason.FORBIDDEN, one_line(text), untouched=True)
    return value or Failed(FailureReason.NOT_FOUND, one_line(f'Secret "{name}" has no key "{key}", or an empty one'))


def _hosts(keys: _Keys) -> tuple[HostEntry, ...]:
    entries = [part for text in _BETWEEN.split(keys.raw(HOSTS_KEY, LONGEST_HOSTS)) if (part := text.strip())]
    if len(entries) > MOST_HOSTS:
        keys.wrong(HOSTS_KEY, f"has more than {MOST_HOSTS} entries")
        return ()
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read_entry(entry))
        except InvalidEntry:
            keys.wrong(HOSTS_KEY, f"has something else than HOST, HOST:PORT or *.SUFFIX as entry {number}")
    return tuple(found)


def _several(keys: _Keys, key: str) -> list[str]:
    """Return what is written under a key, separated by commas."""
    return [part for text in keys.text(key).split(",") if (part := text.strip())]


def _host(keys: _Keys) -> str:
    hosts = _several(keys, "host")
    if not hosts:
        keys.faults.append(' has no key "host"')
    if any(HOST_WITH_PORT.fullmatch(host) for host in hosts):
        keys.wrong("host", 'holds a port: write it into key "port"')
    return ",".join(host[1:-1] if host.startswith("[") and host.endswith("]") else host for host in hosts)


def _port(keys: _Keys) -> int:
    text = keys.text("port") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):  # noqa: PLR2004 - the ports of TCP
        keys.wrong("port", "is not a port number")
        return DEFAULT_PORT
    return int(text)


def _tls(keys: _Keys) -> Tls:
    text = keys.text("tls") or Tls.PREFERRED.value
    if text not in set(Tls):
        keys.wrong("tls", f"is none of {', '.join(Tls)}")
        return Tls.PREFERRED
    return Tls(text)


def _urls(keys: _Keys) -> list[str]:
    urls = [url for part in _several(keys, "url") if (url := part.rstrip("/"))]
    if not urls:
        keys.faults.append(' has no key "url"')
    forms = [AGENT_URL.fullmatch(url) for url in urls]
    if len(urls) > MOST_URLS or any(form is None or int(form["port"] or 0) > 65535 for form in forms):  # noqa: PLR2004
        # The URL may contain a password, which must not show in the status.
        several = f"; {MOST_URLS} of them at most, separated by commas" if len(urls) > 1 else ""
        keys.wrong("url", f"is not of the form http://HOST:PORT or https://HOST:PORT{several}")
    return urls
