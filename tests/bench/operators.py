"""Owns the operator that is measured: a process, its CPU seconds, its memory and its own metrics."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.local import ENVIRONMENT

from devcluster.ports import LOOPBACK, free_port

LIMIT_SECONDS = 300.0
POLL_SECONDS = 0.05
UNFINISHED = re.compile(r"^obtask_tasks\{.*\} (\S+)$", re.MULTILINE)
DUE = re.compile(r"^obtask_tasks_due (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class MeasuredOperator:
    """A running operator."""

    pid: int
    metrics: str

    def usage(self) -> Usage:
        """Return CPU seconds and resident memory, as Linux counts them."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return Usage(cpu_seconds(self.pid), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def settled(self, unfinished: int) -> float:
        """Wait until it knows that many unfinished tasks and none of them is due; return when."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            with urllib.request.urlopen(self.metrics) as answer:  # noqa: S310 - our own address
                text = answer.read().decode()
            known = sum(float(count) for count in UNFINISHED.findall(text))
            due = sum(float(count) for count in DUE.findall(text))
            if known >= unfinished and not due:
                return time.time()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{known:.0f} of {unfinished} tasks known, {due:.0f} due after {LIMIT_SECONDS:g} s")
            time.sleep(POLL_SECONDS)


@contextmanager
def measured_operator(
    kubeconfig: Path, log: Path, *, namespace: str | None, kill: bool = False, **settings: str
) -> Iterator[MeasuredOperator]:
    """Run an operator until the block ends; ``kill`` ends it like a power cut. ``settings``: environment variables.

    ``namespace``: one, several with commas, or None for all, on a control plane that nobody else has tasks on.
    """
    address = f"{LOOPBACK}:{free_port()}"
    command = [sys.executable, "-m", "obtask", "run", "--kubeconfig", str(kubeconfig)]
    command += ["--namespace", namespace] if namespace else []
    environment = os.environ | ENVIRONMENT | {"OBTASK_METRICS_ADDRESS": address} | settings
    with (
        log.open("a") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,  # noqa: S603 - ours
    ):
        if process.stdout is None or process.stdout.readline().strip() != "obtask: ready":
            raise RuntimeError(f"the operator did not start: {log.read_text()[-1000:]}")
        try:
            yield MeasuredOperator(process.pid, f"http://{address}/metrics")
        finally:
            (process.kill if kill else process.terminate)()


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
