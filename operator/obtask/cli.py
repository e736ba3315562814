"""Owns the command line: the commands of ``obtask`` and what they print."""

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from kubernetes.aio.config import ConfigException

from obtask import cli_templates, cli_web, process_log
from obtask.environment import SettingsError
from obtask.kube.api import ApiForbidden, ApiUnavailable
from obtask.kube.client import connect
from obtask.kube.kubeconfig import settings_in
from obtask.kube.listing import Listing
from obtask.model.printable import printable_lines
from obtask.model.schema import DISTRIBUTION, custom_resource_definitions, render_yaml
from obtask.runtime.preflight import CannotStart, check_cluster
from obtask.runtime.process import serve
from obtask.runtime.process_name import PROC, own_name
from obtask.settings import Settings, read_settings

MOST_FILES = 1 << 20
# What a full disk, a quota, a broken one, or a pipe without a reader answers.
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE}


def main() -> None:
    """Run the command line; where its output cannot be written, that is one line, and none if it is only that nobody reads on."""
    try:
        try:
            build()()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            print(f"obtask: {error.strerror}", file=sys.stderr)  # noqa: T201 - the end of it
        sys.exit(1)


def build() -> typer.Typer:
    """Return the command line with all its commands."""
    app = typer.Typer(
        name="obtask",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # the image has no rich
    )
    app.callback()(_options)
    app.command("run", help="Run the operator until it is told to stop.")(run)
    app.command("check", help="Check that the API server answers, that the CRDs fit, and that this user has every right.")(check)
    app.command("web", help="Run the Task Center: pages in the browser, with the rights of whoever looks at them.")(cli_web.web)
    app.command("crd", help="Print the CustomResourceDefinitions.")(crd)
    app.add_typer(cli_templates.build(), name="templates")
    return app


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"obtask {version(DISTRIBUTION)}")
        raise typer.Exit


def _options(
    *,
    _version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Maintenance tasks for OceanBase on Kubernetes."""


def crd() -> None:
    """Print the CustomResourceDefinitions, for kubectl apply -f -."""
    sys.stdout.write(render_yaml(custom_resource_definitions()))


Kubeconfig = Annotated[str | None, typer.Option(help="Kubeconfig to use. Default: $KUBECONFIG, or the pod's service account.")]
Namespaces = Annotated[list[str] | None, typer.Option(help="Watch this namespace only; may be repeated. Default: all.")]
LogFormat = Annotated[str | None, typer.Option(help="text or json. Default: text, or $OBTASK_LOG_FORMAT.")]


def run(kubeconfig: Kubeconfig = None, namespace: Namespaces = None, log_format: LogFormat = None) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    settings = _settings(os.environ | ({"OBTASK_LOG_FORMAT": log_format} if log_format else {}), kubeconfig, namespace)
    process_log.configure(settings.log_format)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It warns that it ignores signals, as it should: they are ours.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    _raise_file_limit()
    _collect_garbage_seldom()
    _execute(_until_signal(settings), settings)


def check(kubeconfig: Kubeconfig = None, namespace: Namespaces = None) -> None:
    """List tasks and Leases as the operator does, and say how many there are."""
    settings = _settings(os.environ, kubeconfig, namespace)
    _execute(_list(settings), settings)


def _settings(environment: Mapping[str, str], kubeconfig: str | None, namespace: list[str] | None) -> Settings:
    file = kubeconfig or environment.get("KUBECONFIG")
    environment = {**(settings_in(Path(file)) if file else {}), **environment}
    try:
        settings = read_settings({**environment, "OBTASK_NAMESPACES": ",".join(namespace)} if namespace else environment)
    except SettingsError as error:
        _fail(f"bad setting {error}")
    name = own_name(environment.get("HOSTNAME") or socket.gethostname(), PROC)
    settings = settings.model_copy(update={"kubeconfig": kubeconfig or settings.kubeconfig, "runner": name})
    if settings.kubeconfig is not None and not Path(settings.kubeconfig).is_file():
        _fail(f"kubeconfig {settings.kubeconfig}: no such file")
    return settings


def _collect_garbage_seldom() -> None:
    """Leave what is there for good out of the search for garbage, and search less often: one large spec makes 40,000 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _execute(work: Coroutine[Any, Any, None], settings: Settings) -> None:
    try:
        asyncio.run(work)
    except SettingsError as error:
        _fail(f"bad setting {error}")
    except (ConfigException, OSError) as error:
        where = f"kubeconfig {settings.kubeconfig}" if settings.kubeconfig else "no --kubeconfig given, and this is no pod"
        _fail(f"{where}: {error}")
    except CannotStart as error:
        _fail(str(error))
    except ApiForbidden as error:
        _fail(f"{error}; are the CRDs installed (obtask crd | kubectl apply --server-side -f -), and may this user list them?")
    except asyncio.CancelledError:
        _fail("a part of the operator ended; the log says which")
    except ApiUnavailable as error:
        _fail(f"the API server does not answer: {error}")


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop, lambda: print("obtask: ready", flush=True))  # noqa: T201 - what scripts wait for


async def _list(settings: Settings) -> None:
    api = await connect(settings.kubeconfig)
    try:
        await check_cluster(api, settings, wait_seconds=0)
        listing = Listing(api, settings.namespaces)
        tasks, leases = [body["metadata"]["uid"] async for body in listing.unfinished_tasks()], await listing.leases()
    finally:
        await api.close()
    where = ", ".join(settings.namespaces) or "all namespaces"
    sys.stdout.write(f"unfinished tasks: {len(tasks)}, locks: {len(leases)}, in {where}\n")


def _raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one: the usual soft limit exists for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _fail(message: str) -> Any:
    typer.echo(f"obtask: {printable_lines(message)}", err=True)
    raise typer.Exit(1)
