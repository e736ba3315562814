"""Owns where and as whom the operator connects: read from a kubeconfig or the pod's own account, and read again before it is too late.

Tokens of plugins expire, files of tokens and certificates are replaced; a client that has read them once is refused one day.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml
from cryptography import x509
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

logger = logging.getLogger(__name__)

POD_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FILES_SECONDS = 60.0  # client-go reads a file with a token again after so long
PAUSE_SECONDS = 2.0  # between two readings that a refusal has caused
FAILED_SECONDS = 10.0
PLUGIN_SECONDS = 60.0
# A plugin is asked for the next token when so much of the time of the last one is left: a tenth, but no more than a minute.
LEAD, LONGEST_LEAD_SECONDS = 0.1, 60.0
TOKEN = "BearerToken"  # noqa: S105 - the client's name for it


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a request shows: a header, a client certificate and its key. The number grows with each that differs."""

    number: int
    headers: Mapping[str, str] = field(repr=False)
    certificate: tuple[str | None, str | None]
    repeated: tuple[tuple[str, str], ...] = ()  # headers that may stand there more than once


class Credentials(Protocol):
    """Says as whom to connect."""

    async def ticket(self) -> Ticket:
        """Return what to show now."""

    async def renew(self, used: int) -> bool:
        """Take note that the ticket of this number was refused; return whether there is another one to try."""

    async def close(self) -> None:
        """End what goes on beside the requests."""


@dataclass(frozen=True, slots=True)
class LoadedConfiguration:
    """What was read once, and until when it is good (seconds since 1970); None: until it is refused."""

    configuration: Configuration
    until: float | None


Read = Callable[[], Awaitable[LoadedConfiguration]]


class Login:
    """Credentials that are read again when their time is over, and when they are refused. For one event loop."""

    def __init__(self, first: LoadedConfiguration, read: Read | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.configuration = first.configuration
        self._read = read
        self._clock = clock
        self._number = 0
        self._read_at = float("-inf")
        self._until = first.until
        self._again_at = self._due(first)
        self._lock = asyncio.Lock()
        self._renewing: asyncio.Task[bool] | None = None

    async def ticket(self) -> Ticket:
        """Return what to show now; nobody waits for a plugin while the last token is good."""
        if self._is_due():
            if self._until is None or self._clock() >= self._until:
                await self._renew(self._number, pause=0)
            elif self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew(self._number, pause=0))
        settings: Any = await self.configuration.auth_settings()
        headers = {str(setting["key"]): str(setting["value"]) for setting in settings.values()}
        return Ticket(self._number, headers, (self.configuration.cert_file, self.configuration.key_file))

    async def renew(self, used: int) -> bool:
        """Take note that the ticket of this number was refused; return whether there is another one to try."""
        return await self._renew(used, pause=PAUSE_SECONDS)

    async def close(self) -> None:
        """End a reading that goes on beside the requests."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    def _is_due(self) -> bool:
        return self._again_at is not None and self._clock() >= self._again_at

    async def _renew(self, used: int, *, pause: float) -> bool:
        async with self._lock:
            if used != self._number:
                return True
            if self._read is None or self._clock() < self._read_at + pause:
                return False
            if not pause and not self._is_due():
                return False  # whoever had the lock before has read the same
            try:
                async with asyncio.timeout(PLUGIN_SECONDS):
                    reading = await self._read()
            except (ConfigException, OSError, TimeoutError) as error:
                logger.warning("the credentials cannot be read again: %s", error or type(error).__name__)
                self._again_at = self._clock() + FAILED_SECONDS
                return False
            finally:
                self._read_at = self._clock()  # of its end: a plugin may take longer than the pause
            self._until, self._again_at = reading.until, self._due(reading)
            return self._take(reading.configuration)

    def _take(self, fresh: Configuration) -> bool:
        mine = self.configuration
        if fresh.host != mine.host:
            logger.warning("the kubeconfig names another API server now, %s: it is not followed there without a restart", fresh.host)
            return False
        if (fresh.api_key.get(TOKEN), fresh.cert_file, fresh.key_file) == (mine.api_key.get(TOKEN), mine.cert_file, mine.key_file):
            return False
        mine.api_key.update(fresh.api_key)
        mine.cert_file, mine.key_file = fresh.cert_file, fresh.key_file
        self._number += 1
        logger.debug("the credentials were renewed")
        return True

    def _due(self, reading: LoadedConfiguration) -> float | None:
        if reading.until is None:
            return None
        left = reading.until - self._clock()
        # A plugin may give the last seconds of a token that it keeps. One that is over already may be good by the server's clock.
        least = left if 0 < left < PAUSE_SECONDS else PAUSE_SECONDS
        return self._clock() + max(left - min(left * LEAD, LONGEST_LEAD_SECONDS), least)


class Lent:
    """Credentials for an event loop that runs beside the one that keeps them."""

    def __init__(self, lender: Credentials, loop: asyncio.AbstractEventLoop) -> None:
        self._lender = lender
        self._loop = loop

    async def ticket(self) -> Ticket:
        """Return what to show now."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._lender.ticket(), self._loop))

    async def renew(self, used: int) -> bool:
        """Take note that the ticket of this number was refused; return whether there is another one to try."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._lender.renew(used), self._loop))

    async def close(self) -> None:
        """Do nothing: what goes on is the lender's."""


