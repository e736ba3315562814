"""Owns the name of this operator process, and the check whether another process with such a name is still alive.

A name is HOST.BOOT.PID.START: BOOT stands for the boot of the machine and the PID namespace, START for the start of the process.
Only of processes with the same BOOT it is known for certain whether they are alive.
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
    return f"{host.replace('.', '-')}.{_boot(proc)}.{pid}.{_started(proc, pid) or 'unknown'}"


def is_alive(name: str, me: str, proc: Path) -> bool:
    """Return whether the process with this name is certainly alive and is not the one named ``me``."""
    parts, mine = name.split("."), me.split(".")
    if len(parts) != PARTS or len(mine) != PARTS or parts[1] != mine[1] or not parts[1] or parts[2] == mine[2] or not parts[2].isdecimal():
        return False
    return _started(proc, int(parts[2])) == parts[3]


def _boot(proc: Path) -> str:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text()
        processes = (proc / "self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{processes}".encode()).hexdigest()[:8]


def _started(proc: Path, pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in {"Z", "X"} else fields[START]
