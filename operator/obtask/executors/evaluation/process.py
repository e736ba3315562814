"""Owns the evaluation process: it answers one question at a time, each within its limits, until the pipe is closed."""

import math
import os
import pickle
import resource
import signal
import sys
from typing import Any, BinaryIO

from obtask.executors.evaluation.language import fault, holds, shown, value
from obtask.executors.evaluation.pipe import (
    CPU_SECONDS,
    FILES,
    LENGTH,
    LONGEST_TEXT,
    MEBIBYTES,
    NICENESS,
    OUT_OF_MEMORY,
    TOO_DEEP,
    written,
)
from obtask.rules.expressions import ExpressionFault, Gives, Vocabulary


def serve(questions: BinaryIO, answers: BinaryIO) -> int:
    """Answer questions until there are no more, or one takes too much memory; return the exit code. Too much time ends the process."""
    while len(head := questions.read(LENGTH.size)) == LENGTH.size:
        _limit_time()
        try:
            answer = _answer(questions.read(LENGTH.unpack(head)[0]))
        except MemoryError:
            return OUT_OF_MEMORY
        said = written(answer)
        answers.write(LENGTH.pack(len(said)) + said)
        answers.flush()
    return 0


def _answer(question: bytes) -> Any:
    """Return what an expression gives, or, without variables, why it does not compile."""
    # The operator is the only one who writes here.
    vocabulary, gives, text, scope, *rest = pickle.loads(question)  # noqa: S301
    if not rest:
        return fault(vocabulary, text, gives, scope)
    try:
        variables = rest[0]() if callable(rest[0]) else rest[0]
    except RecursionError:
        return TOO_DEEP
    if gives is Gives.CONDITION:
        return holds(vocabulary, text, dict(variables))
    if gives is Gives.VALUE or gives is Gives.LIST:
        return value(vocabulary, text, dict(variables))
    found = shown(vocabulary, text, dict(variables))
    return found if isinstance(found, ExpressionFault) else found[:LONGEST_TEXT]


def _limit_memory() -> None:
    # What the libraries take is there before the limit counts.
    fault(Vocabulary.SQL, "rows.size() == 0")
    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - no other file is read here
        data = int(pages.read().split()[5]) * resource.getpagesize()
    _limit(resource.RLIMIT_DATA, data + MEBIBYTES * 1024 * 1024)


def _limit_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + CPU_SECONDS)


def _limit(what: int, wanted: int) -> None:
    # The machine may allow less than we would.
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


if __name__ == "__main__":
    _limit_memory()
    os.nice(NICENESS)  # the operator itself comes first
    # No traces on the disk, nothing written, no process, no file or connection opened besides the one that names a time zone.
    for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NPROC, 0), (resource.RLIMIT_NOFILE, FILES)):
        _limit(what, most)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))
