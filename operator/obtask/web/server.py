"""Owns the process of the Task Center: listening, and ending in order."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import uvicorn

from obtask.environment import SettingsError
from obtask.kube.visitors import Server, server
from obtask.web.app import Parts, build_app
from obtask.web.detail.permissions import Permissions
from obtask.web.identity.base import Clock, Identity
from obtask.web.identity.base import now as utc_now
from obtask.web.identity.impersonate import RESERVED, ImpersonateIdentity, Trust
from obtask.web.identity.kubeconfig import KubeconfigIdentity
from obtask.web.identity.proxy import ProxyIdentity
from obtask.web.identity.sessions import Sessions
from obtask.web.identity.token import TokenIdentity
from obtask.web.language import Language, translations
from obtask.web.pages.login import Attempts
from obtask.web.rendering import Renderer
from obtask.web.security import HEAD_BYTES
from obtask.web.settings import WebSettings
from obtask.web.views.registry import Views
from obtask.web.views.source import Pace

logger = logging.getLogger(__name__)

SHORTEST_SECRET = 16
GRACE_SECONDS = 5  # for what is being answered; streams of events end when the browser is told to come back


@dataclass(frozen=True, slots=True)
class Told:
    """What a process that serves is told from outside: to end, and to say its address again, with a link that nobody has used."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(settings: WebSettings, told: Told, ready: Callable[[str], None], clock: Clock = utc_now) -> None:
    """Serve the pages until told to stop. ``ready`` is given the address, with a link that signs in once where there is one.

    Raises SettingsError, kubernetes.aio.config.ConfigException when the API server cannot be found, and OSError when the address
    cannot be had.
    """
    _check(settings)
    upstream = await server(
        settings.kubeconfig, settings.context, with_credentials=settings.chosen_identity in {"kubeconfig", "impersonate"}
    )
    try:
        with contextlib.closing(_listener(settings)) as listener:
            await _serve(settings, upstream, listener, told, ready, clock)
    finally:
        await upstream.api.close()


async def _serve(  # noqa: PLR0917 - what a process consists of
    settings: WebSettings, upstream: Server, listener: socket.socket, told: Told, ready: Callable[[str], None], clock: Clock
) -> None:
    identity = _identity(settings, upstream, clock)
    renderer = Renderer(translations(), Language(settings.lang), clock)
    views = Views(clock, settings.namespaces, Pace(watch=settings.watch_seconds))
    app = build_app(Parts(settings, identity, renderer, Attempts(clock, settings.logins_per_minute), views, clock, Permissions(clock)))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,  # paths name tasks, and queries are what people looked for
        server_header=False,
        proxy_headers=False,  # whoever comes through a proxy is the proxy
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    program = _Program(config)
    running = asyncio.create_task(program.serve([listener]))
    stopping = asyncio.create_task(told.stop.wait())
    beside = [asyncio.create_task(views.keep_sweeping()), asyncio.create_task(_say_again(told, lambda: ready(_link(listener, identity))))]
    ready(_link(listener, identity))
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    program.should_exit = True
    for task in (stopping, *beside):
        task.cancel()
    await views.close()  # streams of events end with their views
    await running
    await views.close()  # what somebody has opened meanwhile


async def _say_again(told: Told, say: Callable[[], None]) -> None:
    while True:
        await told.again.wait()
        told.again.clear()
        say()


class _Program(uvicorn.Server):
    """Uvicorn without its own signal handlers: whoever runs it decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def _check(settings: WebSettings) -> None:
    host = settings.listen[0]
    is_here = host in {"127.0.0.1", "localhost", "::1"}
    if settings.chosen_identity == "kubeconfig" and not is_here:
        raise SettingsError(f"OBTASK_WEB_LISTEN: with the identity kubeconfig it listens on 127.0.0.1 only, not on {host}")
    if not is_here and not settings.hosts:
        raise SettingsError(f"OBTASK_WEB_HOSTS: listening on {host}, it has to know its names; use --host tasks.example.com")


def _listener(settings: WebSettings) -> socket.socket:
    host, port = settings.listen
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    # asyncio does this for connections of its own sockets only. Without it the end of an answer waits for the browser to have
    # acknowledged its beginning, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _link(listener: socket.socket, identity: Identity) -> str:
    host, port = listener.getsockname()[:2]
    sign_in = f"/login#{identity.new_code()}" if isinstance(identity, KubeconfigIdentity) else ""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{sign_in}"


def _identity(settings: WebSettings, upstream: Server, clock: Clock) -> Identity:
    sessions = Sessions(clock, idle=timedelta(minutes=settings.idle_minutes), longest=timedelta(minutes=settings.session_minutes))
    match settings.chosen_identity:
        case "kubeconfig":
            return KubeconfigIdentity(upstream.api, sessions, clock)
        case "token":
            return TokenIdentity(upstream.api, sessions)
        case "proxy":
            return ProxyIdentity(upstream.api, clock)
        case "impersonate":
            return ImpersonateIdentity(upstream, _trust(settings), clock)


def _trust(settings: WebSettings) -> Trust:
    """Return whom to believe; raises SettingsError where that would be anybody."""
    if settings.proxy_secret_file is None:
        raise SettingsError("OBTASK_WEB_PROXY_SECRET_FILE: with the identity impersonate the proxy has to show a secret")
    secret = Path(settings.proxy_secret_file).read_text(encoding="utf-8").strip()
    if len(secret) < SHORTEST_SECRET or not (secret.isascii() and secret.isprintable()):
        raise SettingsError(f"OBTASK_WEB_PROXY_SECRET_FILE: use at least {SHORTEST_SECRET} printable characters of ASCII")
    if not settings.groups or any(group.lower().startswith(RESERVED) for group in settings.groups):
        raise SettingsError(
            f"OBTASK_WEB_GROUPS={','.join(settings.groups)!r}: name at least one group, and none that begins with {RESERVED}"
        )
    return Trust(secret, settings.user_header, settings.groups_header, frozenset(settings.groups))
