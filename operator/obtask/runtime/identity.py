"""Owns the name of this operator process, and whether another process with such a name is still there.

A name is HOST.PLACE.PID.START: PLACE stands for the booted machine and its PID namespace, START for when the process began.
Whoever shares the place can tell for certain whether a process is alive; of other places this module knows nothing.
"""

import hashlib
import os
from pathlib import Path

PROC = Path("/proc")
PARTS = 4  # of a name
STATE, START = 0, 19  # fields of /proc/PID/stat after the name of the program: proc(5)


def own_name(host: str, proc: Path) -> str:
    """Return the name of this process; ``proc`` is the mount of procfs, /proc."""
    pid = os.getpid()
    return f"{host.replace('.', '-')}.{_place(proc)}.{pid}.{_started(proc, pid) or 'unknown'}"


def is_alive(name: str, me: str, proc: Path) -> bool:
    """Return whether the process with this name certainly runs, beside the one named ``me``."""
    parts, mine = name.split("."), me.split(".")
    if len(parts) != PARTS or len(mine) != PARTS or parts[1] != mine[1] or not parts[1] or parts[2] == mine[2] or not parts[2].isdecimal():
        return False
    return _started(proc, int(parts[2])) == parts[3]


def _place(proc: Path) -> str:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text()
        processes = (proc / "self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{processes}".encode()).hexdigest()[:8]


def _started(proc: Path, pid: int) -> str | None:
    """Return when a process began, in clock ticks since the machine did; None if it is gone or only waits to be reaped."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in {"Z", "X"} else fields[START]
