"""Owns operators under test: one in a thread of this process, or one as a process of its own that can be killed."""

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.local import ALLOWED_HOSTS, ENVIRONMENT

from obtask.cli import main
from obtask.runtime.process import serve
from obtask.settings import Settings

START_SECONDS = 30


def operator_settings(kubeconfig: Path, namespace: str) -> Settings:
    """Return the settings of an operator for the namespace of a test."""
    return Settings(kubeconfig=str(kubeconfig), namespaces=(namespace,), runner="test", grace_seconds=1, allowed_hosts=ALLOWED_HOSTS)


@contextmanager
def operator_thread(settings: Settings) -> Iterator[None]:
    """Run an operator in a thread of its own until the block ends; it must end without an error."""
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            loop.run_until_complete(serve(settings, stop, ready.set))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="operator under test", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS), "the operator did not become ready"
    try:
        yield
    finally:
        with _closing_connections():
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop.set)
            thread.join(START_SECONDS)
    assert not thread.is_alive(), "the operator did not stop"
    assert not errors, errors


@contextmanager
def _closing_connections() -> Iterator[None]:
    """Let the loops of the block end with TLS connections in the middle of their goodbye.

    kopf closes its watches and does not wait for the API server's answer. In a process that ends nobody notices; here the
    garbage collector would complain during whatever test comes next.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


class OperatorProcess:
    """An operator as a process: it can be killed at any moment and started again.

    It is forked from a process that has everything imported: it starts in no time, and otherwise does what ``obtask run`` does.
    """

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, **environment: str) -> None:
        self._words = ["run", "--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self._environment = ENVIRONMENT | environment
        self.log = log
        self._process: ForkServerProcess | None = None
        self._stdout: Connection | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        assert self.starts(), self.log.read_text()[-2000:]

    def starts(self) -> bool:
        """Start it and wait; return whether it says that it is ready, or ends because it cannot start."""
        assert not self.alive
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["obtask.cli", __name__])
        ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(self._words, self._environment, self.log, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._stdout = ours
        said = os.read(ours.fileno(), 100) if ours.poll(START_SECONDS) else b""
        return said.strip() == b"obtask: ready"

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """Kill it like a power cut: SIGKILL."""
        self.strike()
        if self._process is not None:
            self.wait()

    def strike(self) -> None:
        """Send SIGKILL and do not wait; for use in the middle of one of its requests."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """Let it stand still, as a machine without CPU or memory does: SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def ask(self) -> None:
        """Ask it to end, as Kubernetes does, and do not wait."""
        assert self._process is not None
        self._process.terminate()

    def stop(self) -> int:
        """Ask it to end, as Kubernetes does; return its exit code."""
        self.ask()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code, negative if it was a signal."""
        process, self._process = self._process, None
        assert process is not None
        process.join(START_SECONDS)
        code = process.exitcode
        assert code is not None, "the operator did not end"
        process.close()
        if self._stdout is not None:
            self._stdout.close()
        return code


def _run(words: list[str], environment: dict[str, str], log: Path, ready: Connection) -> None:
    """Be the operator, in a process of its own."""
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.dup2(ready.fileno(), 1)
    ready.close()
    os.environ.update(environment)
    sys.argv = ["obtask", *words]
    main()
