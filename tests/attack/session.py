"""Owns requests to the API server as any user, with bodies of any shape, also those that Python's json cannot read."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from devcluster.controlplane import ControlPlane

Body = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
KINDS = {"PATCH": "application/merge-patch+json"}
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status < 400

    @property
    def said(self) -> str:
        """Its refusal, as one short line."""
        try:
            message = str(json.loads(self.text).get("message", ""))
        except (ValueError, RecursionError):
            message = self.text
        return f"{self.status} {' '.join(message.split())[-160:]}"

    def body(self) -> Body:
        """The object that it answered with."""
        found: Body = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Session:
    """One user of an API server: the admin, whoever the admin impersonates, or the bearer of a token."""

    cluster: ControlPlane
    user: str = ""
    token: str = field(default="", repr=False)
    group: str = ""

    def send(self, method: str, path: str, body: Mapping[str, Any] | list[Any] | str | None = None, kind: str = "", **query: str) -> Answer:
        """Send one request; a text is sent as it is."""
        words = {"Content-Type": kind or KINDS.get(method, "application/json"), "Accept": query.pop("accept", "application/json")}
        words |= {"Impersonate-User": self.user} if self.user else {}
        words |= {"Impersonate-Group": self.group} if self.group else {}
        words |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        target = path + "".join(f"{'&' if number else '?'}{name}={value}" for number, (name, value) in enumerate(query.items()))
        connection = http.client.HTTPSConnection(urlsplit(self.cluster.url).netloc, context=self._tls(), timeout=SECONDS)
        try:
            connection.request(method, target, text.encode() if text else None, words)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        finally:
            connection.close()

    def get(self, path: str) -> Body:
        """Return an object or a list; nothing if there is none."""
        answer = self.send("GET", path)
        return answer.body() if answer.ok else {}

    def can(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Return whether the user may do this."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        answer = self.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return answer.ok and bool(answer.body()["status"]["allowed"])

    def _tls(self) -> ssl.SSLContext:
        pki = self.cluster.kubeconfig.parent / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        if not self.token:
            context.load_cert_chain(pki / "kubeconfig.crt", pki / "kubeconfig.key")
        return context
