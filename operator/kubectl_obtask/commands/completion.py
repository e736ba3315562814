"""Owns `completion`: what a shell has to read so that Tab completes `kubectl obtask`."""

import shlex
import sys
from pathlib import Path
from shutil import which
from typing import Final

import click

from kubectl_obtask.session import Session, verb
from kubectl_obtask.wording import completion as words

PROGRAM: Final = "kubectl_complete-obtask"
SCRIPTS: Final = {
    "bash": "type __start_kubectl >/dev/null 2>&1 || source <(kubectl completion bash)",
    "zsh": "(( $+functions[_kubectl] )) || source <(kubectl completion zsh)",
    "powershell": "kubectl completion powershell | Out-String | Invoke-Expression",
    "fish": "functions -q __kubectl_perform_completion; or kubectl completion fish | source",
}


@verb("completion")
@click.argument("shell", type=click.Choice([*SCRIPTS]))
def command(session: Session, *, shell: str) -> None:
    """Print what completes `kubectl obtask` in a shell: source <(kubectl obtask completion bash)."""
    session.terminal.line(f"# {session.say(words.HOW, program=PROGRAM)}")
    session.terminal.line(SCRIPTS[shell])
    # On Windows only a program can be put there, not a link to this one; pip and pipx do so.
    if which(PROGRAM) is None and sys.platform != "win32":
        own = Path(sys.argv[0]).resolve()
        session.terminal.note(session.say(words.LINK, program=PROGRAM, line=shlex.join(["ln", "-s", str(own), str(own.parent / PROGRAM)])))
