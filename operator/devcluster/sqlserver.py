"""Start and stop a seekdb in a folder, and say how to reach it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import processes
from devcluster.leash import leash
from devcluster.ports import LOOPBACK, free_port, is_free, wanted_port
from devcluster.processes import CommandLine, Process
from devcluster.progress import Report, silent
from devcluster.seekdb import check_network, server_binary

NAME = "seekdb"
START_TIMEOUT = 70.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SqlServer:
    """A SQL server that runs, and the user that may do everything on it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    process: Process


@contextmanager
def sql_server(folder: Path) -> Iterator[SqlServer]:
    """Run a SQL server as long as the block lasts, or as long as this process lives; its data stay in the folder."""
    with leash(folder.resolve() / "run"):
        yield ensure(folder, folder / "log")


def ensure(folder: Path, logs: Path, *, port: int | None = None, report: Report = silent) -> SqlServer:
    """Start the server of this folder unless it runs, and return it when root can log in."""
    check_network()
    server_binary()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for _ in range(ATTEMPTS - 1):
        try:
            return _start(folder, logs.resolve(), port, report)
        except processes.AddressInUseError:
            stop(folder)
    return _start(folder, logs.resolve(), port, report)


def stop(folder: Path) -> None:
    """End the server of this folder, and the program in front of it."""
    processes.stop(processes.recorded(folder.resolve() / "run"))


def _start(folder: Path, logs: Path, wanted: int | None, report: Report) -> SqlServer:
    began = time.monotonic()
    ready, port = folder / "ready", _choose_port(folder, wanted)
    argv = (sys.executable, "-m", "devcluster.seekdb", f"--dir={folder}", f"--port={port}", f"--port-file={ready}")
    command = CommandLine(NAME, argv, folder / "run", logs / "seekdb.log")
    known = processes.running(command)
    if known is None:
        # If only the program in front of it was killed, seekdb itself may still be there for some seconds.
        stop(folder)
        ready.unlink(missing_ok=True)
    process = known or processes.start(command)
    processes.wait_until(ready.exists, process, START_TIMEOUT)
    report("seekdb already runs" if known else "seekdb", None if known else time.monotonic() - began)
    return SqlServer(LOOPBACK, port, "root@sys", (folder / "password").read_text(), "test", process)


def _choose_port(folder: Path, wanted: int | None) -> int:
    """Return the port of the last start if it still serves, or can be used again; otherwise a new one."""
    record = folder / "port"
    running = any(process.name == NAME and processes.is_alive(process) for process in processes.recorded(folder / "run"))
    known = int(record.read_text()) if record.exists() else None
    if known and wanted in (None, known) and (running or is_free(known)):
        return known
    port = free_port() if wanted is None else wanted_port(wanted)
    record.write_text(str(port))
    return port
