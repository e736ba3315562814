"""Owns an authority, and the TLS side of a server on this machine that it vouches for."""

import ssl
from pathlib import Path

from devcluster.certificates import Authority


class Certified:
    """What a server speaks TLS with, and by what its clients know it."""

    def __init__(self, folder: Path, name: str) -> None:
        authority = Authority.create("tests")
        pair = authority.server(name)
        (folder / "server.pem").write_bytes(pair.certificate + pair.key)
        self.ca_cert = authority.certificate.decode()
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.load_cert_chain(folder / "server.pem")
        self.client = ssl.create_default_context(cadata=self.ca_cert)
        self.ciphers: list[str] = []
