"""Owns the operator that is measured: a process, its CPU seconds and its memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class MeasuredOperator:
    """A running operator."""

    pid: int

    def usage(self) -> Usage:
        """Return CPU seconds and resident memory, as Linux counts them."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


@contextmanager
def measured_operator(kubeconfig: Path, log: Path) -> Iterator[MeasuredOperator]:
    """Run an operator until the block ends."""
    command = [sys.executable, "-m", "obtask", "run", "--kubeconfig", str(kubeconfig)]
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:  # noqa: S603
        if process.stdout is None or process.stdout.readline().strip() != "obtask: ready":
            raise RuntimeError(f"the operator did not start: {log.read_text()[-1000:]}")
        try:
            yield MeasuredOperator(process.pid)
        finally:
            process.terminate()
