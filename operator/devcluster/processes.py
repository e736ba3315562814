"""Start, recognise and stop background processes. Knows nothing about what they do."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster.commands import run
from devcluster.errors import DevClusterError
from devcluster.files import write_private

GRACE = 2.0
POLL = 0.02


class AddressInUseError(DevClusterError):
    """A server could not listen on the port that was chosen for it."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started here; `birth` tells it from a later process that was given the same pid."""

    name: str
    pid: int
    birth: str
    log: Path
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What to start: the name of the process, its words, and where its record and its log go."""

    name: str
    argv: tuple[str, ...]
    run: Path
    log: Path


def running(command: CommandLine) -> Process | None:
    """Return the process that runs this very command; not one with another command line (other binaries, other ports)."""
    known = _read(command.run / f"{command.name}.json")
    return known if known and known.argv == command.argv and is_alive(known) else None


def start(command: CommandLine) -> Process:
    """Start the command, in place of whatever process was recorded under its name before."""
    stop(process for process in recorded(command.run) if process.name == command.name)
    command.run.mkdir(parents=True, exist_ok=True)
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        command.log.rename(command.log.with_name(command.log.name + ".1"))
    # A Ctrl-C between the start and the record would leave a process that nobody knows of.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        pid = _spawn(command)
        process = Process(command.name, pid, birth_of(pid), command.log, command.argv)
        record(process, command.run)
    except OSError as error:
        raise DevClusterError(f"cannot start {command.name} ({command.argv[0]}): {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _spawn(command: CommandLine) -> int:
    """Start a program in its own session, so that a Ctrl-C in the terminal does not reach it."""
    return os.posix_spawn(
        command.argv[0],
        command.argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(command.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
    )


def record(process: Process, run: Path) -> None:
    """Write down a process, so that a later `stop` finds it."""
    write_private(run / f"{process.name}.json", json.dumps(asdict(process), default=str).encode())


def _read(file: Path) -> Process | None:
    """Return what a record says; None if there is none that can be read."""
    try:
        content = json.loads(file.read_text())
        return Process(content["name"], int(content["pid"]), content["birth"], Path(content["log"]), tuple(content["argv"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded(run: Path) -> tuple[Process, ...]:
    """Return every process recorded in a folder, by name; also those that are gone."""
    processes = (_read(file) for file in sorted(run.glob("*.json"), key=lambda file: file.stem))
    return tuple(process for process in processes if process is not None)


def birth_of(pid: int) -> str:
    """Return a text that no other process with this pid ever has; empty if there is no such process."""
    return _look(pid)[0]


def is_alive(process: Process) -> bool:
    """Tell whether this very process still runs."""
    birth, ended = _look(process.pid)
    if not birth or birth != process.birth:
        return False
    if ended:
        # A child of ours stays a zombie until somebody asks for its exit code.
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return not ended


def _look(pid: int) -> tuple[str, bool]:
    """Return the birth of a process, and whether it has ended and only waits to be asked for its exit code."""
    proc = Path("/proc")
    if not (proc / "self/stat").exists():
        return _look_with_ps(pid)
    try:
        # The command name, in brackets, may itself hold blanks and brackets.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", True
    state, threads, began = fields[0], int(fields[17]), fields[19]
    boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    # The main thread may have ended before the others, which still hold the files and ports of the process.
    return f"{boot}/{began}", state in ("Z", "X") and threads <= 1


def _look_with_ps(pid: int) -> tuple[str, bool]:
    """Do the same where there is no /proc (macOS): to the second, which is enough to tell a reused pid."""
    answer = run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], env=os.environ | {"LC_ALL": "C", "TZ": "UTC"})
    state, _, began = answer.stdout.strip().partition(" ")
    return began.strip(), state.startswith("Z") or not began


def stop(processes: Iterable[Process], grace: float = GRACE) -> None:
    """End these processes, all at once: SIGTERM, then SIGKILL for those that still run after the grace period."""
    slow = _wait_for_end(_signal(processes, signal.SIGTERM), grace)
    stubborn = _wait_for_end(_signal(slow, signal.SIGKILL), 10.0)
    if stubborn:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in stubborn)
        raise DevClusterError(f"{names} did not end after SIGKILL; end it by hand and run `make down` again")


def _signal(processes: Iterable[Process], number: signal.Signals) -> list[Process]:
    """Send a signal to those that still run, and return them."""
    reached = []
    for process in processes:
        if not is_alive(process):
            continue
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise DevClusterError(f"{process.name} (pid {process.pid}) belongs to another user; stop it as that user") from error
        reached.append(process)
    return reached


def _wait_for_end(processes: list[Process], timeout: float) -> list[Process]:
    deadline = time.monotonic() + timeout
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(POLL)
    return alive


def wait_until(ready: Callable[[], bool], process: Process, timeout: float) -> None:
    """Poll until `ready`; a process that died, or that is not ready in time, is an error that shows the end of its log."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not is_alive(process):
            text = f"{process.name} ended while it was starting; the last lines of {process.log}:\n{tail(process.log)}"
            raise AddressInUseError(text) if "address already in use" in text else DevClusterError(text)
        if time.monotonic() > deadline:
            raise DevClusterError(
                f"{process.name} was not ready after {timeout:.0f} s; the last lines of {process.log}:\n{tail(process.log)}"
            )
        time.sleep(POLL)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for error messages."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (the log is empty)"
