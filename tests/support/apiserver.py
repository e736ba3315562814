"""Owns plain requests of tests to the API server, as its admin: reading and watching without one kubectl for each look."""

import http.client
import json
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.patience import once_known

from devcluster.controlplane import ControlPlane

Body = dict[str, Any]

OBTASKS = "/apis/task.oceanbase.com/v1alpha1/namespaces/{}/obtasks"
TEMPLATES = "/apis/task.oceanbase.com/v1alpha1/namespaces/{}/obtasktemplates"
CLUSTER_TEMPLATES = "/apis/task.oceanbase.com/v1alpha1/clusterobtasktemplates"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
EVENTS = "/api/v1/namespaces/{}/events"
PATIENCE_SECONDS = 30


class ServerError(Exception):
    """The API server refused; ``status`` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


# Makes a connection to an API server, as its admin, with this timeout.
Connect = Callable[[float], http.client.HTTPConnection]


def admin_tls(cluster: ControlPlane) -> ssl.SSLContext:
    """Return how to connect to the API server of a control plane as its admin."""
    pki = cluster.kubeconfig.parent / "pki"
    tls = ssl.create_default_context(cafile=pki / "ca.crt")
    tls.load_cert_chain(pki / "kubeconfig.crt", pki / "kubeconfig.key")
    return tls


def api_server(cluster: ControlPlane) -> "ApiServer":
    """Return the API server of a control plane."""
    address, tls = urlsplit(cluster.url).netloc, admin_tls(cluster)
    return ApiServer(lambda seconds: http.client.HTTPSConnection(address, context=tls, timeout=seconds))


class ApiServer:
    """An API server."""

    def __init__(self, connect: Connect) -> None:
        self._connect_in = connect

    def get(self, path: str) -> Body:
        """Return an object or a list as it is now."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Body:
        """Send one request and return the answer; raises ApiError when it is refused.

        An API server that does not know a new kind yet, and says so, is asked again.
        """
        return once_known(lambda: self._sent(method, path, body), ServerError, PATIENCE_SECONDS)

    def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> Body:
        connection = self._connect(30)
        try:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
            response = connection.getresponse()
            answer: Body = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise ServerError(response.status, answer.get("message", ""))
        return answer

    def watch(self, path: str, version: str, seconds: float, **query: str) -> "Watch":
        """Return the changes after a version; they end after that time, or when the API server ends them."""
        words = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(max(1, math.ceil(seconds))), **query}
        return Watch(self._connect(seconds), f"{path}?{urlencode(words)}", seconds)

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        return self._connect_in(max(seconds, 0.01))


class Watch:
    """Changes of objects as they happen, as (type, object). Another thread may close it."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, seconds: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds
        self._path = path

    def __iter__(self) -> Iterator[tuple[str, Body]]:
        """Yield changes until the time is over, the API server ends it, or it is closed."""
        try:
            self._connection.request("GET", self._path)
            response = self._connection.getresponse()
            while (left := self._end - time.monotonic()) > 0 and self._connection.sock is not None:
                self._connection.sock.settimeout(left)
                line = response.readline()
                if not line.endswith(b"\n"):
                    return  # it was ended, maybe in the middle of a change
                event = json.loads(line)
                if event.get("type") in {None, "ERROR"}:
                    return
                yield event["type"], event["object"]
        except (TimeoutError, ConnectionResetError, http.client.IncompleteRead):  # all but the first where another thread closed it
            return
        finally:
            self._connection.close()

    def close(self) -> None:
        """End it from outside."""
        hang_up(self._connection)


def hang_up(connection: http.client.HTTPConnection) -> None:
    """End what another thread reads from a connection."""
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):  # it has just ended by itself
            # Not that of SSLSocket, after which a reader gets what is still to come as it is encrypted.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
