"""Run one seekdb, a real SQL server of the OceanBase family, behind a port of 127.0.0.1 until SIGTERM.

A program of its own: python -m devcluster.seekdb --dir DIR --port-file FILE [--port PORT]

seekdb itself can listen on all addresses or on a unix socket; so it gets the socket, and a relay gets the port.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pymysql

from devcluster import processes
from devcluster.errors import DevClusterError
from devcluster.files import write_private
from devcluster.ports import free_port
from devcluster.processes import Process
from devcluster.relay import relay

START_TIMEOUT = 60.0
POLL = 0.05
PARAMETERS = ("memory_budget=1G", "log_disk_size=2G")

# Relative to the data folder, which is the working directory: the path of a unix socket has at most 107 characters.
SOCKET = Path("run/sql.sock")
CLIENTS = Path("run/seekdb.clients")

ACCESS_DENIED = 1045


def server_binary() -> Path:
    """Return the server in the package pylibseekdb, or say why there is none."""
    spec = find_spec("pylibseekdb")
    if spec is None or spec.origin is None:
        raise DevClusterError(
            "the Python package pylibseekdb is not installed; run `uv sync` (it exists for Linux with glibc 2.28 or later "
            "and for macOS 15 or later; elsewhere use a database of your own and write the Secret `seekdb` by hand)"
        )
    binary = Path(spec.origin).parent / "seekdb"
    if not binary.is_file():
        raise DevClusterError(f"this pylibseekdb has no server program ({binary}); install 1.4.0.post1 or later")
    return binary


def check_network(interfaces: Path = Path("/sys/class/net")) -> None:
    """Refuse to start where seekdb would crash: it makes its identity from a MAC address."""
    if not interfaces.is_dir():
        return
    addresses = [file.read_text().strip() for file in interfaces.glob("*/address")]
    if not any(address.strip("0:") for address in addresses):
        raise DevClusterError(
            "seekdb needs a network interface with a MAC address and this machine has only `lo`; "
            "add a pair that leads nowhere: ip link add obtask0 type veth peer name obtask1"
        )


async def serve(folder: Path, port: int, port_file: Path) -> None:
    """Run the server until SIGTERM; it is an error if it ends by itself."""
    # First of all: a signal that finds no handler would leave seekdb behind.
    signalled = _signal_event()
    password = _password(folder / "password")
    async with _server(folder) as server:
        offered = asyncio.create_task(_offer(password, port, port_file))
        ended = asyncio.create_task(server.wait())
        stopped = asyncio.create_task(signalled.wait())
        tasks: set[asyncio.Task[Any]] = {offered, ended, stopped}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if offered in done:
        offered.result()
    if stopped not in done:
        raise DevClusterError(f"seekdb ended by itself (exit code {server.returncode}); see {folder / 'data/log/seekdb.log'}")


@contextmanager
def _client_lock() -> Iterator[None]:
    with CLIENTS.open("a") as clients:
        fcntl.flock(clients, fcntl.LOCK_SH)
        yield


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run seekdb in its data folder, which becomes the working directory."""
    data, binary = folder / "data", str(server_binary())
    (data / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir(data)
    argv = (binary, f"--base-dir={data}", "--embedded", "--nodaemon", "--log-level=WARN", *(f"--parameter={word}" for word in PARAMETERS))
    # As long as somebody holds this lock, an embedded seekdb stays; if we are killed, it ends by itself some seconds later.
    with _client_lock():
        # Without the variable it reports its birth to the vendor.
        server = await asyncio.create_subprocess_exec(*argv, env=os.environ | {"TELEMETRY_ENABLED": "false"})
        birth = processes.birth_of(server.pid)
        processes.record(Process("seekdb-server", server.pid, birth, data / "log/seekdb.log", argv), folder / "run")
        try:
            yield server
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()


async def _offer(password: str, port: int, port_file: Path) -> None:
    """Wait until root can log in, then listen for ever; the port file says that it is so."""
    async with asyncio.timeout(START_TIMEOUT):
        while not await asyncio.to_thread(_root_can_log_in, password):  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(POLL)
    async with relay(port, SOCKET):
        write_private(port_file, str(port).encode())
        await asyncio.Event().wait()


def _root_can_log_in(password: str) -> bool:
    """Log in with the password; a new server has none yet, so give it this one."""
    try:
        pymysql.connect(unix_socket=str(SOCKET), user="root", password=password, connect_timeout=5).close()
    except pymysql.err.OperationalError as error:
        if error.args[0] != ACCESS_DENIED:
            return False
    else:
        return True
    with closing(pymysql.connect(unix_socket=str(SOCKET), user="root", connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER USER 'root'@'%%' IDENTIFIED BY %s", (password,))
    return True


def _signal_event() -> asyncio.Event:
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def _password(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(18).encode())
    return file.read_text()


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m devcluster.seekdb", description="Run seekdb on a port of 127.0.0.1.")
    parser.add_argument("--dir", type=Path, required=True, help="folder of its data and of root's password; kept for the next start")
    parser.add_argument("--port", type=int, help="port to listen on; any free one if not given")
    parser.add_argument("--port-file", type=Path, required=True, help="written when the server can be used; holds the port")
    options = parser.parse_args()
    try:
        check_network()
        asyncio.run(serve(options.dir.resolve(), options.port or free_port(), options.port_file.resolve()))
    except (DevClusterError, OSError, TimeoutError, pymysql.err.Error) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
