"""Owns the process that evaluates expressions: one question after the other, each within its limits, until nobody asks any more."""

import json
import math
import pickle
import resource
import signal
import sys
from typing import BinaryIO

from obtask.executors.evaluation.limits import CPU_SECONDS, LENGTH, MEBIBYTES, OUT_OF_MEMORY
from obtask.rules.expressions import ExpressionFault, Vocabulary, fault, holds


def serve(questions: BinaryIO, answers: BinaryIO) -> int:
    """Answer questions until there are no more, or one takes too much memory; return the exit code. Too much time ends the process."""
    while len(head := questions.read(LENGTH.size)) == LENGTH.size:
        _limit_time()
        try:
            answer = _answer(questions.read(LENGTH.unpack(head)[0]))
        except MemoryError:
            return OUT_OF_MEMORY
        said = json.dumps(answer if isinstance(answer, bool) else {"fault": answer.message}).encode()
        answers.write(LENGTH.pack(len(said)) + said)
        answers.flush()
    return 0


def _answer(question: bytes) -> bool | ExpressionFault:
    # The operator is the only one who writes here.
    name, text, variables = pickle.loads(question)  # noqa: S301
    return holds(Vocabulary(name), text, variables)


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
    # An end that is ours needs no traces on the disk.
    _limit(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))
