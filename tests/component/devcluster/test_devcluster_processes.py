"""Background processes: started apart from us, recognised even when pids are reused, stopped for certain."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import commands, processes
from devcluster.errors import DevClusterError
from devcluster.processes import AddressInUseError, CommandLine, Process

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignoring', flush=True); time.sleep(600)"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for records; what is recorded there is stopped after the test."""
    yield tmp_path / "run"
    processes.stop(processes.recorded(tmp_path / "run"), grace=0.0)


def python(run: Path, code: str, name: str = "sleeper") -> CommandLine:
    """Return a command that runs some Python."""
    return CommandLine(name, (sys.executable, "-c", code), run, run.parent / f"{name}.log")


def test_a_started_process_is_found_again_by_its_record(run: Path) -> None:
    """A later run of the program finds what an earlier one started, by the record alone."""
    started = processes.start(python(run, SLEEP))

    assert processes.running(python(run, SLEEP)) == started
    assert processes.recorded(run) == (started,)


def test_a_started_process_has_a_session_of_its_own(run: Path) -> None:
    """A Ctrl-C in the terminal goes to the session of the caller, so it does not reach the process."""
    started = processes.start(python(run, SLEEP))

    assert os.getsid(started.pid) == started.pid


def test_another_command_line_is_another_process(run: Path) -> None:
    """After a change of binaries or ports the old process does not pass for the new one, and is replaced by it."""
    old = processes.start(python(run, SLEEP))
    changed = python(run, SLEEP + "  # changed")

    assert processes.running(changed) is None
    new = processes.start(changed)
    assert not processes.is_alive(old)
    assert processes.is_alive(new)


def test_stop_ends_a_process_and_can_be_repeated(run: Path) -> None:
    """After stop the process is gone; stopping it again does nothing."""
    started = processes.start(python(run, SLEEP))

    processes.stop([started])
    processes.stop([started])

    assert not processes.is_alive(started)


def test_stop_kills_what_ignores_sigterm(run: Path) -> None:
    """A process that ignores SIGTERM is killed after the grace period."""
    started = processes.start(python(run, STUBBORN))
    processes.wait_until(lambda: "ignoring" in started.log.read_text(), started, 10)

    processes.stop([started], grace=0.1)

    assert not processes.is_alive(started)


def test_a_reused_pid_is_left_alone(run: Path) -> None:
    """A record from before a reboot names a pid that is now a stranger's: it is neither taken for ours nor killed."""
    started = processes.start(python(run, SLEEP))
    stale = replace(started, birth="another boot/1")
    processes.record(stale, run)

    assert processes.running(python(run, SLEEP)) is None
    processes.stop([stale])
    assert processes.is_alive(started)
    processes.record(started, run)


def test_a_process_without_birth_is_dead(run: Path) -> None:
    """A process that had ended before it could be looked at counts as dead, not as any process without a birth."""
    gone = Process("gone", 2**22 + 1, "", run / "log", ())

    assert not processes.is_alive(gone)


def test_unreadable_records_are_passed_over(run: Path) -> None:
    """A record cut short by a crash does not keep `down` from stopping the rest."""
    started = processes.start(python(run, SLEEP))
    (run / "broken.json").write_text('{"name": "bro')
    (run / "other.json").write_text("[]")

    assert processes.recorded(run) == (started,)


def test_the_log_of_the_run_before_is_kept(run: Path) -> None:
    """A restart does not wipe out why the process had ended."""
    first = processes.start(python(run, "print('first')"))
    wait_for(lambda: not processes.is_alive(first))
    second = processes.start(python(run, SLEEP))

    assert second.log.with_name("sleeper.log.1").read_text() == "first\n"


def test_a_program_that_is_not_there_is_a_clear_error(run: Path) -> None:
    """The error names the process, the file and the reason."""
    command = CommandLine("etcd", ("/nowhere/etcd",), run, run / "log")

    with pytest.raises(DevClusterError, match=r"cannot start etcd \(/nowhere/etcd\): No such file or directory"):
        processes.start(command)


def test_an_early_end_shows_the_end_of_the_log(run: Path) -> None:
    """Who waits for a process that dies learns what it said last, and where its log is."""
    started = processes.start(python(run, "raise SystemExit('no such thing')"))

    with pytest.raises(DevClusterError, match=rf"sleeper ended while it was starting(?s:.*){started.log}(?s:.*)no such thing"):
        processes.wait_until(lambda: False, started, 10)


def test_a_lost_port_can_be_told_from_other_failures(run: Path) -> None:
    """A server that lost its port to somebody else is started again on another one; so this error has a type of its own."""
    started = processes.start(python(run, "raise SystemExit('listen tcp 127.0.0.1:1: bind: address already in use')"))

    with pytest.raises(AddressInUseError):
        processes.wait_until(lambda: False, started, 10)


def test_waiting_has_a_deadline(run: Path) -> None:
    """A process that lives but never gets ready is an error, too."""
    started = processes.start(python(run, SLEEP))

    with pytest.raises(DevClusterError, match="sleeper was not ready after 0 s"):
        processes.wait_until(lambda: False, started, 0.1)


def test_a_child_that_ended_is_dead(run: Path) -> None:
    """A process that has ended is dead also while nobody has asked for its exit code, and does not stay a zombie."""
    started = processes.start(python(run, "pass"))
    wait_for(lambda: not processes.is_alive(started))

    assert processes.birth_of(started.pid) != started.birth


def test_the_children_of_others_are_not_touched(run: Path) -> None:
    """A stale record with the pid of a child that somebody else started does not take its exit code away."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "raise SystemExit(7)"], os.environ)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert not processes.is_alive(Process("stale", child, "another boot/1", run / "log", ()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.skipif(shutil.which("ps") is None, reason="this machine has no ps")
def test_births_without_proc() -> None:
    """Where there is no /proc, ps gives a birth that is stable and empty for those who do not live."""
    birth, ended = processes._look_with_ps(os.getpid())

    assert birth
    assert not ended
    assert processes._look_with_ps(os.getpid()) == (birth, False)
    assert processes._look_with_ps(2**22 + 1) == ("", True)


def test_the_leash_pulls_when_its_holder_is_killed(run: Path) -> None:
    """Tests that are killed with SIGKILL leave nothing behind."""
    code = f"""
import os, signal, sys
from pathlib import Path
from devcluster import commands, processes
from devcluster.leash import leash
run = Path({str(run)!r})
with leash(run):
    processes.start(processes.CommandLine("sleeper", (sys.executable, "-c", {SLEEP!r}), run, run.parent / "log"))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    holder = commands.run([sys.executable, "-c", code], env=os.environ)

    assert holder.returncode == -signal.SIGKILL
    (left,) = processes.recorded(run)
    wait_for(lambda: not processes.is_alive(left))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
