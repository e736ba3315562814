"""Owns `web`: the Task Center in the browser, on this machine, with the kubeconfig in use."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Final

import click

from kubectl_obtask.outcome import ExitCode, Fault
from kubectl_obtask.session import Session, verb
from kubectl_obtask.wording import web as words

# What a kubeconfig can be asked for; every other flag of kubectl would silently change who is asked, and as whom.
KNOWN: Final = ("--kubeconfig=", "--context=", "--cache-dir=", "--v=", "--vmodule=", "--kuberc=")


@verb("web")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on 127.0.0.1. Default: a free one.")
def command(session: Session, *, port: int) -> int:
    """Run the Task Center on 127.0.0.1, and print a link that signs in once."""
    program = _program()
    if program is None:
        session.terminal.note(session.say(words.NOT_INSTALLED))
        return ExitCode.ERROR
    unknown = [flag.partition("=")[0] for flag in session.kubectl.flags if not flag.startswith(KNOWN)]
    if unknown:
        session.terminal.note(session.say(words.CANNOT_TAKE, flags=", ".join(dict.fromkeys(unknown))))
        return ExitCode.USAGE
    # The whole configuration in one file, as kubectl itself reads it: several files, relative paths and the chosen context.
    configuration = session.kubectl.read(["config", "view", "--raw", "--flatten", "--minify"])
    if isinstance(configuration, Fault):
        return session.failed(configuration)
    with tempfile.TemporaryDirectory(prefix="obtask-web-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_bytes(configuration)
        words_of_web = ["web", "--identity=kubeconfig", f"--kubeconfig={kubeconfig}", f"--listen=127.0.0.1:{port}"]
        words_of_web += [f"--lang={session.language}"]
        words_of_web += [] if session.kubectl.namespace is None else [f"--namespace={session.kubectl.namespace}"]
        return _run([*program, *words_of_web])


def _program() -> Sequence[str] | None:
    """Return how to run `obtask`: of this Python, else from the PATH."""
    if find_spec("obtask") is not None:
        return (sys.executable, "-P", "-m", "obtask")
    found = which("obtask")
    return None if found is None else (found,)


def _run(line: Sequence[str]) -> int:
    """Run it until it ends. Whatever ends us ends it in order: Ctrl-C reaches both from a terminal, but not from elsewhere."""
    with subprocess.Popen(line) as running:  # noqa: S603 - our own words
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: running.terminate())
        return running.wait()
