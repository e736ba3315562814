"""The command line of the node: python -m devcluster.node up, down, load, image, run."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from devcluster.__main__ import shown, tell
from devcluster.build import build
from devcluster.errors import DevClusterError
from devcluster.files import checkout, locked
from devcluster.node import archive, images, lifecycle
from devcluster.node.folder import refuse_foreign
from devcluster.node.images import Image
from devcluster.node.layout import Node
from devcluster.node.machine import IMAGE_PROGRAMS, NODE_PROGRAMS, check, find_program, install, this_machine
from devcluster.programs import NODE

app = typer.Typer(
    help="A real one-node Kubernetes cluster with the operator's image. Needs Linux and root; no Docker, no image registry.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

State = Annotated[Path | None, typer.Option(help="Folder of the node's state; another folder is another node.", show_default=".dev/node")]


@app.command()
def up(state: State = None) -> None:
    """Start a node, put the operator's image into it, and say how to use it. The first time, this takes some minutes of building."""
    began = time.monotonic()
    node, image = prepare(state or checkout() / ".dev/node")
    with alone(node):
        if lifecycle.is_up(node):
            lifecycle.load(node, image.archive)
            tell(f"node {node.name} already runs; image {image.reference} loaded", None)
        else:
            start(node, image)
    typer.echo(f"Ready after {time.monotonic() - began:.1f} s. Now type:\n")
    typer.echo(f"  export KUBECONFIG={node.kubeconfig} PATH={node.bin}:$PATH")
    typer.echo(f"  helm install obtask-operator {shown(checkout() / 'charts/obtask-operator')} --wait")
    typer.echo("  kubectl get pods -A")
    typer.echo(f"\nLogs are in {shown(node.logs)}; `make node-down` removes the node.")


@app.command()
def down(state: State = None) -> None:
    """Remove the node and everything in it; the logs stay."""
    folder = (state or checkout() / ".dev/node").absolute()
    lifecycle.down(Node(folder, folder, folder))
    typer.echo("Nothing of the node is left.")


@app.command()
def load(archives: list[Path], state: State = None) -> None:
    """Put image archives (`docker save`, `buildah push docker-archive:`) into the node that runs."""
    folder = (state or checkout() / ".dev/node").absolute()
    node = Node(folder, folder, build(checkout() / "deploy/devcluster", tell, programs=NODE))
    for file in archives:
        lifecycle.load(node, file)


@app.command()
def image() -> None:
    """Build the operator's image, and print its sizes, its name and the archive it is in."""
    ready(IMAGE_PROGRAMS, pods=False)
    built = images.operator(tell)
    unpacked, packed = archive.unpacked_size(built.archive), archive.compressed_size(built.archive)
    typer.echo(f"{built.reference}: {unpacked / 1e6:.0f} MB, compressed {packed / 1e6:.0f} MB\n{built.archive}")


@app.command(context_settings={"allow_interspersed_args": False})
def run(command: list[str], state: Annotated[Path | None, typer.Option(show_default=".dev/e2e")] = None) -> None:
    """Start a node, run a command with KUBECONFIG, E2E_IMAGE, KUBECTL and HELM set, and remove the node."""
    node, image = prepare(state or checkout() / ".dev/e2e")
    archives = [*images.of_cluster(node.programs, tell), image.archive]
    with alone(node) as lock, lifecycle.running(node, lock, archives, tell):
        # It ends with this process, however that ends.
        words = [find_program("setpriv") or "setpriv", "--pdeathsig=TERM", "--", *command]
        code = subprocess.run(words, check=False, env=environment(node, image)).returncode  # noqa: S603 - what the person typed
    if code:
        typer.echo(f"exit code {code}; the logs of the node are in {shown(node.logs)}", err=True)
    raise typer.Exit(code)


@app.command("check")
def check_machine() -> None:
    """Say whether a node can run on this machine; the exit code is 0 if it can, 1 if not."""
    packages = check(this_machine(), NODE_PROGRAMS | IMAGE_PROGRAMS)
    typer.echo("A node can run on this machine" + (f"; Debian packages to be installed: {' '.join(packages)}" if packages else ""))


def ready(programs: Mapping[str, str], *, pods: bool = True) -> None:
    """Make this machine ready: check it, and install what it lacks."""
    if packages := check(this_machine(), programs, pods=pods):
        install(packages, tell)


def prepare(state: Path) -> tuple[Node, Image]:
    """Return a node that can be started, and the operator's image: build what is missing."""
    state = state.absolute()
    refuse_foreign(state)
    ready(NODE_PROGRAMS | IMAGE_PROGRAMS)
    programs = build(checkout() / "deploy/devcluster", tell, programs=NODE)
    return Node(state, checkout() / ".dev/log" / state.name, programs), images.operator(tell)


def start(node: Node, image: Image) -> None:
    """Start the node; half of one would look as if it ran."""
    try:
        lifecycle.up(node, [*images.of_cluster(node.programs, tell), image.archive], tell)
    except BaseException:
        lifecycle.down(node)
        raise


def alone(node: Node) -> AbstractContextManager[int]:
    """Keep other commands on this node out."""
    return locked(node.state.with_suffix(".lock"), "another command is at work on this node; waiting for it")


def environment(node: Node, image: Image) -> dict[str, str]:
    """Return what the end-to-end suite needs to know."""
    programs = {"KUBECTL": str(node.programs / "kubectl"), "HELM": str(node.programs / "helm")}
    return {**os.environ, **programs, "KUBECONFIG": str(node.kubeconfig), "E2E_IMAGE": image.reference}


def main() -> None:
    """Run the command line; an expected failure is one text without a traceback."""
    try:
        app()
    except DevClusterError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
