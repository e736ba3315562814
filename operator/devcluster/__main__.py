"""The command line of the local environment: python -m devcluster up, down, status, build."""

import json
import os
import sys
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from devcluster import environment, status
from devcluster.binaries import find_or_build
from devcluster.download import published_checksum
from devcluster.errors import DevClusterError
from devcluster.files import checkout
from devcluster.programs import KIND
from devcluster.releases import address, release
from devcluster.toolchain import Pins

PINS_TIMEOUT = 30.0

app = typer.Typer(
    help="A real Kubernetes control plane, a real SQL server, the operator and the Task Center, on this machine, on 127.0.0.1 only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Root = Annotated[
    Path | None,
    typer.Option(
        help="Folder whose .dev/ holds the environment; the checkout if not given.", exists=True, file_okay=False, show_default=False
    ),
]
Port = Annotated[int | None, typer.Option(help="Port on 127.0.0.1; any free one if not given.", min=1, max=65535, show_default=False)]


class Format(StrEnum):
    """How `status` prints."""

    table = "table"
    json = "json"


@app.command()
def up(
    root: Root = None,
    operator: Annotated[bool, typer.Option(help="Run the operator, too; without it, one that runs is stopped.")] = True,
    web: Annotated[bool, typer.Option(help="Run the Task Center, too.")] = True,
    api_port: Port = None,
    sql_port: Port = None,
) -> None:
    """Start what does not run yet, and say how to use it.

    The first time, the control plane is downloaded, or built from source where that cannot be, which takes some minutes.
    """
    began = time.monotonic()
    folder = root or checkout()
    running = environment.up(folder, operator=operator, web=web, api_port=api_port, sql_port=sql_port, report=tell)
    typer.echo(f"Ready after {time.monotonic() - began:.1f} s. Now type:\n")
    typer.echo(f"  export KUBECONFIG={running.kubeconfig}")
    typer.echo(f"  {shown(running.kubectl)} get obtasks -A")
    if not operator:
        typer.echo(f"  {shown(Path(sys.executable).parent / 'obtask')} run --kubeconfig {shown(running.kubeconfig)}")
    if running.web:
        typer.echo("\nThe Task Center, by a link that works once within 5 minutes; `make up` prints another:\n")
        typer.echo(f"  {running.web.link}")
    typer.echo(f"\nLogs are in {shown(running.kubeconfig.parent / 'log')}; `make down` stops everything.")


@app.command()
def down(root: Root = None) -> None:
    """Stop everything and throw its data away; the logs stay."""
    environment.down(root or checkout(), report=tell)
    typer.echo("Nothing is left running.")


@app.command("status")
def show_status(
    root: Root = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="A table for people, or JSON for programs.")] = Format.table,
) -> None:
    """Show what runs. The exit code is 0 if everything does, 3 if not."""
    folder = root or checkout()
    found = status.components(folder)
    about = status.description(folder)
    if output is Format.json:
        rows = [asdict(component) | {"log": str(component.log)} for component in found]
        typer.echo(json.dumps({**about, "processes": rows}, indent=2))
    elif not found:
        typer.echo("Nothing was started here; `make up` does it.")
    else:
        for component in found:
            state = "running" if component.running else "DEAD"
            typer.echo(f"{component.name:<26}{state:<9}{component.pid:<9}{shown(component.log)}")
        if about:
            typer.echo(
                f"\nAPI server {about['apiUrl']}, SQL {about['sql']['host']}:{about['sql']['port']}, KUBECONFIG={about['kubeconfig']}"
            )
    if not found or not all(component.running for component in found):
        raise typer.Exit(3)


@app.command()
def build() -> None:
    """Build the programs of the control plane, or find that they are there, and print their folder."""
    typer.echo(find_or_build(tell).kube_apiserver.parent)


@app.command()
def pins() -> None:
    """Print lines for deploy/devcluster/releases.sha256: what the projects publish as checksums of the pinned versions."""
    pinned = Pins.parse((checkout() / "deploy/devcluster/go.mod").read_text())
    found = {one.file: one for program in KIND for arch in ("x86_64", "aarch64") if (one := release(program, pinned, "Linux", arch))}
    for file, one in found.items():
        try:
            typer.echo(f"{published_checksum(one, os.environ, PINS_TIMEOUT)}  {file}")
        except (OSError, ValueError) as error:
            raise DevClusterError(f"{address(file, os.environ)}: {error}") from error


def tell(what: str, seconds: float | None) -> None:
    """Print one line about something done (with its time) or noticed."""
    typer.echo(f"· {what}" if seconds is None else f"✓ {what}, {seconds:.1f} s")


def shown(path: Path) -> str:
    """Return the shortest way to write a path from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def main() -> None:
    """Run the command line; an expected failure is one text without a traceback."""
    try:
        app()
    except DevClusterError as error:
        sys.stderr.write(f"error: {error}\n")
        if sys.argv[1:2] == ["up"]:
            sys.stderr.write("What was started is left as it is: `make up` tries again, `make down` and `make up` start afresh.\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
