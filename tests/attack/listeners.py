"""Owns the servers by which attackers hear what a task sends: HTTP, and anything that speaks first like a SQL server."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"


@dataclass
class Site:
    """A web server: what it says, and everything that it was sent."""

    text: str
    location: str = ""
    port: int = 0
    heard: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def count(self) -> int:
        """How many requests have come."""
        return len(self.heard)


@contextmanager
def site(text: str = "{}", location: str = "") -> Iterator[Site]:
    """Serve this text to everybody, or redirect everybody to that location, until the block ends."""
    served = Site(text, location)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.heard.append(f"{self.requestline}\n{self.headers}\n{body.decode(errors='replace')}")
            octets = served.text.encode()
            self.send_response(307 if served.location else 200)
            if served.location:
                self.send_header("Location", served.location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(octets)

        do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            pass

    server = _Quiet((LOOPBACK, 0), Handler)
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever went away meant to."""


Talk = Callable[[socket.socket, "Ear"], None]


@dataclass
class Ear:
    """What a scripted server has heard."""

    port: int = 0
    connections: int = 0
    heard: bytearray = field(default_factory=bytearray)
    tls: ssl.SSLContext | None = None

    def take(self, line: socket.socket, size: int = 65536) -> bytes:
        """Return what comes next, and remember it."""
        octets = line.recv(size)
        self.heard += octets
        return octets


@contextmanager
def ear(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[Ear]:
    """Talk like this to whoever connects, until the block ends."""
    found = Ear(tls=tls)
    with socket.create_server((LOOPBACK, 0)) as server:
        found.port = server.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                found.connections += 1
                threading.Thread(target=_talk, args=(talk, line, found), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield found
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _talk(talk: Talk, line: socket.socket, found: Ear) -> None:
    line.settimeout(10)
    with line, suppress(OSError, EOFError, IndexError, ValueError):
        talk(line, found)
