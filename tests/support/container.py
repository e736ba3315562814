"""Owns containers of the test node: real processes with the environment of the pod, and what they write, with times."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime


class Container:
    """A process in a group of its own, and its log as a kubelet keeps it."""

    def __init__(self, words: list[str], variables: Mapping[str, str]) -> None:
        self._lines: list[tuple[bytes, bytes]] = []
        self._changed = threading.Condition()
        self._closed = False
        environment = {"PATH": os.environ["PATH"], **variables}
        self._process = subprocess.Popen(  # noqa: S603 - the words of a test
            words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.id = f"process://{self._process.pid}"
        self.started_at = now()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """Wait for the end; return the exit code as a shell shows it."""
        code = self._process.wait()
        self._reader.join()
        return 128 - code if code < 0 else code

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, and kill it after the grace period."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill it, and all that it started."""
        self._signal(signal.SIGKILL)

    def log(self, *, follow: bool) -> Iterator[tuple[bytes, bytes]]:
        """Yield the lines with their times; following, until the container ends."""
        at = 0
        while True:
            with self._changed:
                while follow and at == len(self._lines) and not self._closed:
                    self._changed.wait()
                lines = self._lines[at:]
            if not lines:
                return
            yield from lines
            at += len(lines)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append((nanoseconds(), line))
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nanoseconds() -> bytes:
    """Return the time as a kubelet writes it into logs."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
