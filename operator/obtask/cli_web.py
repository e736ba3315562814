"""Owns the command `obtask web`, which runs the Task Center."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from kubernetes.aio.config import ConfigException

from obtask import process_log
from obtask.environment import WEB_PREFIX, SettingsError
from obtask.model.printable import printable_lines

EXTRA = "the Task Center needs more packages than the operator: install the wheel with its extra [web] (docs/guides/task-center.md)"


class IdentityMode(StrEnum):
    """Who a visitor is."""

    KUBECONFIG = "kubeconfig"
    TOKEN = "token"  # noqa: S105 - the word
    PROXY = "proxy"
    IMPERSONATE = "impersonate"


class Language(StrEnum):
    """The language of the pages."""

    EN = "en"
    ZH = "zh"


Listen = Annotated[str | None, typer.Option(help="HOST:PORT to listen on. Default: 127.0.0.1:8090.", metavar="HOST:PORT")]
Hosts = Annotated[
    list[str] | None,
    typer.Option(help="Name by which browsers may call it; may be repeated. Default: 127.0.0.1, localhost and [::1].", metavar="NAME"),
]
IdentityOption = Annotated[
    IdentityMode | None,
    typer.Option(help="Who a visitor is. Default: kubeconfig if there is one, by a link that works once; else token.", show_choices=True),
]
Kubeconfig = Annotated[str | None, typer.Option(help="Kubeconfig to use. Default: $KUBECONFIG, or the cluster that the pod is in.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")]
Namespaces = Annotated[
    list[str] | None, typer.Option(help="Namespace to offer to visitors who may not list them; may be repeated.", metavar="NAME")
]
Lang = Annotated[Language | None, typer.Option(help="Language for browsers that ask for neither English nor Chinese. Default: en.")]
LogFormat = Annotated[str | None, typer.Option(help="text or json. Default: text, or $OBTASK_WEB_LOG_FORMAT.")]


def web(
    *,
    listen: Listen = None,
    host: Hosts = None,
    identity: IdentityOption = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespaces = None,
    lang: Lang = None,
    log_format: LogFormat = None,
) -> None:
    """Run the Task Center until SIGTERM or SIGINT; at SIGHUP it prints a new link."""
    given = {
        "LISTEN": listen,
        "HOSTS": ",".join(host or ()),
        "IDENTITY": identity,
        "CONTEXT": context,
        "NAMESPACES": ",".join(namespace or ()),
        "LANG": lang,
        "LOG_FORMAT": log_format,
    }
    environment = {**os.environ, **{WEB_PREFIX + name: value for name, value in given.items() if value}}
    _run(environment | ({"KUBECONFIG": kubeconfig} if kubeconfig else {}))


def _run(environment: Mapping[str, str]) -> None:
    try:
        # Only here: whoever runs the operator need not have these packages, nor pay for them.
        from obtask.web.server import Told, serve  # noqa: PLC0415
        from obtask.web.settings import WebSettings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("obtask"):
            raise
        _fail(EXTRA)
    try:
        settings = WebSettings.read(environment)
        if settings.kubeconfig is not None and not Path(settings.kubeconfig).is_file():
            _fail(f"kubeconfig {settings.kubeconfig}: no such file")
        process_log.configure(settings.log_format)
        told = Told()
        asyncio.run(_told_by_signals(told.stop, told.again, lambda: serve(settings, told, _say)))
    except SettingsError as error:
        _fail(f"bad setting {error}")
    except (ConfigException, OSError) as error:
        _fail(str(error))


async def _told_by_signals(stop: asyncio.Event, again: asyncio.Event, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, again)):
        loop.add_signal_handler(number, event.set)
    await serve()


def _say(address: str) -> None:
    print(f"obtask web: {address}", flush=True)  # noqa: T201 - what people open, and scripts wait for


def _fail(message: str) -> NoReturn:
    typer.echo(f"obtask: {printable_lines(message)}", err=True)
    raise typer.Exit(1)
