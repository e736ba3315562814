"""Owns which Host headers may be sent: a server must not be told to be a host that the policy refuses."""

import re
from collections.abc import Iterable, Mapping

from yarl import URL

from obtask.hosts import HostPolicy, literal_of

# RFC 9110 section 7.2: host [ ":" port ], without userinfo.
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT = 65535


def host_header_refusal(policy: HostPolicy, headers: Mapping[str, str], urls: Iterable[URL]) -> str | None:
    """Return why the Host among these headers may not be sent to these URLs, if it may not. A URL's own host always may."""
    values = [value.strip() for name, value in headers.items() if name.strip().lower() == "host"]
    if len(values) > 1:
        return 'the header "Host" may be given once: which of several counts is up to each server on the way'
    for value in values:
        said = _HOST.fullmatch(value)
        if said is None or int(said["port"] or 0) > _HIGHEST_PORT or (value.startswith("[") and literal_of(said["host"]) is None):
            return 'the header "Host" must be a host name or an IP address, with or without a port'
        host = said["host"].strip("[]")
        for url in urls:
            port = int(said["port"]) if said["port"] else url.port
            own = _same(host, url.host or "") and port == url.port
            refused = None if own else policy.header_refusal(host, port)
            if refused is not None:
                return f'header "Host": {refused}'
    return None


def _same(one: str, other: str) -> bool:
    return one.rstrip(".").lower() == other.rstrip(".").lower()
