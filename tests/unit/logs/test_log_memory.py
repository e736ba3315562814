"""What the logs of many attempts take together: bounded, shared by namespaces, and never waited for."""

import gc
import gzip
import tracemalloc

import pytest
from tests.support.builders import START

from obtask.logs.memory import LEAST_BYTES, MEBIBYTE, LogMemory
from obtask.logs.text import AttemptLog

LINE = "x" * 200
WHOLE = (64 + 1024) * 1024  # of one log, without what its lines take on top of their text


def a_log(memory: LogMemory, namespace: str = "team-a") -> AttemptLog:
    """Return a log of a namespace."""
    return AttemptLog(clock=lambda: START, room=memory.of(namespace))


def filled(log: AttemptLog, lines: int = 6000) -> AttemptLog:
    """Write more into a log than it may keep."""
    for number in range(lines):
        log.write(f"{number} {LINE}")
    return log


def test_one_log_has_all_that_the_contract_gives_it() -> None:
    """Where there is room, nothing is cut sooner than before."""
    memory = LogMemory()

    log = filled(a_log(memory))

    assert WHOLE < memory.held < 3 * WHOLE
    assert log.written == 6000


def test_many_logs_take_no_more_than_there_is() -> None:
    """However many there are, they take little more than the whole: each keeps its first and its last lines."""
    memory = LogMemory(16 * MEBIBYTE)

    logs = [filled(a_log(memory, f"team-{number % 8}")) for number in range(64)]

    assert memory.held < 17 * MEBIBYTE
    assert all("5999 x" in log.tail() for log in logs)
    assert all(log.packed() for log in logs)


def test_the_shortest_log_is_not_counted() -> None:
    """What every log may have in any case is as much as is left of one for which there is no room."""
    memory = LogMemory(0)

    log = filled(a_log(memory))

    assert memory.held == 0
    assert "0 x" in gzip.decompress(log.packed()).decode()[:100]


def test_a_namespace_leaves_room_for_others() -> None:
    """One with many logs has a third of all; the first log of the next one is kept whole."""
    memory = LogMemory(16 * MEBIBYTE)
    for _ in range(64):
        filled(a_log(memory), 3000)
    before = memory.held

    filled(a_log(memory, "team-b"))

    assert before < 7 * MEBIBYTE
    assert memory.held - before > WHOLE


def test_an_attempt_that_is_forgotten_gives_everything_back() -> None:
    """What it still has to say while it is stopped is not counted for ever."""
    memory = LogMemory(16 * MEBIBYTE)
    logs = [filled(a_log(memory), 1000) for _ in range(8)]

    for log in logs:
        log.close()
        log.write("stopped waiting")

    assert memory.held == 0


@pytest.mark.parametrize("width", [1, 60, 4000])
def test_the_bytes_that_are_counted_are_those_that_are_taken(width: int) -> None:
    """Many short lines take more than their text; that is counted, too."""
    memory = LogMemory()
    gc.collect()
    tracemalloc.start()
    try:
        log = a_log(memory)
        for number in range(200_000 // (width + 1) + 2000):
            log.write(f"{number:0{width}d}")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.5 < taken / (memory.held + LEAST_BYTES) < 1.5
