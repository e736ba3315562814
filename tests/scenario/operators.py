"""Owns operators under test: one in a thread of this process, or one as a process of its own that can be killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obtask.runtime.process import serve
from obtask.settings import Settings

START_SECONDS = 30


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
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
    assert not errors, errors


class OperatorProcess:
    """An operator as a process: it can be killed at any moment and started again."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, **environment: str) -> None:
        self._command = [sys.executable, "-m", "obtask", "run", "--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self._log.open("a") as log:
            process = subprocess.Popen(self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip() == "obtask: ready", self._log.read_text()[-2000:]

    def kill(self) -> None:
        """Kill it like a power cut: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, as Kubernetes does; return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        with process:
            return process.wait(START_SECONDS)