async def load(kubeconfig: str | None, context: str | None = None, *, plugin_seconds: float = PLUGIN_SECONDS) -> Login:
    """Return the credentials of a kubeconfig, or of the pod's own service account when none is given.

    Raises kubernetes.aio.config.ConfigException when they cannot be read, or a plugin gives none in time.
    """
    if kubeconfig is None:
        return Login(await of_pod(), of_pod)
    try:
        async with asyncio.timeout(plugin_seconds):
            first, name = await _of_file(kubeconfig, context)
    except TimeoutError as error:
        raise ConfigException(f"the plugin of this kubeconfig gave nothing within {plugin_seconds:g} s") from error

    async def read() -> LoadedConfiguration:
        # Whoever makes another context the current one meanwhile means kubectl, not this operator.
        return (await _of_file(kubeconfig, name))[0]

    return Login(first, read)


async def of_pod(folder: Path = POD_FOLDER, environment: Mapping[str, str] = os.environ) -> LoadedConfiguration:
    """Return the credentials of the pod's own service account; raises kubernetes.aio.config.ConfigException if this is no pod."""
    configuration = Configuration()
    loader = InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt"), try_refresh_token=False, environ=environment)
    loader.load_and_set(configuration)
    return LoadedConfiguration(configuration, time.time() + FILES_SECONDS)


async def _of_file(kubeconfig: str, context: str | None) -> tuple[LoadedConfiguration, str]:
    configuration = Configuration()
    try:
        loader = await load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
        name = str(loader.current_context["name"])
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        # The client takes what it has read to pieces without a look at it. The error's own text may hold credentials.
        raise ConfigException(f"this is no kubeconfig ({type(error).__name__})") from error
    return LoadedConfiguration(configuration, _until(loader, configuration)), name


def _until(loader: Any, configuration: Configuration) -> float | None:
    """Return until when what the loader has read is good; raises ConfigException when a plugin has given nothing."""
    user = getattr(loader, "_user", None) or {}  # where the client's own refresh_token looks, too
    if "auth-provider" in user:
        return None
    if "exec" not in user:
        return time.time() + FILES_SECONDS
    expiry = getattr(loader, "exec_plugin_expiry", None)
    if expiry is not None:
        return float(expiry.timestamp())
    if TOKEN in configuration.api_key:
        return None
    if not configuration.cert_file:
        raise ConfigException("the plugin of this kubeconfig gave no credentials; the log says why")
    try:
        certificate = x509.load_pem_x509_certificate(Path(configuration.cert_file).read_bytes())
    except ValueError as error:
        raise ConfigException("the plugin of this kubeconfig gave a certificate that cannot be read") from error
    return certificate.not_valid_after_utc.timestamp()
