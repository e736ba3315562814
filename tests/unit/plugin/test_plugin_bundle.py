"""Where `download -o` writes: a file as a whole, whatever else it is given as it stands."""

import os
import threading
from pathlib import Path

import pytest

from kubectl_obtask.bundle import write

PIECES = [b"one", b"two"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """It is there for its owner only, and nothing is left beside it."""
    file = tmp_path / "a.zip"
    file.write_bytes(b"older, and longer than the new one")

    assert write(file, PIECES) is None
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"onetwo", 0o600)
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    """What it leads to is written, also if nothing is there yet."""
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "b.zip", tmp_path / "a.zip"
    link.symlink_to(target)
    if there:
        target.write_bytes(b"older")

    assert write(link, PIECES) is None
    assert (link.is_symlink(), target.read_bytes()) == (True, b"onetwo")
    assert [*target.parent.iterdir()] == [target]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """Its reader gets the bundle, and it stays a pipe."""
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()

    assert write(pipe, PIECES) is None
    reader.join(10)
    assert (got, pipe.is_fifo()) == ([b"onetwo"], True)


def test_a_device_is_written_to() -> None:
    """It stays one, also through a link to it; what it answers is told."""
    assert write(Path("/dev/null"), PIECES) is None
    assert Path("/dev/null").is_char_device()
    full = write(Path("/dev/full"), PIECES)
    assert full is not None
    assert full.said == "/dev/full: No space left on device"
    assert Path("/dev/full").is_char_device()


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder, and a file in a folder that is not there."""
    for file in (tmp_path, tmp_path / "missing" / "a.zip"):
        fault = write(file, PIECES)
        assert fault is not None
        assert fault.said.startswith(f"{file}: ")
