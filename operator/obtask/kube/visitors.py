"""Owns requests with the credentials of a visitor: where the API server is comes from us, who asks does not."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from obtask.kube.api import ApiError, Json, Requests, path_of
from obtask.kube.client import Api
from obtask.kube.login import POD_FOLDER, Credentials, LoadedConfiguration, Login, Ticket, load

SELF_SUBJECT_REVIEWS = path_of("apis", "authentication.k8s.io", "v1", "selfsubjectreviews")
HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


class Bearer:
    """Credentials that are one token. Whoever lends it is told when the API server refuses it."""

    def __init__(self, token: str, refused: Callable[[], None] = lambda: None) -> None:
        self._ticket = Ticket(0, {"Authorization": f"Bearer {token}"}, (None, None))
        self._refused = refused

    async def ticket(self) -> Ticket:
        """Return what to show."""
        return self._ticket

    async def renew(self, used: int) -> bool:  # noqa: ARG002 - there is but one
        """Take note that the token was refused; there is no other."""
        self._refused()
        return False

    async def close(self) -> None:
        """Do nothing: a token has nothing that goes on."""


class Impersonated:
    """Our own credentials, with the name and the groups of whoever we ask for."""

    def __init__(self, own: Credentials, user: str, groups: Sequence[str]) -> None:
        self._own = own
        self._headers = (("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups))

    async def ticket(self) -> Ticket:
        """Return what to show now."""
        own = await self._own.ticket()
        return Ticket(own.number, own.headers, own.certificate, self._headers)

    async def renew(self, used: int) -> bool:
        """Take note that our own ticket was refused; return whether there is another one to try."""
        return await self._own.renew(used)

    async def close(self) -> None:
        """Do nothing: our own credentials are for everybody."""


@dataclass(frozen=True, slots=True)
class Server:
    """A client of the API server, and the credentials it shows; none of its own unless it was asked for them."""

    api: Api
    credentials: Credentials = field(repr=False)


async def server(kubeconfig: str | None, context: str | None = None, *, with_credentials: bool) -> Server:
    """Return the API server of a kubeconfig, or of the cluster that this pod is in.

    A pod needs no service account for it, only the certificate of the cluster's authority where Kubernetes puts it. Raises
    kubernetes.aio.config.ConfigException when it cannot be found.
    """
    if kubeconfig is None and not with_credentials:
        login = Login(LoadedConfiguration(of_cluster(), None))
    else:
        login = await load(kubeconfig, context)
    configuration = copy.copy(login.configuration)
    configuration.connection_pool_maxsize = 0  # to aiohttp: no limit; each visitor has watches
    configuration.client_session_kwargs = {"trust_env": False}
    if not with_credentials:
        configuration.api_key, configuration.cert_file, configuration.key_file = {}, None, None
        configuration.username = configuration.password = None
        login = Login(LoadedConfiguration(configuration, None))
    return Server(Api(configuration, login), login)


def of_cluster(folder: Path = POD_FOLDER, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Return where the API server of this pod's cluster is; raises kubernetes.aio.config.ConfigException if this is no pod."""
    if HOST not in environment or not (folder / "ca.crt").is_file():
        raise ConfigException(f"neither ${HOST} nor {folder / 'ca.crt'} says where the API server is")
    host = environment[HOST]
    configuration = Configuration()
    configuration.host = f"https://{f'[{host}]' if ':' in host else host}:{environment.get(PORT, '443')}"
    configuration.ssl_ca_cert = str(folder / "ca.crt")
    return configuration


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the API server says is asking."""

    name: str
    groups: tuple[str, ...]


async def who_asks(api: Requests) -> Subject | ApiError:
    """Return who the API server takes these credentials for (KEP-3325); raises ApiUnavailable, also when it knows nobody by them."""
    body: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await api.send("POST", SELF_SUBJECT_REVIEWS, body=body)
    if isinstance(answer, ApiError):
        return answer
    user = answer.get("status", {}).get("userInfo", {})
    return Subject(str(user.get("username", "")), tuple(map(str, user.get("groups") or ())))
