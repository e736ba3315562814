"""Remove what a node leaves in the machine's cgroups."""

import os
import time
from contextlib import suppress
from pathlib import Path

from devcluster.errors import DevClusterError
from devcluster.processes import POLL

HIERARCHIES = Path("/sys/fs/cgroup")


def remove(name: str, root: Path = HIERARCHIES, timeout: float = 10.0) -> None:
    """Remove the cgroups of this name, in every hierarchy; the processes in them have been killed, and may need a moment to end."""
    deadline = time.monotonic() + timeout
    while left := [folder for folder in root.glob(f"*/{name}") if not _removed(folder)]:
        if time.monotonic() > deadline:
            raise DevClusterError(f"cgroup {left[0]} is still in use; see which processes its cgroup.procs names")
        time.sleep(POLL)


def _removed(top: Path) -> bool:
    for folder, _, _ in os.walk(top, topdown=False):
        # The kernel removes the files in it; what has processes is busy.
        with suppress(OSError):
            Path(folder).rmdir()
    return not top.exists()
