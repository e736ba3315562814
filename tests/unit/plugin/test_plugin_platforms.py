"""The plugin takes nothing for granted that only Linux and macOS have: modules, functions, signals, paths, shells. API.md section 10."""

import ast
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.reader import ROOT

from kubectl_obtask.cli import COMMANDS, prepare
from kubectl_obtask.session import quoted

PLUGIN: Final = ROOT / "operator/kubectl_obtask"
FILES: Final = sorted(PLUGIN.rglob("*.py"))
# "Availability: Unix" in Python's library reference.
MODULES: Final = (
    *("crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog"),
    *("termios", "tty"),
)
OF_OS: Final = (
    *("chown", "fchmod", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpriority"),
    *("getuid", "killpg", "lchown", "mkfifo", "nice", "openpty", "posix_spawn", "setgid", "setpgid", "setsid", "setuid", "statvfs"),
    *("sysconf", "tcgetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "WNOHANG", "WIFEXITED", "WEXITSTATUS", "O_NOFOLLOW"),
    *("O_CLOEXEC", "O_DIRECTORY"),
)
OF_SIGNAL: Final = (
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1"),
    *("SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill", "setitimer", "sigwait", "siginterrupt"),
)
FOREIGN: Final = {"os": OF_OS, "signal": OF_SIGNAL}
# Which modules of a Python without all of that are read, and which commands say what they are for.
WITHOUT: Final = f"""
import click, importlib, pkgutil, signal, sys, os, subprocess, tempfile, threading, pathlib, zipfile
for module, names in {{os: {OF_OS!r}, signal: {OF_SIGNAL!r}}}.items():
    for name in names:
        module.__dict__.pop(name, None)
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name in {MODULES!r}:
            raise ModuleNotFoundError(name)
for name in {MODULES!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refusing())
import kubectl_obtask
from kubectl_obtask.cli import run
for found in pkgutil.walk_packages(kubectl_obtask.__path__, "kubectl_obtask."):
    if not found.name.startswith("kubectl_obtask.screen."):
        importlib.import_module(found.name)
        print(found.name)
for words in ([], *([verb] for verb in {[*COMMANDS]!r})):
    assert run([*words, "--help"]) == 0
"""


def test_it_starts_without_what_only_some_systems_have() -> None:
    """Every module but those of the screen, which Textual has to carry, and the help of every command."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)  # noqa: S603 - our own words

    assert done.returncode == 0, done.stderr
    modules = {"kubectl_obtask." + ".".join(file.relative_to(PLUGIN).with_suffix("").parts) for file in FILES}
    expected = {name.removesuffix(".__init__") for name in modules if not name.startswith("kubectl_obtask.screen.")}
    assert expected - {*done.stdout.splitlines()} == {"kubectl_obtask"}
    assert done.stdout.count("Usage: kubectl obtask") == len(COMMANDS) + 1


def foreign(tree: ast.AST) -> Iterator[str]:
    """Yield what a module uses that not every system has, and paths that not every system has."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                yield from ([module] if module in MODULES else [])
                yield from (each.name for each in names if each.name in FOREIGN.get(module, ()))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in FOREIGN.get(module, ()):
                yield f"{module}.{name}"
            case ast.Constant(value=str(text)) if text.startswith(("/tmp", "/dev/", "/bin/", "/usr/", "/proc/", "/etc/", "~/")):  # noqa: S108 - looked for
                yield text
            case _:
                pass


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PLUGIN)))
def test_nothing_is_used_that_only_some_systems_have(file: Path) -> None:
    """Also where it is reached only now and then, and on the screen."""
    assert [*foreign(ast.parse(file.read_text()))] == []


def test_what_is_looked_for_is_found() -> None:
    """Each kind, in each way of writing it."""
    written = (
        "import pwd",
        "from os import getuid, replace",
        "from termios import TCSANOW",
        "os.fork()",
        "signal.SIGHUP",
        "x = '/dev/tty'",
        "os.replace('a', 'b')",
    )

    assert {*foreign(ast.parse("\n".join(written)))} == {"pwd", "getuid", "termios", "os.fork", "signal.SIGHUP", "/dev/tty"}


def test_lines_to_type_fit_the_shells_of_the_system() -> None:
    """On Linux and macOS any shell like sh."""
    words = ["kubectl", "obtask", "why", "x", "--context=a b"]

    assert quoted(words, "linux") == quoted(words, "darwin") == "kubectl obtask why x '--context=a b'"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        *((bare, bare) for bare in ("why", "--context=a@b", r"--kubeconfig=C:\Users\x\.kube\config", "-p", "memory=8G", "租户")),
        ("--context=a b", "'--context=a b'"),
        ("--context=a&calc", "'--context=a&calc'"),
        ("--as=a$(calc) b", "'--as=a$(calc) b'"),
        ("it's", "'it''s'"),
        *((f"a{quote};calc;{quote}", f"'a{quote * 2};calc;{quote * 2}'") for quote in "\u2018\u2019\u201a\u201b"),
        ("@names", "'@names'"),
        ("a\n", "'a\n'"),
        ("", "''"),
        *((odd, f"'{odd}'") for odd in ("a`b", 'a"b', "a;b", "a|b", "a,b", "{a}", "(a)", "a>b", "#a", "%a%")),
    ],
)
def test_lines_to_type_on_windows(word: str, written: str) -> None:
    """PowerShell reads them: there is nothing to run in a word, nor to look up."""
    assert quoted(["kubectl", word], "win32") == f"kubectl {written}"


def test_the_link_for_completion_can_be_typed(tmp_path: Path) -> None:
    """Also where the name of the folder is not one word."""
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    program = folder / "kubectl-obtask"
    program.write_text("from kubectl_obtask.__main__ import main\nmain()\n")

    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, program, "completion", "bash"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    line = done.stderr.partition("PATH yet: ")[2]
    subprocess.run(["/bin/sh", "-c", line], check=True)  # noqa: S603 - what a user is told to type

    assert (folder / "kubectl_complete-obtask").resolve() == program


@pytest.mark.parametrize(("environment", "written"), [({}, "租户"), ({"PYTHONIOENCODING": "ascii"}, "\\u79df\\u6237")])
def test_programs_read_utf_8(environment: dict[str, str], written: str) -> None:
    """As from kubectl itself, whatever the system writes on its terminals; who asks for something else gets it."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))

    prepare(out, err, environment)

    for stream, expected in ((out, written), (err, "\\u79df\\u6237")):
        stream.write("租户")
        stream.flush()
        assert stream.buffer.getvalue().decode() == expected
