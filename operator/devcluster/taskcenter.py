"""Run the Task Center on this machine, and have it make links that sign in once."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from devcluster import processes
from devcluster.commands import run
from devcluster.files import checkout
from devcluster.ports import LOOPBACK, is_free
from devcluster.processes import CommandLine, Process
from devcluster.progress import Report

NAME = "web"
# The port of `obtask web`; another one where somebody has it.
PORT = 8090
TIMEOUT = 30.0
BRING_SECONDS = 300.0
READY = "obtask web: "


@dataclass(frozen=True, slots=True)
class TaskCenter:
    """A Task Center that runs, and a link by which one browser may sign in within five minutes."""

    process: Process
    link: str


def ensure(folder: Path, logs: Path, kubeconfig: Path, report: Report) -> TaskCenter | None:
    """Start it if it does not run yet, and return it with a new link; None where its packages are not installed."""
    if find_spec("starlette") is None:
        report("no Task Center: the packages of the extra [web] are not installed (docs/guides/task-center.md)", None)
        return None
    log, began = logs / f"{NAME}.log", time.monotonic()
    known = next((process for process in processes.recorded(folder) if processes.is_alive(process)), None)
    if known is not None:
        before = len(_links(log))
        os.kill(known.pid, signal.SIGHUP)
        processes.wait_until(lambda: len(_links(log)) > before, known, TIMEOUT)
        report("Task Center already runs", None)
        return TaskCenter(known, _links(log)[-1])
    bring_scripts(report)
    address = f"{LOOPBACK}:{PORT if is_free(PORT) else 0}"
    argv = (sys.executable, "-m", "obtask", "web", "--kubeconfig", str(kubeconfig), "--identity", "kubeconfig", "--listen", address)
    process = processes.start(CommandLine(NAME, argv, folder, log))
    processes.wait_until(lambda: bool(_links(log)), process, TIMEOUT)
    report("Task Center", time.monotonic() - began)
    return TaskCenter(process, _links(log)[-1])


def bring_scripts(report: Report) -> None:
    """Bring the scripts of others that its pages use; where they cannot be had, the pages do all but change by themselves."""
    made = run(["make", "--no-print-directory", "web-assets"], env=os.environ, timeout=BRING_SECONDS, cwd=checkout())
    if made.returncode:
        report("the Task Center goes without its scripts: pages do not change by themselves (make web-assets says why)", None)


def _links(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines(keepends=True) if log.exists() else []
    return [line.removeprefix(READY).strip() for line in lines if line.startswith(READY) and line.endswith("\n")]
