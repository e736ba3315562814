"""Where things are in a checkout, and how this package writes and locks files."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.errors import DevClusterError


def checkout() -> Path:
    """Return the folder of the checkout this package is part of: it holds the pins, the CRDs and the RBAC rules."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "deploy/devcluster/go.mod").is_file():
            return folder
    raise DevClusterError("devcluster works only in a checkout of the repository (deploy/devcluster/go.mod is not there)")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, and that appears with its whole content or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(0o600, exist_ok=False)
    draft.write_bytes(content)
    draft.replace(path)


@contextmanager
def locked(path: Path, waiting: str) -> Iterator[int]:
    """Hold a lock among the processes of this machine; it is given back at the end, also at a violent one.

    If somebody else holds it, `waiting` is said once. A process that inherits the file holds the lock as well, until it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"… {waiting}\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
