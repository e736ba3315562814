"""Owns the process that evaluates expressions: one question after the other, each within its limits, until nobody asks any more."""

import json
import math
import pickle
import resource
import signal
import sys
from typing import BinaryIO

from obtask.executors.evaluation.limits import CPU_SECONDS, LENGTH, MEBIBYTES
from obtask.rules.expressions import Vocabulary, fault, holds


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer questions until there are no more, or one takes too much: then the process ends, with or without an answer."""
    while len(head := questions.read(LENGTH.size)) == LENGTH.size:
        # The operator is the only one who writes here.
        name, text, variables = pickle.loads(questions.read(LENGTH.unpack(head)[0]))  # noqa: S301
        _limit_time()
        try:
            answer = holds(Vocabulary(name), text, variables)
        except MemoryError:
            return
        said = json.dumps(answer if isinstance(answer, bool) else {"fault": answer.message}).encode()
        answers.write(LENGTH.pack(len(said)) + said)
        answers.flush()


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What the libraries take is there before the limit counts.
    fault(Vocabulary.SQL, "rows.size() == 0")
    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - no other file is read here
        data = int(pages.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + MEBIBYTES * 1024 * 1024,) * 2)


def _limit_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + CPU_SECONDS, most))


if __name__ == "__main__":
    # Ctrl-C in a terminal reaches the whole group; the operator may still have questions while it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    serve(sys.stdin.buffer, sys.stdout.buffer)
