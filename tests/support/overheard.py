"""Owns a plain road to the API server that notes every request as it was sent, and adds nothing to it."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from tests.support.apiserver import hang_up

from devcluster.controlplane import ControlPlane

Headers = list[tuple[str, str]]
OWN = frozenset({"host", "content-length", "connection"})
PIECE = 65536


@dataclass(frozen=True, slots=True)
class Overheard:
    """What was sent to the API server."""

    kubeconfig: Path
    requests: list[tuple[str, str, Headers]] = field(default_factory=list)

    def to(self, part: str) -> int:
        """Return how many requests went to paths that hold this."""
        return sum(part in path for _, path, _ in self.requests)

    def names(self) -> set[str]:
        """Return the names of all headers, in small letters."""
        return {name.lower() for _, _, headers in self.requests for name, _ in headers}

    def values(self, name: str) -> set[str]:
        """Return all values that a header had."""
        return {value for _, _, headers in self.requests for key, value in headers if key.lower() == name.lower()}


@contextmanager
def overheard(cluster: ControlPlane, folder: Path, token: str | None = None) -> Iterator[Overheard]:
    """Pass requests on while the block lasts; the kubeconfig that leads here has this token, or no credentials."""
    found = Overheard(folder / "overheard.kubeconfig")
    address = urlsplit(cluster.url).netloc
    tls = ssl.create_default_context(cafile=cluster.kubeconfig.parent / "pki/ca.crt")

    open_now: set[http.client.HTTPSConnection] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            found.requests.append((self.command, self.path, list(self.headers.items())))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = http.client.HTTPSConnection(address, context=tls, timeout=400)
            upstream.putrequest(self.command, self.path)
            for name, value in self.headers.items():
                if name.lower() not in OWN:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            open_now.add(upstream)
            try:
                self._answer(upstream.getresponse())
            except (OSError, http.client.IncompleteRead):
                self.close_connection = True
            finally:
                open_now.discard(upstream)
                upstream.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with answer:
                while piece := answer.read1(PIECE):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        found.kubeconfig.write_text(_kubeconfig(port, token))
        yield found
        for upstream in tuple(open_now):
            hang_up(upstream)


def _kubeconfig(port: int, token: str | None) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "overheard",
            "contexts": [{"name": "overheard", "context": {"cluster": "overheard", "user": "overheard"}}],
            "clusters": [{"name": "overheard", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "overheard", "user": {"token": token} if token else {}}],
        }
    )


@contextmanager
def answering(body: str, folder: Path) -> Iterator[Path]:
    """Give a kubeconfig of a server that answers everything with this, whoever asks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer."""
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        (folder / "answering.kubeconfig").write_text(_kubeconfig(port, None))
        yield folder / "answering.kubeconfig"


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False  # so that closing the server waits for what it is answering
    thread = threading.Thread(target=server.serve_forever, name="overheard")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
