"""Owns running `kubectl obtask` as people do: by kubectl, in a pipe or on a terminal, with a kubeconfig of several contexts."""

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from devcluster.controlplane import ControlPlane

BESIDE = Path(sys.executable).parent
NOBODY = "https://127.0.0.1:1"  # nothing listens there
HERE, ELSEWHERE = "here", "elsewhere"
RUN_SECONDS = 90
LINE_TO_TYPE = re.compile("kubectl obtask [^\n(\N{FULLWIDTH LEFT PARENTHESIS}]*")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command line. On a terminal everything is in ``out``."""

    code: int
    out: str
    err: str = ""

    @property
    def said(self) -> str:
        """Everything that was printed."""
        return self.out + self.err

    @property
    def lines_to_type(self) -> list[list[str]]:
        """The command lines that the user is told to type, as words after `kubectl obtask`."""
        return [shlex.split(found)[2:] for found in LINE_TO_TYPE.findall(self.said)]


class Screen:
    """A terminal of 80 columns and 24 lines, with what runs on it."""

    def __init__(self, process: "subprocess.Popen[bytes]", ours: int) -> None:
        self.process = process
        self._ours = ours
        self._seen = b""

    def until(self, text: str, seconds: float = RUN_SECONDS) -> None:
        """Read until the text was drawn; fail if it is not, within so many seconds."""
        deadline = time.monotonic() + seconds
        terminal = select.poll()  # unlike select(), for any file descriptor: other suites leave many open in this process
        terminal.register(self._ours, select.POLLIN)
        while text.encode() not in self._seen:
            drawn = terminal.poll(max(deadline - time.monotonic(), 0.0) * 1000)
            assert drawn, f"{text!r} was not drawn: {self.drawn[-2000:]}"
            self._seen += os.read(self._ours, 65536)

    @property
    def drawn(self) -> str:
        """Everything that was drawn so far."""
        return self._seen.decode(errors="replace")

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._ours, keys.encode())

    def left(self) -> int:
        """Wait for its end; return the exit code."""
        self._seen += b"".join(_read(self._ours))
        return self.process.wait(RUN_SECONDS)

    def close(self) -> None:
        """Take the terminal away, as a closed window does."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1


@contextmanager
def on_screen(line: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[Screen]:
    """Run a command on a screen for as long as the block lasts."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(  # noqa: S603 - words of the test
        line, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        screen = Screen(process, ours)
        try:
            yield screen
        finally:
            process.kill()
            screen.close()


@dataclass(frozen=True, slots=True)
class Plugin:
    """`kubectl obtask` with one kubeconfig."""

    kubectl: Path
    kubeconfig: Path
    folder: Path
    language: str = "C.UTF-8"

    def on(self, kubeconfig: Path) -> "Plugin":
        """Return the plugin with another kubeconfig."""
        return replace(self, kubeconfig=kubeconfig)

    def run(self, *words: str, stdin: str = "") -> Ran:
        """Run one command in a pipe."""
        return self._ran(self.kubectl, "obtask", *words, stdin=stdin)

    def typed(self, line: str) -> Ran:
        """Have a shell run a line that somebody was told to type, as it is."""
        return self._ran("/bin/bash", "-c", line, folder=self.folder)

    def _ran(self, *command: str | Path, stdin: str | None = None, folder: Path | None = None) -> Ran:
        done = subprocess.run(  # noqa: S603 - words of the test
            command,
            input=stdin,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
            env=self.environment,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *words: str, answer: str = "") -> Ran:
        """Run one command on a terminal, whose user types this answer."""
        ours, theirs = pty.openpty()
        settings = termios.tcgetattr(theirs)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        with subprocess.Popen(  # noqa: S603 - words of the test
            [self.kubectl, "obtask", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=self.environment, start_new_session=True
        ) as process:
            os.close(theirs)
            if answer:
                os.write(ours, f"{answer}\n".encode())
            out = b"".join(_read(ours))
            os.close(ours)
            return Ran(process.wait(RUN_SECONDS), out.decode(errors="replace").replace("\r\n", "\n"))

    def watching(self, *words: str) -> AbstractContextManager[Screen]:
        """Run `watch` with these words on a screen."""
        return on_screen([self.kubectl, "obtask", "watch", *words], self.environment)

    @contextmanager
    def started(self, *words: str) -> Iterator["subprocess.Popen[str]"]:
        """Run one command for as long as the block lasts; its output is one stream."""
        process = subprocess.Popen(  # noqa: S603 - words of the test
            # What runs behind a shell's & ignores Ctrl-C, and hands that on.
            ["env", "--default-signal=INT", self.kubectl, "obtask", *words],  # noqa: S607 - coreutils
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        with process:
            try:
                yield process
            finally:
                process.terminate()  # in order, with all that it has started

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the user."""
        return {
            "PATH": f"{BESIDE}:{self.kubectl.parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "KUBECACHEDIR": str(self.folder / "cache"),
            "KUBECONFIG": str(self.kubeconfig),
            "LC_ALL": self.language,
            "TERM": "xterm",
        }


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # EIO: nobody is on the other side any more
            return


def kubeconfig_of(cluster: ControlPlane, token: str, file: Path) -> Path:
    """Write the kubeconfig of somebody who has a token."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return file


def plugin(cluster: ControlPlane, namespace: str, folder: Path, *, source: Path | None = None) -> Plugin:
    """Return the plugin with two contexts: `here`, the current one, in the namespace; and `elsewhere`, where nobody answers."""
    config = yaml.safe_load((source or cluster.kubeconfig).read_text())
    context = dict(config["contexts"][0]["context"])
    there = {**config["clusters"][0], "name": ELSEWHERE, "cluster": {**config["clusters"][0]["cluster"], "server": NOBODY}}
    config["clusters"].append(there)
    config["contexts"] = [
        {"name": HERE, "context": {**context, "namespace": namespace}},
        {"name": ELSEWHERE, "context": {**context, "cluster": ELSEWHERE, "namespace": namespace}},
    ]
    config["current-context"] = HERE
    folder.mkdir(exist_ok=True)
    kubeconfig = folder / f"{namespace}.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    kubeconfig.chmod(0o600)
    return Plugin(cluster.kubectl.program, kubeconfig, folder)
