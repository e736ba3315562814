"""The name of an operator process, and whether another one is still there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from obtask.runtime.process_name import PROC, is_alive, own_name

NAMED = "from obtask.runtime.process_name import PROC, own_name; print(own_name('host', PROC), flush=True); input()"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Return another process, which prints its name and stays."""
    command = [sys.executable, "-c", NAMED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        yield process
        process.kill()


def name_of(process: subprocess.Popen[str]) -> str:
    """Return the name that a process has printed."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_beside_this_one_is_alive_until_it_is_killed(other: subprocess.Popen[str]) -> None:
    """On one machine it is known for certain; a killed one is gone even before somebody has reaped it."""
    name, me = name_of(other), own_name("host", PROC)
    assert is_alive(name, me, PROC)

    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

    assert not is_alive(name, me, PROC)


def test_a_number_that_another_process_has_now_is_not_the_one_that_had_it(other: subprocess.Popen[str]) -> None:
    """After a restart of a container its only process has the same number again: the time of its start tells them apart."""
    earlier = name_of(other).rpartition(".")[0] + ".1"

    assert not is_alive(earlier, own_name("host", PROC), PROC)


@pytest.mark.parametrize("name", ["", "host", "host.0a0b0c0d.1.1", "a.b.c.d.e", "host..1.1", "host.place.x.1"])
def test_whoever_runs_elsewhere_is_not_known_to_be_alive(name: str) -> None:
    """Names of other machines, or of no operator at all, tell nothing."""
    assert not is_alive(name, own_name("host", PROC), PROC)


def test_an_own_earlier_self_is_not_somebody_else() -> None:
    """A process runs one operator: its own name means nobody else."""
    me = own_name("host", PROC)

    assert not is_alive(me, me, PROC)


def test_without_procfs_nobody_is_known_to_be_alive(tmp_path: Path) -> None:
    """Where there is no procfs, a name has no place, and two of them share none."""
    assert not is_alive("host..1.unknown", own_name("host", tmp_path), tmp_path)


def test_a_name_of_another_form_is_nobody() -> None:
    """A name that no operator of this version has says nothing about a process."""
    assert not is_alive("test", "test", PROC)
    assert not is_alive("another", own_name("host", PROC), PROC)
