"""Make and remove the folder of a node; every other folder is left alone."""

import shutil
from contextlib import suppress
from pathlib import Path

from devcluster.errors import DevClusterError

MARKER = ".obtask-node"


def refuse_foreign(state: Path) -> None:
    """Refuse a folder that was not made here and holds something."""
    try:
        foreign = state.exists() and not (state / MARKER).exists() and not (state.is_dir() and not any(state.iterdir()))
    except PermissionError as error:
        raise DevClusterError(f"{state} belongs to another user; do this as that user") from error
    if foreign:
        raise DevClusterError(f"{state} is not the folder of a node, and not empty; name another one with --state")


def make_folder(state: Path) -> None:
    """Make the folder, and mark it first of all."""
    refuse_foreign(state)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state / MARKER).touch()


def remove_folder(state: Path) -> None:
    """Remove the folder if it is there. The mark goes last: what a removal leaves that is ended halfway can be removed later."""
    refuse_foreign(state)
    # Somebody else may be removing it.
    with suppress(FileNotFoundError):
        for entry in state.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != MARKER:
                entry.unlink(missing_ok=True)
        if {entry.name for entry in state.iterdir()} <= {MARKER}:
            shutil.rmtree(state, ignore_errors=True)
